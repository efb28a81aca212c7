"""Searches where the truth is known: python benchmarks/analytic.py --jobs 2 --write

Four independent dimensions, each a mixture of N(-1, .2^2) (weight .3) and N(2, .2^2) (weight .7).
The denoiser is exact: the posterior mean, as of an undistilled model, or the end of the exact ODE,
as of a few-step model. `law` compares SMC's weighted particles with the exact tilted law. The other
parts compare the methods at equal NFE. Errors are standard errors for `law`, elsewhere 95 %
confidence intervals over seeds. `--only` runs some of the parts. `--write` puts them into
docs/analytic.md and docs/plots/.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import runpy
import statistics
from dataclasses import replace
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks.analytic_law import law_section
from pack.benchmarks.analytic_world import PARTS, Part, new_task, ode_end
from pack.benchmarks.line_chart import chart
from pack.benchmarks.world import Setting
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import check_budget, run
from pack.samplers.search.rounds import minimum
from pack.tools.sections import put

DOCS = ROOT / "docs"
BUDGETS = (25, 50, 100, 200)


def rows_of(part: Part, clock: str) -> dict[str, Setting]:
    """Name -> setting of the rows of one table; their budgets come later."""
    base = Setting(finish=part.finish, path=clock, clock=clock, spacing="exp")
    base = base if clock == "vp" else replace(base, spacing="linear")
    ode = Setting("best_of_n", path="linear", clock="linear", spacing="linear", norm=0.0, finish=0)
    few, short = part.denoiser is ode_end, replace(base, steps=5, finish=min(2, part.finish))

    def by(method: str, setting: Setting = base, **options: object) -> Setting:
        return replace(setting, method=method, options=tuple(options.items()))

    plain = {
        f"best of N (ODE, {n} step{'s' * (n > 1)})": replace(ode, steps=n)
        for n in ((4, 1) if few else (10,))
    }
    return plain | {
        "best of N (SDE)": by("best_of_n"),
        "SMC": by("smc", temperature=part.temperature),
        "CoDe": by("code"),
        "SVDD": by("svdd"),
        "RBF": by("rbf"),
        "RBF, 4 paths of 2 starts": by("rbf", paths=4, init_particles=2),
        "RBF, lookahead 2 (5 steps)": by("rbf", replace(short, lookahead=2), init_particles=2),
        "RBF, GLASS 4 (4 steps)": by("rbf", replace(base, steps=4, kernel="glass")),
        "search over paths": by("sop", forward=2, backward=4),
        "zero-order": by("zero_order", replace(base, norm=0.0), starts=4),
        "threshold": by("threshold", threshold=part.threshold),
    }


CHAIN = ("RBF", "SVDD", "CoDe", "SMC")  # the paper's order; then best of N by the ODE


def find(job: tuple[str, Setting, int]) -> dict[str, list[float]] | None:
    """For each seed the reward found and the share of particles in the last step."""
    name, setting, seeds = job
    part, columns = PARTS[name], {"reward": [], "last": []}
    finish = Finish(setting.finish).after(setting.lookahead)
    for seed in range(seeds):
        task, search, outcome = new_task(setting, part, seed), setting.search(), Outcome()
        try:
            needed = minimum(search, len(task.times), task.prices)
            check_budget(needed, len(task.times), finish, setting.budget, 1, task.prices)
        except ValueError:
            return None
        steps = [
            int(step)
            for event in run(search, task, finish, StopRules(), outcome)
            if event.kind in ("born", "propose")
            for step in event.particles.steps
        ]
        columns["reward"].append(float(outcome.top[0].reward))
        columns["last"].append(steps.count(task.last_step) / len(steps))
    return columns


def interval(values: list[float]) -> tuple[float, float]:
    """The mean and half of its 95 % confidence interval."""
    return statistics.fmean(values), 1.96 * statistics.stdev(values) / math.sqrt(len(values))


def compared(a: list[float], b: list[float]) -> str:
    """>, < or ≈ (the interval of the paired difference holds 0)."""
    mean, half = interval([x - y for x, y in zip(a, b, strict=True)])
    return "≈" if abs(mean) <= half else ">" if mean > 0 else "<"


def searched(name: str, pool: multiprocessing.pool.Pool, seeds: int, clock: str) -> tuple[str, str]:
    """The section of one part and its chart.

    Args:
        name: a key of PARTS.
        pool: the processes.
        seeds: searches for each row and budget.
        clock: the interpolant of path and schedule.
    """
    rows = rows_of(PARTS[name], clock)
    jobs = [(name, replace(s, budget=b), seeds) for s in rows.values() for b in BUDGETS]
    results = iter(pool.map(find, jobs, chunksize=1))
    cells = {row: {b: next(results) for b in BUDGETS} for row in rows}
    means = {r: [c and interval(c["reward"]) for c in by.values()] for r, by in cells.items()}
    lines = [f"| {r} | {' | '.join(map(cell, values))} |" for r, values in means.items()]
    base = next(iter(rows))
    chain = []
    for budget in BUDGETS:
        values = [cells[r][budget]["reward"] for r in (*CHAIN, base)]
        signs = [compared(a, b) for a, b in zip(values, values[1:], strict=False)]
        parts = [f"{r} {s}" for r, s in zip(CHAIN, signs, strict=True)]
        chain.append(f"{budget}: {' '.join(parts)} BoN")
    last = [f"{100 * statistics.fmean(c['last']):.0f} %" for c in cells["RBF"].values()]
    drawn = {r: m for r, m in means.items() if r in (base, *CHAIN, *DRAWN)}
    sheet = chart(PARTS[name].title, BUDGETS, drawn, "NFE", "reward found")
    head = f"| method | {' | '.join(f'{b} NFE' for b in BUDGETS)} |\n|{'---|' * (len(BUDGETS) + 1)}"
    order = "  \n".join(chain)
    section = (
        f"{head}\n" + "\n".join(lines) + f"\n\nOrder, by the paired difference over seeds (≈: its "
        f"95 % interval holds 0):\n\n{order}\n\nCandidates of RBF in its last step: "
        f"{', '.join(last)}."
    )
    return section, sheet


def cell(value: tuple[float, float] | None) -> str:
    return "–" if value is None else f"{value[0]:.3f} ± {value[1]:.3f}"


DRAWN = ("RBF, 4 paths of 2 starts", "RBF, lookahead 2 (5 steps)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=["law", *PARTS], choices=["law", *PARTS])
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--particles", type=int, default=8192, help="in all, a cell of law")
    parser.add_argument("--clock", default="vp", choices=("vp", "linear"))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    with multiprocessing.get_context("fork").Pool(args.jobs) as pool:
        for name in args.only:
            if name == "law":
                section, sheet = law_section(pool, args.particles)
            else:
                section, sheet = searched(name, pool, args.seeds, args.clock)
            print(f"## {name}\n\n{section}\n", flush=True)
            if args.write:
                picture = DOCS / "plots" / f"analytic-{name}.svg"
                picture.parent.mkdir(exist_ok=True)
                picture.write_text(sheet)
                put(DOCS / "analytic.md", name, f"![{name}](plots/{picture.name})\n\n{section}")


if __name__ == "__main__":
    main()
