"""Which method finds what at equal NFE: python benchmarks/quality.py --weights fast

Each row of the table is run on the same held-out prompts and seeds; errors are standard errors over
prompts, and the last column is the paired difference in exactness to best of N with its own.
Needs the environment of `python dev.py test`.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
import sys
import time
from dataclasses import fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from world import Setting, World, held_out_prompts  # noqa: E402

_WORLD: World | None = None


def _begin(weights: str) -> None:
    global _WORLD
    _WORLD = World(weights)


def _one(job: tuple[str, Setting, int]) -> dict[str, float]:
    prompt, setting, seed = job
    begin = time.process_time()
    row = _WORLD.find(prompt, setting, seed)[1]
    return row | {"seconds": time.process_time() - begin}


def measure(
    pool: multiprocessing.pool.Pool, setting: Setting, prompts: list[str], seeds: int
) -> list[dict]:
    """One dictionary a prompt: means over its seeds."""
    jobs = [(p, setting, 1000 * s + i) for i, p in enumerate(prompts) for s in range(seeds)]
    rows = pool.map(_one, jobs, chunksize=2)
    grouped = [rows[i : i + seeds] for i in range(0, len(rows), seeds)]
    return [{k: statistics.fmean(r[k] for r in group) for k in group[0]} for group in grouped]


def mean_error(values: list[float]) -> tuple[float, float]:
    """Mean and standard error."""
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


def line(name: str, rows: list[dict], base: list[dict]) -> str:
    exact, rss = (mean_error([r[k] for r in rows]) for k in ("exact", "rss"))
    gain = mean_error([a["exact"] - b["exact"] for a, b in zip(rows, base, strict=True)])
    nfe, seconds = (statistics.fmean(r[k] for r in rows) for k in ("nfe", "seconds"))
    return (
        f"| {name} | {exact[0]:.3f} ± {exact[1]:.3f} | {rss[0]:.2f} ± {rss[1]:.2f} "
        f"| {nfe:.0f} | {seconds:.1f} | {gain[0]:+.3f} ± {gain[1]:.3f} |"
    )


HEAD = "| method | exact | RSS | NFE | CPU s | exact, less best of N |\n|---|---|---|---|---|---|"


def plain(steps: int, budget: int, **other: object) -> Setting:
    """Best of N by the ODE with `steps` steps; N = budget // steps."""
    return Setting(
        "best_of_n", budget, steps, "linear", "linear", "linear", norm=0.0, finish=0, **other
    )


def parse_setting(text: str) -> Setting:
    """`key=value,…` over the fields of Setting and, behind `method=`, those of the method."""
    given = dict(part.split("=") for part in text.split(",") if part)
    base = Setting(method=given.get("method", "rbf"))
    known = {f.name for f in fields(Setting)}
    own = {k: type(getattr(base, k))(v) for k, v in given.items() if k in known}
    defaults = base.search()
    options = {k: type(getattr(defaults, k))(v) for k, v in given.items() if k not in known}
    return Setting(**own, options=tuple(options.items()))


def table(
    weights: str, settings: dict[str, Setting], texts: list[str], seeds: int, jobs: int
) -> None:
    """Measure and print row by row; best of N, the first row, is the base of the differences."""
    print(HEAD, flush=True)
    with multiprocessing.get_context("fork").Pool(jobs, _begin, (weights,)) as pool:
        base: list[dict] | None = None
        for name, setting in settings.items():
            rows = measure(pool, setting, texts, seeds)
            base = base or rows
            print(line(name, rows, base), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="fast", help="fast, base or a file")
    parser.add_argument("--prompts", type=int, default=100)
    # Settings were chosen on prompt seed 0: publish another.
    parser.add_argument("--prompt-seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--plain-steps", type=int, default=4)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--rows", nargs="*", default=[], help="key=value,… over Setting's fields")
    args = parser.parse_args()
    steps, budget = args.plain_steps, args.budget
    settings = {
        f"best of {budget // steps} ({steps}-step ODE)": plain(steps, budget),
        f"plain ({steps}-step ODE)": plain(steps, steps),
    }
    settings |= {row: parse_setting(row) for row in args.rows}
    texts = held_out_prompts(args.prompts, args.prompt_seed)
    table(args.weights, settings, texts, args.seeds, args.jobs)


if __name__ == "__main__":
    main()
