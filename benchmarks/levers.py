"""What single settings of a method are worth: python benchmarks/levers.py --weights base

Named settings run on tuning prompts, whose pool has another seed than that of docs/results.md. The
reward is `shape_count`, and a result is right if `shape_reader` reads exactly the prompt in it.
Errors are standard errors over prompts. A gain is the paired difference to the row's rival. Runs
are kept in benchmarks/results/levers/ and not made again. --write puts the tables into
docs/levers.md. Needs the environment of `python dev.py test`.
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
import runpy
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks import plans, prompt_sets
from pack.benchmarks.kept_rows import Kept, Workers
from pack.benchmarks.multiplier_runs import COLUMNS, run_search
from pack.benchmarks.world import Setting, World
from pack.tools.sections import put, table

FOLDER = ROOT / "benchmarks" / "results" / "levers"
PAGE = ROOT / "docs" / "levers.md"
POOL = 77  # seed of the tuning prompts
HEADS = ("NFE", "row", "prompts, runs", "right", "gain", "rival", "reward", "NFE", "CPU s")


@dataclass(frozen=True)
class Row:
    """A method that samples by the ODE, with one setting.

    Args:
        method: a key of SEARCHES.
        steps: of the ODE.
        rival: name of the row that it is compared with; empty: none.
        options: of the method.
    """

    method: str
    steps: int
    rival: str = ""
    options: tuple[tuple[str, object], ...] = ()

    def setting(self, budget: int) -> Setting:
        return plans.ode(self.method, self.steps, budget, options=self.options)


def zero_order(steps: int) -> dict[str, Row]:
    """Zero-order search with four random starts, and with a quarter of the budget for them."""
    name = f"zero-order, {steps} step{'s' * (steps > 1)}"
    few = f"{name}, 4 starts"
    return {
        few: Row("zero_order", steps, options=(("starts", 4),)),
        name: Row("zero_order", steps, few),
    }


def regional(steps: int) -> dict[str, Row]:
    """Regional search, with new starts after some vain proposals, and without blame."""
    name = f"regional, {steps} step{'s' * (steps > 1)}"
    return {
        name: Row("regional", steps),
        f"{name}, patience 10": Row("regional", steps, name, (("patience", 10),)),
        f"{name}, patience 25": Row("regional", steps, name, (("patience", 25),)),
        f"{name}, no blame": Row("regional", steps, name, (("follow_blame", False),)),
    }


ROWS = {
    "fast": {
        "best of N, 2 steps": Row("best_of_n", 2),
        "best of N, 4 steps": Row("best_of_n", 4),
        "pruned, 4 steps": Row("pruned", 4, "best of N, 4 steps"),
        **zero_order(1),
        **zero_order(2),
        **zero_order(4),
        **regional(1),
    },
    "base": {
        "best of N, 5 steps": Row("best_of_n", 5),
        "best of N, 10 steps": Row("best_of_n", 10),
        "pruned, 10 steps": Row("pruned", 10, "best of N, 10 steps"),
        "pruned, 20 steps": Row("pruned", 20, "best of N, 10 steps"),
        **zero_order(5),
        **regional(5),
        "regional paths, 5 steps": Row("regional_paths", 5, "regional, 5 steps"),
    },
}


def run(world: World, number: int, seed: int, prompt: str, setting: Setting) -> list[float]:
    """One search: its row, as COLUMNS.

    Args:
        world: the networks.
        number, prompt: what to draw.
        seed: of the noise, with the prompt.
        setting: the search.
    """
    return [number, seed, *run_search(world, prompt, setting, prompt_sets.seed_of(seed, prompt))]


def measure(args: argparse.Namespace, kept: Kept, workers: Workers) -> None:
    """Make the runs that are not kept, seed by seed and prompt by prompt.

    Args:
        args: of the command line.
        kept: the runs.
        workers: make them.
    """
    pool = prompt_sets.pool(prompt_sets.FORMS[args.set], POOL)
    prompts = list(enumerate(itertools.islice(pool, args.prompts)))
    rows = [row for name, row in ROWS[args.weights].items() if re.search(args.only, name)]
    settings = [row.setting(budget) for budget in args.budgets for row in rows]
    done = {(key, run[0], run[1]) for key, runs in kept.rows.items() for run in runs}
    jobs = [
        (number, seed, prompt, setting)
        for seed in range(args.seeds)
        for number, prompt in prompts
        for setting in settings
        if (repr(setting), number, seed) not in done
    ]
    for (*_, setting), row in workers.each(run, jobs):
        kept.rows.setdefault(repr(setting), []).append(row)
        kept.save()


def mean_error(values: Sequence[float], sign: str = "") -> str:
    """A mean over prompts and its standard error."""
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{statistics.fmean(values):{sign}.3f} ± {error:.3f}"


def by_prompt(runs: Sequence[Sequence[float]]) -> dict[int, float]:
    """The share of right results of each prompt."""
    groups: dict[int, list[float]] = {}
    for row in runs:
        groups.setdefault(int(row[0]), []).append(row[COLUMNS.index("right")])
    return {number: statistics.fmean(group) for number, group in groups.items()}


def cells(budget: int, name: str, rows: dict[str, Row], kept: Kept) -> list[object]:
    """A row of the table.

    Args:
        budget, name: of the row.
        rows: all rows by name.
        kept: the runs.
    """

    def mean(column: str) -> float:
        return statistics.fmean(run[COLUMNS.index(column)] for run in runs)

    def runs_of(name: str) -> list[list[float]]:
        return kept.rows.get(repr(rows[name].setting(budget)), [])

    runs, rival = runs_of(name), rows[name].rival
    right, rivals = by_prompt(runs), by_prompt(runs_of(rival)) if rival else {}
    pairs = [share - rivals[number] for number, share in right.items() if number in rivals]
    return [
        budget,
        name,
        f"{len(right)}, {len(runs)}",
        mean_error([*right.values()]),
        mean_error(pairs, "+") if pairs else "",
        rival,
        f"{mean('reward'):.3f}",
        f"{mean('nfe'):.0f}",
        f"{mean('seconds'):.1f}",
    ]


def shown(weights: str, kept: Kept) -> str:
    """The table of one model and set: budget by budget, the rows that have runs."""
    rows = ROWS[weights]
    budgets = sorted({int(b) for key in kept.rows for b in re.findall(r"budget=(\d+)", key)})
    lines = [
        cells(budget, name, rows, kept)
        for budget in budgets
        for name, row in rows.items()
        if repr(row.setting(budget)) in kept.rows
    ]
    return table(HEADS, lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="fast", choices=("fast", "base"))
    parser.add_argument("--set", default="hard", choices=tuple(prompt_sets.FORMS))
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=1, help="searches for each prompt")
    parser.add_argument("--budgets", type=int, nargs="*", default=[100])
    parser.add_argument("--only", default="", help="pattern of the rows' names")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin nothing later")
    parser.add_argument("--write", action="store_true", help="put the table into docs/levers.md")
    args = parser.parse_args()
    about = {"columns": list(COLUMNS), "pool": POOL}
    kept = Kept(FOLDER / f"{args.weights}_{args.set}.json", about)
    if not args.write:
        measure(args, kept, Workers(args.weights, args.jobs, args.minutes))
    text = shown(args.weights, kept)
    print(text)
    if args.write:
        put(PAGE, f"{args.weights}, {args.set}", text)


if __name__ == "__main__":
    main()
