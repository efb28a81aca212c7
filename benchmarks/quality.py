"""Which method finds what at equal NFE: python benchmarks/quality.py --weights fast

Every row runs on the same held-out prompts and seeds; errors are standard errors over prompts, and
`less best of N` is the paired difference in exactness to the best of N at the same budget. What was
measured is kept in benchmarks/results/quality_<weights>.json, row by row, and is not measured
again; --write makes docs/quality_<weights>.md of it. Rows come from plans.py (--only takes
those whose names patterns find, pattern by pattern) or from --rows key=value,… --time measures the
seconds of known rows again, on a few prompts (on all where a method stops by itself): on one
machine that does nothing else; the page compares seconds only where all its rows were timed so.
--compile is for many rows: a quarter quicker after some minutes, with a C++ compiler. Needs the
environment of `dev.py test`.
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


def _one(job: tuple[str, Setting, list[int]]) -> dict[str, float]:
    """One prompt over its seeds: means, and the diversity of what was found."""
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


def measure(
    pool: multiprocessing.pool.Pool, setting: Setting, prompts: list[str], seeds: int
) -> dict[str, list[float]]:
    """For each metric one number a prompt."""
    jobs = [(p, setting, [1000 * s + i for s in range(seeds)]) for i, p in enumerate(prompts)]
    rows = pool.map(_one, jobs, chunksize=1)
    return {k: [round(r[k], 5) for r in rows] for k in METRICS}


def parse_setting(text: str) -> Setting:
    """`key=value,…` over the fields of Setting and, beside `method=`, those of the method."""
    given = dict(part.split("=") for part in text.split(",") if part)
    base = Setting(method=given.get("method", "rbf"))
    known = {f.name for f in fields(Setting)}
    own = {k: type(getattr(base, k))(v) for k, v in given.items() if k in known}
    defaults = base.search()
    options = {k: type(getattr(defaults, k))(v) for k, v in given.items() if k not in known}
    return Setting(**own, options=tuple(options.items()))


class Results:
    """Measured rows on disk, by name and setting."""

    def __init__(self, path: Path, about: dict) -> None:
        self.path, self.about, self.rows = path, about, {}
        if path.exists():
            kept = json.loads(path.read_text())
            if kept["about"] != about:
                raise SystemExit(f"{path} holds {kept['about']}, wanted {about}: remove it first.")
            self.rows = kept["rows"]

    def add(self, setting: Setting, row: dict[str, list[float]]) -> None:
        self.rows[repr(setting)] = row
        self.path.parent.mkdir(exist_ok=True)
        body = {"about": self.about, "rows": self.rows}
        self.path.write_text(json.dumps(body).replace('"Setting(', '\n"Setting(') + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="fast", help="fast, base or a file")
    parser.add_argument("--prompts", type=int, default=60)
    # Settings were chosen on prompt seed 0: publish another.
    parser.add_argument("--prompt-seed", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[""], help="patterns that names of rows match")
    parser.add_argument("--rows", nargs="*", default=[], help="key=value,… over Setting's fields")
    parser.add_argument("--results", type=Path, help="where rows are kept")
    parser.add_argument("--write", action="store_true", help="make the page, measure nothing")
    parser.add_argument("--compile", action="store_true", help="quicker networks, after a while")
    parser.add_argument("--time", action="store_true", help="seconds of the known rows again")
    args = parser.parse_args()
    named = Path(args.weights).stem
    path = args.results or ROOT / "benchmarks" / "results" / f"quality_{named}.json"
    shape = {"prompts": args.prompts, "prompt_seed": args.prompt_seed, "seeds": args.seeds}
    results = Results(path, {"weights": named} | shape)
    plan = plans.plan(named)
    if args.write:
        quality_tables.write(named, results.about, plan, results.rows)
        return
    wanted = {text: parse_setting(text) for text in args.rows}
    if not args.rows:
        wanted = {n: s for own in args.only for n, s in plan.items() if re.search(own, n)}
    texts = held_out_prompts(args.prompts, args.prompt_seed)
    print(quality_tables.HEAD, flush=True)
    begin = args.weights, args.compile
    with multiprocessing.get_context("fork").Pool(args.jobs, _begin, begin) as pool:
        for setting in wanted.values() if args.time else ():
            if row := results.rows.get(repr(setting)):
                some = texts if setting.method == "threshold" else texts[: plans.TIMED]
                seconds = measure(pool, setting, some, 1)["seconds"]
                results.add(setting, row | {"seconds": seconds, "timed": True})
        for name, setting in wanted.items() if not args.time else ():
            for each in (plans.base_of(setting.budget, named), setting):
                if repr(each) not in results.rows:
                    results.add(each, measure(pool, each, texts, args.seeds))
            base = results.rows[repr(plans.base_of(setting.budget, named))]
            print(quality_tables.line(name, results.rows[repr(setting)], base), flush=True)


if __name__ == "__main__":
    main()
