"""What a search costs beside its network: python benchmarks/overhead.py --repeats 8 --write

Starts ComfyUI as a user does and reads the seconds in the report of each search. `share`: the time
outside network, decoder and reward, for the demo model and for a FLUX of random weights with wider
layers. `batch`: seconds of the host's network per row against the rows of a call, by CPU time on a
CPU. Repeats are interleaved; errors are standard errors over repeats. Needs COMFYUI_PATH and the
environment of `python dev.py test`. On a GPU, against the bare network at FLUX's own size (writes
24 GB to a temporary folder):

    python benchmarks/overhead.py --device gpu --models full --size 1024 --only share batch
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks.random_flux import DEMO, MODELS, save_random
from pack.demo.text import encode
from pack.tools import serving
from pack.tools.client import Client
from pack.tools.sections import put

FOLDER = "models/diffusion_models"
CAPTION = "three red circles and two blue squares"
METHODS = ("rbf", "best_of_n", "svdd", "smc")
ROWS = (1, 2, 4, 8, 16, 32)



class Host:
    """A running ComfyUI with the pack."""

    def __init__(self, url: str) -> None:
        self.client = Client(url)

    def spent(self, prompt: dict) -> dict:
        """What the report of the prompt's search says was spent."""
        number = self.client.queue(prompt)
        while (entry := self.client.get(f"/history/{number}").get(number)) is None:
            time.sleep(0.05)
        if "search" not in entry["outputs"]:
            raise RuntimeError(json.dumps(entry["status"])[-2000:])
        return json.loads(entry["outputs"]["search"]["flow_search_report"][0])["spent"]


@contextlib.contextmanager
def host(base: Path, device: str) -> Iterator[Host]:
    comfyui = os.environ["COMFYUI_PATH"]
    serving.link(ROOT, base / "custom_nodes" / "flow-search")
    port = serving.free_port()
    command = [
        sys.executable, str(Path(comfyui) / "main.py"), "--listen", "127.0.0.1", "--port",
        str(port), "--base-directory", str(base), "--disable-api-nodes",
        "--disable-auto-launch", "--database-url", "sqlite:///:memory:",
    ]  # fmt: skip
    with open(base / "log", "wb") as log:
        given = [*command, "--cpu"] if device == "cpu" else command
        process = subprocess.Popen(given, stdout=log, stderr=subprocess.STDOUT, cwd=comfyui)
        try:
            url = f"http://127.0.0.1:{port}"
            if not serving.wait_for_answer(process, url):
                raise RuntimeError((base / "log").read_text()[-4000:])
            yield Host(url)
        finally:
            process.terminate()
            process.wait()


def prompt_of(model: str, method: str, seed: int, budget: int, size: int, steps: int = 10) -> dict:
    """The API prompt of one search; a new seed, or the host would answer from its cache."""

    def node(kind: str, **inputs: object) -> dict:
        return {"class_type": kind, "inputs": inputs}

    network = ["demo", 0] if model == "demo" else ["own", 0]
    own = {"method": method} if method != "rbf" else {"init_particles": 8, "paths": 1}
    graph = {
        "demo": node("FlowSearchDemoLoader", checkpoint="fast"),
        "text": node("CLIPTextEncode", text=CAPTION, clip=["demo", 1]),
        "guider": node("BasicGuider", model=network, conditioning=["text", 0]),
        "noise": node("RandomNoise", noise_seed=seed),
        "latent": node("EmptySD3LatentImage", width=size, height=size, batch_size=1),
        "sampler": node(
            "FlowSearchVPSDESampler",
            interpolant="vp",
            diffusion="square",
            diffusion_norm=3.0,
            kernel="euler_maruyama",
        ),
        "sigmas": node(
            "FlowSearchScheduler", steps=steps, spacing="exp", interpolant="vp", denoise=1.0
        ),
        "reward": node("FlowSearchRewardLoader", reward="colour_count"),
        "search": node(
            "FlowSearchRBF" if method == "rbf" else "FlowSearchParticles",
            noise=["noise", 0],
            guider=["guider", 0],
            sampler=["sampler", 0],
            sigmas=["sigmas", 0],
            latent_image=["latent", 0],
            vae=["demo", 2],
            reward=["reward", 0],
            prompt=CAPTION,
            budget=budget,
            finish_steps=4,
            top_k=1,
            micro_batch=0,
            lookahead=0,
            **own,
        ),
        "shown": node("PreviewImage", images=["search", 1]),
    }
    if model != "demo":
        name = f"{model}.safetensors"
        graph["own"] = node("UNETLoader", unet_name=name, weight_dtype="default")
    return graph


# ---- what is measured


