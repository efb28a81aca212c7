"""Which method finds what at equal NFE: python benchmarks/quality.py --weights fast

Every row runs on the same held-out prompts and seeds. Errors are standard errors over prompts.
`less best of N` is the paired difference in exactness to the best of N at the same budget. Rows are
kept in benchmarks/results/quality_<weights>.json and not measured again; --write makes
docs/quality_<weights>.md from them. Rows come from plans.py, or from --rows key=value,…; --only
takes those whose names match patterns. --time measures the seconds of known rows again, on a few
prompts (all, if a method stops by itself). It needs a machine that does nothing else: the page
compares seconds only if all its rows were timed so. --compile is a quarter quicker after some
minutes, with a C++ compiler. Needs the environment of `python dev.py test`.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import re
import runpy
import statistics
import time
from dataclasses import fields
from multiprocessing.pool import Pool
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks import held_out, plans, quality_tables
from pack.benchmarks.world import Setting, World, held_out_prompts

METRICS = ("exact", "rss", "agreement", "diversity", "nfe", "seconds")
_WORLD: World | None = None


def _begin(weights: str, compiled: bool) -> None:
    global _WORLD
    _WORLD = World(weights)
    if compiled:
        _WORLD.net = torch.compile(_WORLD.net, dynamic=True)
        _WORLD.decoder = torch.compile(_WORLD.decoder, dynamic=True)


def _measure_prompt(job: tuple[str, Setting, list[int]]) -> dict[str, float]:
    """The means of one prompt over its seeds, and the diversity of its results."""
    prompt, setting, seeds = job
    rows, pictures = [], []
    for seed in seeds:
        begin = time.process_time()
        picture, row = _WORLD.find(prompt, setting, seed)
        agreement = held_out.agreement(picture, prompt)
        rows.append(row | {"agreement": agreement, "seconds": time.process_time() - begin})
        pictures.append(picture)
    means = {k: statistics.fmean(r[k] for r in rows) for k in METRICS if k != "diversity"}
    return means | {"diversity": held_out.diversity(pictures) if len(seeds) > 1 else math.nan}


def measure(pool: Pool, setting: Setting, prompts: list[str], seeds: int) -> dict[str, list[float]]:
    """For each metric one number a prompt.

    Args:
        pool: the processes.
        setting: the search.
        prompts: the prompts.
        seeds: searches for each prompt.
    """
    jobs = [(p, setting, [1000 * s + i for s in range(seeds)]) for i, p in enumerate(prompts)]
    rows = pool.map(_measure_prompt, jobs, chunksize=1)
    return {k: [round(r[k], 5) for r in rows] for k in METRICS}


def parse_setting(text: str) -> Setting:
    """The setting of `key=value,…`: keys are fields of Setting and of its method."""
    values = dict(part.split("=") for part in text.split(",") if part)
    base = Setting(method=values.get("method", "rbf"))
    names = {f.name for f in fields(Setting)}
    changes = {k: type(getattr(base, k))(v) for k, v in values.items() if k in names}
    defaults = base.search()
    options = {k: type(getattr(defaults, k))(v) for k, v in values.items() if k not in names}
    return Setting(**changes, options=tuple(options.items()))


class Results:
    """Measured rows on disk, by name and setting."""

    def __init__(self, path: Path, about: dict) -> None:
        self.path, self.about, self.rows = path, about, {}
        if path.exists():
            kept = json.loads(path.read_text())
            if kept["about"] != about:
                before = kept["about"]
                raise SystemExit(f"{path} is of another run: got {before}, expected {about}.")
            self.rows = kept["rows"]

    def add(self, setting: Setting, row: dict[str, list[float]]) -> None:
        self.rows[repr(setting)] = row
        self.path.parent.mkdir(exist_ok=True)
        body = {"about": self.about, "rows": self.rows}
        self.path.write_text(json.dumps(body).replace('"Setting(', '\n"Setting(') + "\n")


def time_again(pool: Pool, results: Results, settings: list[Setting], prompts: list[str]) -> None:
    """Measure the seconds of rows that are known.

    Args:
        pool: the processes.
        results: the rows.
        settings: which of them.
        prompts: all prompts; most rows are timed on a few.
    """
    for setting in settings:
        if row := results.rows.get(repr(setting)):
            some = prompts if setting.method == "threshold" else prompts[: plans.TIMED]
            seconds = measure(pool, setting, some, 1)["seconds"]
            results.add(setting, row | {"seconds": seconds, "timed": True})


def measure_rows(
    pool: Pool, results: Results, rows: dict[str, Setting], prompts: list[str]
) -> None:
    """Measure what is not known yet, and print each row.

    Args:
        pool: the processes.
        results: the known rows.
        rows: name -> setting.
        prompts: all prompts.
    """
    for name, setting in rows.items():
        base = plans.base_of(setting.budget, results.about["weights"])
        for needed in (base, setting):
            if repr(needed) not in results.rows:
                results.add(needed, measure(pool, needed, prompts, results.about["seeds"]))
        line = quality_tables.line(name, results.rows[repr(setting)], results.rows[repr(base)])
        print(line, flush=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="fast", help="fast, base or a file")
    parser.add_argument("--prompts", type=int, default=60)
    # Settings were chosen on prompt seed 0: publish another.
    parser.add_argument("--prompt-seed", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[""], help="patterns of the rows' names")
    parser.add_argument("--rows", nargs="*", default=[], help="key=value,… over Setting's fields")
    parser.add_argument("--results", type=Path, help="the file of the rows")
    parser.add_argument("--write", action="store_true", help="make the page without measuring")
    parser.add_argument("--compile", action="store_true", help="quicker networks, after a while")
    parser.add_argument("--time", action="store_true", help="seconds of the known rows again")
    return parser.parse_args()


def main() -> None:
    args = options()
    named = Path(args.weights).stem
    path = args.results or ROOT / "benchmarks" / "results" / f"quality_{named}.json"
    shape = {"prompts": args.prompts, "prompt_seed": args.prompt_seed, "seeds": args.seeds}
    results = Results(path, {"weights": named} | shape)
    plan = plans.plan(named)
    if args.write:
        quality_tables.write(named, results.about, plan, results.rows)
        return
    rows = {text: parse_setting(text) for text in args.rows}
    if not args.rows:
        rows = {n: s for pattern in args.only for n, s in plan.items() if re.search(pattern, n)}
    prompts = held_out_prompts(args.prompts, args.prompt_seed)
    print(quality_tables.HEAD, flush=True)
    begin = args.weights, args.compile
    with multiprocessing.get_context("fork").Pool(args.jobs, _begin, begin) as pool:
        if args.time:
            time_again(pool, results, list(rows.values()), prompts)
        else:
            measure_rows(pool, results, rows, prompts)


if __name__ == "__main__":
    main()
