"""`python dev.py check`: plain, best of N and auto with the user's own model and reward.

It sends nothing. Standard library only, so that `python dev.py` needs nothing installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import client, serving
from .check_models import DEMO, Recipe, chosen_recipe, chosen_reward, needs, prompts_of
from .demo_runs import AUTO, BEST, PLAIN, SEARCHES, find
from .installing import Host, cache_dir
from .processes import Fail, say
from .saved_workflow import Prompt

ROOT = Path(__file__).resolve().parent.parent
METHODS = (PLAIN, BEST, AUTO)
FILE = "flow_search_check.json"
GIB = 2**30


def main(host: Host, extra: Sequence[str]) -> int:
    """Run the check, print its table, and say where its file is. Returns the exit status.

    Raises:
        Fail: no model or reward that the check knows was found, or ComfyUI did not start.
    """
    args, rest = options().parse_known_args(extra)
    results = cache_dir() / "check"
    results.mkdir(parents=True, exist_ok=True)
    out = Path(tempfile.mkdtemp(prefix=time.strftime("%Y-%m-%d_%H%M%S_"), dir=results))
    with tempfile.TemporaryDirectory(prefix="flow-search-", ignore_cleanup_errors=True) as base:
        log = out / "comfyui.log"
        with serving.server(host, Path(base), log, extra=rest) as (url, _):
            try:
                entries = check(client.Client(url), out, args.effort, args.demo)
            except client.ComfyError as error:
                raise Fail(f"{error}\n  ComfyUI's log: {log}") from None
    say(f"\n{table(entries)}\n\nAttach this file to an issue: {out / FILE}\nImages: {out}")
    return int(bool(entries["errors"]))


def refuse_without_models(extra: Sequence[str]) -> None:
    """Refuse to set up a ComfyUI that has no models.

    Args:
        extra: the words after `check`.

    Raises:
        Fail: COMFYUI_PATH is not set, and the demo model is not asked for.
    """
    if not options().parse_known_args(extra)[0].demo and not os.environ.get("COMFYUI_PATH"):
        raise Fail(
            "The check needs your ComfyUI with its models: got no COMFYUI_PATH, expected its "
            f"folder. Set it, or try --demo. The models it looks for:\n{needs()}"
        )


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python dev.py check", description=__doc__)
    parser.add_argument("--demo", action="store_true", help="use the demo model")
    parser.add_argument("--effort", type=int, default=8, help="plain images' worth of a search")
    return parser


def check(comfy: client.Client, out: Path, effort: int, demo: bool) -> dict:
    """Run every method on every prompt, and write the file after each run.

    Args:
        comfy: the server.
        out: folder for the file and the images.
        effort: plain images' worth of a search, at least 2.
        demo: use the demo model.
    """
    recipe, loaders, reward = materials(comfy.get("/object_info"), demo)
    entries = about(comfy.get("/system_stats")) | {
        "model": recipe.title, "effort": effort, "rows": [], "errors": [],
        "files": [node["inputs"] for node in loaders.values()], "reward": reward,
    }  # fmt: skip
    say(f"{recipe.title}, reward {reward['reward']}, on {entries['device']['name']}.")
    with memory_peak(comfy) as peak:
        for number, text in enumerate(prompts_of(recipe), 1):
            for method in METHODS:
                say(f"  {number}/3 {method}: {text}")
                graph = prompt(recipe, loaders, reward, text, number, method, effort)
                row = run_one(comfy, graph, out / f"{number}_{method.replace(' ', '_')}.png")
                place = entries["rows"] if "error" not in row else entries["errors"]
                place.append({"prompt": text, "method": method} | row)
                entries["memory_peak_gib"] = round(peak[0] / GIB, 2)
                (out / FILE).write_text(json.dumps(entries, indent=1), "utf-8")
    return entries


def materials(info: dict, demo: bool) -> tuple[Recipe, Prompt, dict]:
    """The model, its loader nodes, and the inputs of the reward loader.

    Args:
        info: the server's /object_info.
        demo: use the demo model.
    """
    if demo:
        return DEMO, DEMO.loaders(info), {"reward": "shape_count"}
    model, reward = chosen_recipe(info), chosen_reward(info)
    if model is None:
        raise Fail(
            "No model was found in ComfyUI's folders: got none of these, expected one. "
            f"Set COMFYUI_PATH to your ComfyUI, or try --demo.\n{needs()}"
        )
    if reward is None:
        raise Fail(
            "No reward was found in models/rewards: got none, expected one of docs/rewards.md. "
            "PickScore is the smallest. Or try --demo."
        )
    return *model, reward


def prompt(
    recipe: Recipe, loaders: Prompt, reward: dict, text: str, seed: int, method: str, effort: int
) -> Prompt:
    """The API prompt of one run.

    Args:
        recipe: the model.
        loaders: its nodes.
        reward: inputs of the reward loader.
        text: the prompt.
        seed: of the noise.
        method: one of METHODS.
        effort: plain images' worth of a search.
    """
    whole = len(loaders) == 1
    model, clip, vae = (["model", slot] if whole else [role, 0]
                        for slot, role in enumerate(("model", "clip", "vae")))  # fmt: skip
    graph = dict(loaders)

    def add(name: str, kind: str, **inputs: object) -> list:
        graph[name] = {"class_type": kind, "inputs": inputs}
        return [name, 0]

    positive = add("positive", "CLIPTextEncode", text=text, clip=clip)
    negative = add("negative", "CLIPTextEncode", text="", clip=clip)
    if recipe.guidance:
        positive = add("guided", "FluxGuidance", conditioning=positive, guidance=recipe.guidance)
    side, evaluations = recipe.side, 1 if recipe.cfg == 1.0 else 2
    shared = {
        "latent_image": add("latent", recipe.latent, width=side, height=side, batch_size=1),
        "vae": vae, "reward": add("reward", "FlowSearchRewardLoader", **reward), "prompt": text,
    }  # fmt: skip
    if method == AUTO:
        add("search", "FlowSearchKSampler", model=model, positive=positive, negative=negative,
            seed=seed, steps=recipe.steps, cfg=recipe.cfg, sampler_name="vp_sde",
            scheduler="simple", denoise=1.0, effort=effort, **shared)  # fmt: skip
    else:
        guider = add("guider", "CFGGuider", model=model, positive=positive, negative=negative,
                     cfg=recipe.cfg)  # fmt: skip
        add("search", "FlowSearchParticles", method="best_of_n",
            noise=add("noise", "RandomNoise", noise_seed=seed), guider=guider,
            sampler=add("sampler", "FlowSearchVPSDESampler", interpolant="linear",
                        diffusion="square", diffusion_norm=0.0, kernel="eta"),
            sigmas=add("sigmas", "BasicScheduler", model=model, scheduler="simple",
                       steps=recipe.steps, denoise=1.0),
            budget=recipe.steps * evaluations * (1 if method == PLAIN else effort),
            finish_steps=0, top_k=1, **shared)  # fmt: skip
    add("save", "SaveImage", images=["search", 1], filename_prefix="check")
    return graph


def run_one(comfy: client.Client, graph: Prompt, file: Path) -> dict:
    """Run one prompt: what it spent and found, or its error.

    Args:
        comfy: the server.
        graph: the prompt.
        file: for the image.
    """
    try:
        outputs = comfy.run(graph, lambda value, maximum: None)
    except client.ComfyError as error:
        return {"error": str(error)}
    report = json.loads(outputs[find(graph, *SEARCHES)]["flow_search_report"][0])
    images = [image for output in outputs.values() for image in output.get("images", [])]
    file.write_bytes(comfy.image(next(i for i in images if i.get("type") == "output")))
    kept = ("spent", "stopped", "best", "chosen", "warnings")
    return {key: report[key] for key in kept if key in report}


def about(stats: dict) -> dict:
    """The machine, ComfyUI and this pack. No paths.

    Args:
        stats: the server's /system_stats.
    """
    system, device = stats["system"], stats["devices"][0]
    names = ("os", "python_version", "pytorch_version", "comfyui_version", "ram_total")
    version = re.search('^version = "(.*)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)
    return {
        "flow_search": version[1],
        "system": {name: system.get(name) for name in names},
        "device": {name: device.get(name) for name in ("name", "type", "vram_total")},
    }


@contextlib.contextmanager
def memory_peak(comfy: client.Client, seconds: float = 0.5) -> Iterator[list[int]]:
    """The most bytes that were in use on the first device, as a list of one number.

    Args:
        comfy: the server.
        seconds: between two looks.
    """
    peak, ended = [0], threading.Event()

    def look() -> None:
        while not ended.wait(seconds):
            with contextlib.suppress(client.ComfyError):  # it may be busy; the next look counts
                device = comfy.get("/system_stats", timeout=5)["devices"][0]
                peak[0] = max(peak[0], device["vram_total"] - device["vram_free"])

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def table(entries: dict) -> str:
    """A line for each method, the memory, and the errors."""
    lines = [("method", "score", "evaluations", "seconds", "s an evaluation")]
    for method in METHODS:
        rows = [row for row in entries["rows"] if row["method"] == method]
        if rows:
            spent = [row["spent"] for row in rows]
            nfe = sum(s["nfe"] for s in spent)
            score = sum(row["best"]["reward"] for row in rows) / len(rows)
            seconds = sum(s["seconds"]["total"] for s in spent) / len(rows)
            network = sum(s["seconds"]["network"] for s in spent) / nfe
            lines.append((method, f"{score:.3f}", f"{nfe / len(rows):.0f}", f"{seconds:.1f}",
                          f"{network:.3f}"))  # fmt: skip
    text = ["".join(f"  {cell:<16}" for cell in line).rstrip() for line in lines]
    text.append(f"  Memory in use at most: {entries.get('memory_peak_gib', 0):.1f} GiB")
    text += [f"  {e['method']} failed: {e['error']}" for e in entries["errors"]]
    return "\n".join(text)
