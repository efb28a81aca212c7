"""What a search costs beside its network: python benchmarks/overhead.py --repeats 8 --write

Starts ComfyUI as a user does and reads the seconds in the report of each search. `share` is the
time outside network, decoder and reward, for the demo model and for a FLUX with wider layers and
random weights. `batch` is the network's seconds for each row by the rows of a call, in CPU time on
a CPU. Repeats are interleaved; errors are standard errors over repeats. Needs COMFYUI_PATH and the
environment of `python dev.py test`. On a GPU, at FLUX's real size (writes 24 GB to a temporary
folder):

    python benchmarks/overhead.py --device gpu --models full --size 1024 --only share batch
"""

from __future__ import annotations

import argparse
import math
import os
import random
import runpy
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks.comfyui_runs import CAPTION, Host, host, prompt_of
from pack.benchmarks.random_flux import DEMO, MODELS, save_random
from pack.demo.text import encode
from pack.tools.sections import put

FOLDER = "models/diffusion_models"
METHODS = ("rbf", "best_of_n", "svdd", "smc")
ROWS = (1, 2, 4, 8, 16, 32)


def error(values: list[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def interleaved(
    running: Host, prompts: dict[str, dict], repeats: int, seed: int
) -> dict[str, list[dict]]:
    """What each prompt spent in each repeat; every repeat has a new order.

    Args:
        running: the server.
        prompts: name -> prompt.
        repeats: runs of each prompt.
        seed: of the order and of the noises.
    """
    runs: dict[str, list[dict]] = {name: [] for name in prompts}
    order, shuffle = list(prompts), random.Random(seed)

    def run(name: str, noise: int) -> dict:
        noise = {"class_type": "RandomNoise", "inputs": {"noise_seed": noise}}
        return running.spent(prompts[name] | {"noise": noise})

    run(order[0], seed)  # loads the models
    for repeat in range(1, repeats + 1):
        shuffle.shuffle(order)
        for name in order:
            runs[name].append(run(name, seed + repeat))
    return runs


def share_table(running: Host, model: str, budget: int, repeats: int, size: int, seed: int) -> str:
    """The table of `share` for one model.

    Args:
        running: the server.
        model: a key of MODELS.
        budget: NFE.
        repeats: runs of each method.
        size: pixels a side.
        seed: of the order and of the noises.
    """
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
    """ComfyUI's network in this process: a function of latents (K,16,h,w) that gives its seconds.

    Args:
        model: a key of MODELS.
        place: its file.
        device: cpu or gpu.
        size: pixels a side.
    """
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
        """Seconds of one call: CPU time on a CPU, as other programs disturb it least."""
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
    """The table of `batch`: 32 rows in calls of each size, in a new order each time.

    Args:
        model: a key of MODELS.
        place: its file.
        repeats: runs of each size.
        size: pixels a side.
        seed: of the order and of the latents.
        device: cpu or gpu.
    """
    ask, shuffle = network_of(model, place, device, size), random.Random(seed)
    generator, times = torch.Generator().manual_seed(seed), {n: [] for n in ROWS}
    x = torch.randn(max(ROWS), 16, size // 8, size // 8, generator=generator)
    order = list(ROWS)
    with torch.inference_mode():
        for repeat in range(repeats + 1):
            for n in order:
                seconds = sum(ask(part) for part in x.split(n))
                if repeat:  # the first round warms up
                    times[n].append(1e3 * seconds / len(x))
            shuffle.shuffle(order)
    lines = [
        "| rows a call | ms a row, best repeat | mean | best, relative to 1 row |",
        "|---" * 4 + "|",
    ]
    for n, values in times.items():
        lines.append(
            f"| {n} | {min(values):.2f} | {statistics.fmean(values):.2f} ± {error(values):.2f} "
            f"| {min(values) / min(times[1]):.2f} |"
        )
    return "\n".join(lines)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=["share", "batch"], choices=["share", "batch"])
    parser.add_argument("--models", nargs="*", default=["demo", "wide"], choices=list(MODELS))
    parser.add_argument("--budget", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--size", type=int, default=128, help="pixels a side")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu", choices=("cpu", "gpu"))
    parser.add_argument("--write", action="store_true")
    return parser.parse_args()


def checkpoints(base: Path, names: list[str]) -> dict[str, Path]:
    """The file of each model, made in the base directory if it is not the demo's."""
    for name in ("custom_nodes", FOLDER, "input", "output", "user"):
        (base / name).mkdir(parents=True)
    places = {name: base / FOLDER / f"{name}.safetensors" for name in names}
    for name, place in places.items():
        if name == "demo":
            places[name] = DEMO
        else:
            save_random(MODELS[name], place)
    return places


def main() -> None:
    args = options()
    common = (args.repeats, args.size, args.seed)
    with tempfile.TemporaryDirectory() as folder:
        places = checkpoints(Path(folder), args.models)
        if "share" in args.only:
            with host(Path(folder), args.device) as running:
                for name in args.models:
                    section = share_table(running, name, args.budget, *common)
                    show(f"share-{name}", section, args.write)
        if "batch" in args.only:
            for name, place in places.items():
                section = batch_table(name, place, *common, args.device)
                show(f"batch-{name}", section, args.write)


def show(name: str, section: str, write: bool) -> None:
    """Print a section.

    Args:
        name: of the section.
        section: its text.
        write: whether to put it into docs/overhead.md.
    """
    print(f"## {name}\n\n{section}\n", flush=True)
    if write:
        put(ROOT / "docs" / "overhead.md", name, section)


if __name__ == "__main__":
    main()
