"""What gradient guidance is worth: python benchmarks/gradients.py [--only nfe|seconds|sweep]

On the demo model `fast`, with a reward that has a gradient (soft_counts.py). `exact` (by the pack's
counter) and `agree` (shapes and colours, held_out.py) are never optimised. The sweep chooses
schedule and strength on prompt seed 0; the tables use another seed, at equal NFE and at equal
seconds. Measurements are kept in benchmarks/results/gradients.json and not repeated. --write makes
the page from them.
"""

from __future__ import annotations

import argparse
import json
import runpy
import statistics
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks import held_out
from pack.benchmarks.gradient_tables import HEAD, METRICS, SEEDS, TABLES, Row, key, line
from pack.benchmarks.soft_counts import soft_counts
from pack.benchmarks.world import SHAPE, World, held_out_prompts, judge
from pack.samplers.flow import Flow
from pack.samplers.guidance import GUIDANCES, TorchGradients, pull
from pack.samplers.noise import AddressedNoise
from pack.samplers.purse import Purse
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import run
from pack.samplers.search.rounds import minimum
from pack.samplers.steering import Steering
from pack.samplers.task import Task
from pack.tools.sections import put

PLACE = ROOT / "docs" / "gradients.md"
KEPT = ROOT / "benchmarks" / "results" / "gradients.json"


def find(world: World, prompt: str, row: Row, seed: int) -> tuple[Tensor, dict[str, float]]:
    """The best image (H,W,3) of a search, and its measures.

    Args:
        world: the demo model.
        prompt: the prompt.
        row: the search.
        seed: of the noise.
    """
    setting, outcome = row.setting(), Outcome()
    purse = Purse()
    task = task_of(world, prompt, row, seed, purse)
    finish = Finish(setting.finish, 1)
    least = minimum(setting.search(), len(task.times), task.prices) + finish.rows()
    purse.total = least if row.method == "alone" else row.budget
    begin = time.process_time()
    list(run(setting.search(), task, finish, StopRules(), outcome))
    seconds, picture = time.process_time() - begin, world.decode(outcome.top[0].clean)[0]
    return picture, {
        "reward": float(outcome.top[0].reward),
        "exact": judge(picture, prompt)["exact"],
        "agree": held_out.agreement(picture, prompt),
        "nfe": purse.nfe,
        "gradients": purse.counts["gradients"],
        "seconds": seconds,
    }


def task_of(world: World, prompt: str, row: Row, seed: int, purse: Purse) -> Task:
    """The task of a search, guided if the row says so.

    Args:
        world: the demo model.
        prompt: the prompt.
        row: the search.
        seed: of the noise.
        purse: pays for it.
    """
    setting, denoise = row.setting(), world.denoiser(prompt)
    _, times = setting.times()

    def value(x0: Tensor) -> Tensor:
        return soft_counts(world.decode(x0), prompt)

    noise, steering = AddressedNoise(seed, SHAPE), None
    if row.strength:
        guidance = GUIDANCES[row.guidance](row.strength, row.schedule)
        steering = Steering(guidance, TorchGradients(value, denoise))
    flow = Flow(
        denoise,
        setting.transition(),
        times,
        start=lambda ids: times[0] * noise(ids),
        noise=noise,
        uniform=noise.uniform,
    )
    return Task(flow, purse, value, steering=steering)


def measure(world: World, row: Row, prompts: list[str], seeds: int) -> dict[str, list[float]]:
    """For each metric one number a prompt.

    Args:
        world: the demo model.
        row: the search.
        prompts: the prompts.
        seeds: searches for each prompt.
    """
    rows: list[dict[str, float]] = []
    for i, prompt in enumerate(prompts):
        searches = [find(world, prompt, row, 1000 * s + i) for s in range(seeds)]
        pictures, measures = zip(*searches, strict=True)
        mean = {k: statistics.fmean(m[k] for m in measures) for k in METRICS if k != "diversity"}
        different = held_out.diversity(list(pictures)) if seeds > 1 else 0.0
        rows.append(mean | {"diversity": different})
    return {k: [round(r[k], 5) for r in rows] for k in METRICS}


def peak(call: Callable[[], object]) -> int:
    """The most bytes that a call has allocated at one time."""
    call()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        call()
    events = [e for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    events.sort(key=lambda e: e.start_ns())
    return max(accumulate(e.nbytes() for e in events))


def memory(world: World) -> dict[str, int]:
    """Peak bytes of scoring one latent: with no gradient, with each kind, of the network alone."""
    prompt = "three red circles and two blue squares"
    x, denoise = torch.randn(1, *SHAPE), world.denoiser(prompt)

    def value(x0: Tensor) -> Tensor:
        return soft_counts(world.decode(x0), prompt)

    def look() -> Tensor:
        with torch.no_grad():
            value(x0 := denoise(x, 0.9))
        return x0

    def guide(kind: str) -> None:
        gradients = TorchGradients(value, denoise)
        GUIDANCES[kind](1.0, "relative").slope(gradients, x, look(), 0.9)

    kinds = {kind: peak(lambda kind=kind: guide(kind)) for kind in ("x0", "dps")}
    alone = peak(lambda: pull(lambda rows: denoise(rows, 0.9).flatten(1).sum(1), x))
    return {"without guidance": peak(look)} | kinds | {"of that the network": alone}


def write(kept: dict[str, dict]) -> None:
    for name, plan in TABLES.items():
        rows = plan(kept)
        put(PLACE, name, "\n".join([HEAD, *(line(name, row, rows, kept) for row in rows)]))
    peaks = ", ".join(f"{part} {size / 2**20:.1f} MiB" for part, size in kept["memory"].items())
    put(PLACE, "memory", peaks)


def keep(kept: dict[str, dict]) -> None:
    text = json.dumps(kept)
    for name in TABLES:
        text = text.replace(f'"{name} ', f'\n"{name} ')
    KEPT.write_text(text + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=TABLES, help="one of the tables")
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="make the page without measuring")
    args = parser.parse_args()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if args.write:
        write(kept)
        return
    world = World("fast")
    kept["memory"] = memory(world)
    print(HEAD, flush=True)
    for table in [args.only] if args.only else TABLES:
        rows, prompts = TABLES[table](kept), held_out_prompts(args.prompts, SEEDS[table])
        for row in rows:
            if (name := key(table, row)) not in kept:
                kept[name] = measure(world, row, prompts, args.seeds)
                keep(kept)
            print(line(table, row, rows, kept), flush=True)


if __name__ == "__main__":
    main()