def error(values: list[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def interleaved(
    running: Host, prompts: dict[str, dict], repeats: int, seed: int
) -> dict[str, list[dict]]:
    """What each prompt spent: one run of each in turn, in a new order each time."""
    found: dict[str, list[dict]] = {name: [] for name in prompts}
    order, shuffle = list(prompts), random.Random(seed)

    def run(name: str, noise: int) -> dict:
        noise = {"class_type": "RandomNoise", "inputs": {"noise_seed": noise}}
        return running.spent(prompts[name] | {"noise": noise})

    run(order[0], seed)  # loads the models
    for repeat in range(1, repeats + 1):
        shuffle.shuffle(order)
        for name in order:
            found[name].append(run(name, seed + repeat))
    return found


def share_table(running: Host, model: str, budget: int, repeats: int, size: int, seed: int) -> str:
    prompts = {m: prompt_of(model, m, 0, budget, size) for m in METHODS}
    lines = [
        "| method | NFE | network calls | candidates | total s | network | decode | reward "
        "| the rest | the rest, ms a candidate | NFE/s, search | NFE/s, network |",
        "|---" * 12 + "|",
    ]
    for name, runs in interleaved(running, prompts, repeats, seed).items():
        parts = {p: [r["seconds"][p] / r["seconds"]["total"] for r in runs] for p in PARTS}
        parts["rest"] = [1.0 - sum(p) for p in zip(*parts.values(), strict=True)]
        cells = [
            f"{100 * statistics.fmean(v):.1f} ± {100 * error(v):.1f} %" for v in parts.values()
        ]
        first, total = runs[0], [r["seconds"]["total"] for r in runs]
        left = [1e3 * p * s / first["rewards"] for p, s in zip(parts["rest"], total, strict=True)]
        speeds = [
            statistics.median(r["nfe"] / r["seconds"][p] for r in runs)
            for p in ("total", "network")
        ]
        lines.append(
            f"| {name} | {first['nfe']} | {first['network_calls']} | {first['rewards']} "
            f"| {statistics.median(total):.2f} | {' | '.join(cells)} "
            f"| {statistics.fmean(left):.2f} ± {error(left):.2f} "
            f"| {speeds[0]:.1f} | {speeds[1]:.1f} |"
        )
    return "\n".join(lines)


PARTS = ("network", "decode", "reward")


def network_of(model: str, place: Path, device: str, size: int) -> Callable:
    """The host's own network in this process: latents (K,16,h,w) -> x0, and a clock for it."""
    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    sys.argv = ["main.py", *(["--cpu"] if device == "cpu" else [])]
    import comfy.options

    comfy.options.enable_args_parsing()
    import comfy.model_management as mm
    import comfy.sd

    patcher = comfy.sd.load_diffusion_model(str(place))
    mm.load_models_gpu([patcher])
    at = mm.get_torch_device()
    words, pooled = (v.to(at) for v in encode([CAPTION]))

    def ask(x: torch.Tensor) -> float:
        """Seconds of one call: CPU time on a CPU, which a shared machine disturbs least."""
        k, gpu = len(x), device != "cpu"
        clock = time.perf_counter if gpu else time.process_time
        begin = clock()
        text = {"c_crossattn": words.expand(k, -1, -1), "y": pooled.expand(k, -1)}
        patcher.model.apply_model(x.to(at), torch.full((k,), 0.9, device=at), **text)
        if gpu:
            torch.cuda.synchronize()
        return clock() - begin

    return ask


def batch_table(model: str, place: Path, repeats: int, size: int, seed: int, device: str) -> str:
    """32 rows in calls of each size, in a new order each time."""
    ask, shuffle = network_of(model, place, device, size), random.Random(seed)
    generator, found = torch.Generator().manual_seed(seed), {n: [] for n in ROWS}
    x = torch.randn(max(ROWS), 16, size // 8, size // 8, generator=generator)
    order = list(ROWS)
    with torch.inference_mode():
        for repeat in range(repeats + 1):
            for n in order:
                seconds = sum(ask(part) for part in x.split(n))
                if repeat:  # the first round warms up
                    found[n].append(1e3 * seconds / len(x))
            shuffle.shuffle(order)
    lines = [
        "| rows a call | ms a row, best repeat | mean | best, relative to 1 row |",
        "|---" * 4 + "|",
    ]
    for n, values in found.items():
        lines.append(
            f"| {n} | {min(values):.2f} | {statistics.fmean(values):.2f} ± {error(values):.2f} "
            f"| {min(values) / min(found[1]):.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=["share", "batch"], choices=["share", "batch"])
    parser.add_argument("--models", nargs="*", default=["demo", "wide"], choices=list(MODELS))
    parser.add_argument("--budget", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--size", type=int, default=128, help="pixels a side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=("cpu", "gpu"))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        places = {name: base / FOLDER / f"{name}.safetensors" for name in args.models}
        for name in ("custom_nodes", FOLDER, "input", "output", "user"):
            (base / name).mkdir(parents=True)
        for name, place in places.items():
            if name == "demo":
                places[name] = DEMO
            else:
                save_random(MODELS[name], place)
        common = (args.repeats, args.size, args.seed)
        if "share" in args.only:
            with host(base, args.device) as running:
                for name in args.models:
                    section = share_table(running, name, args.budget, *common)
                    show(f"share-{name}", section, args.write)
        if "batch" in args.only:
            for name, place in places.items():
                section = batch_table(name, place, *common, args.device)
                show(f"batch-{name}", section, args.write)


def show(name: str, section: str, write: bool) -> None:
    print(f"## {name}\n\n{section}\n", flush=True)
    if write:
        put(ROOT / "docs" / "overhead.md", name, section)


if __name__ == "__main__":
    main()
