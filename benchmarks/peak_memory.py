"""Memory of a search on a CPU, beside the plain sampler's: python benchmarks/peak_memory.py --write

Runs the prompts of overhead.py on a FLUX with wider layers and random weights, and the same prompt
with ComfyUI's own sampler. Before each run the peak of the process is set back (Linux only). A row
is how far the peak of a run is above what the process had before it. Needs COMFYUI_PATH and the
environment of `python dev.py test`.
"""

from __future__ import annotations

import argparse
import runpy
import statistics
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks.comfyui_runs import Host, host, node, prompt_of
from pack.benchmarks.random_flux import MODELS, save_random
from pack.tools.sections import put, table

METHODS = ("best_of_n", "rbf", "svdd", "smc")
ROWS = (1, 16)  # of a network call
FOLDER = "models/diffusion_models"


def plain(budget: int, size: int) -> dict:
    """The prompt of a search, sampled by ComfyUI in its place.

    Args:
        budget: NFE of the search.
        size: pixels a side.
    """
    graph = prompt_of("wide", "rbf", 0, budget, size)
    graph |= {
        "euler": node("KSamplerSelect", sampler_name="euler"),
        "search": node(
            "SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0],
            sampler=["euler", 0], sigmas=["sigmas", 0], latent_image=["latent", 0],
        ),
        "image": node("VAEDecode", samples=["search", 0], vae=["demo", 2]),
        "shown": node("PreviewImage", images=["image", 0]),
    }  # fmt: skip
    del graph["sampler"], graph["reward"]
    return graph


def prompts(budget: int, size: int) -> dict[tuple[str, int], dict]:
    """(method, rows of a call) -> prompt.

    Args:
        budget: NFE.
        size: pixels a side.
    """
    graphs = {("ComfyUI's sampler", 1): plain(budget, size)}
    for method in METHODS:
        for rows in ROWS:
            graph = prompt_of("wide", method, 0, budget, size)
            graph["search"]["inputs"]["micro_batch"] = rows
            graphs[method, rows] = graph
    return graphs


def peak(running: Host, graph: dict, noise: int) -> float:
    """MB by which a run's peak is above what the process had before it.

    Args:
        running: the server.
        graph: its prompt.
        noise: seed of the noise.
    """
    Path(f"/proc/{running.pid}/clear_refs").write_text("5")
    before = memory(running.pid, "VmRSS")
    running.run(graph | {"noise": node("RandomNoise", noise_seed=noise)})
    return max(0.0, memory(running.pid, "VmHWM") - before)


def memory(process: int, name: str) -> float:
    """MB of a line of the process's status."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith(f"{name}:"))


def measured(repeats: int, budget: int, size: int) -> str:
    """The table.

    Args:
        repeats: runs of each prompt, after one that loads the models.
        budget: NFE.
        size: pixels a side.
    """
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        for name in ("custom_nodes", FOLDER, "input", "output", "user"):
            (base / name).mkdir(parents=True)
        save_random(MODELS["wide"], base / FOLDER / "wide.safetensors")
        runs: dict[tuple[str, int], list[float]] = {}
        with host(base, "cpu") as running:
            for repeat in range(repeats + 1):
                for key, graph in prompts(budget, size).items():
                    runs.setdefault(key, []).append(peak(running, graph, repeat))
                    print(*key, round(runs[key][-1]), flush=True)
    rows = []
    for (method, count), values in runs.items():
        later = values[1:]
        rows.append([method, count, f"{statistics.median(later):.0f}", f"{max(later):.0f}"])
    return table(["run", "rows a call", "MB above rest, median", "most"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--budget", type=int, default=24)
    parser.add_argument("--size", type=int, default=128, help="pixels a side")
    parser.add_argument("--write", action="store_true", help="into docs/overhead.md")
    args = parser.parse_args()
    text = measured(args.repeats, args.budget, args.size)
    print(text)
    if args.write:
        put(ROOT / "docs" / "overhead.md", "memory", text)


if __name__ == "__main__":
    main()
