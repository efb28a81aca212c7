"""Searches where the truth is known: python benchmarks/analytic.py --jobs 2 --write

Four independent dimensions, each a mixture of N(-1, .2^2) (weight .3) and N(2, .2^2) (weight .7),
seen through an exact denoiser: the posterior mean of an undistilled model, or the end of the exact
ODE, which a few-step model is distilled to. `law` holds SMC's weighted particles against the exact
tilted law; the other parts give what each method finds at equal NFE. Errors are standard errors
for `law` and 95 % confidence intervals over seeds elsewhere. `--only` runs some of the parts, and
`--write` puts them into docs/analytic.md and docs/plots/.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import runpy
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.special import ndtr

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks.line_chart import chart
from pack.benchmarks.world import Setting
from pack.samplers.batching import MicroBatch
from pack.samplers.flow import Flow
from pack.samplers.purse import Purse
from pack.samplers.resampling import RESAMPLERS
from pack.samplers.run import Finish, Outcome, StopRules, check_budget, run
from pack.samplers.search.rounds import minimum
from pack.samplers.search.smc import SMC, TEMPERINGS
from pack.samplers.task import Task
from pack.tools.sections import put

DOCS = ROOT / "docs"
MEANS, WEIGHTS, WIDTH, DIMENSIONS = (-1.0, 2.0), (0.3, 0.7), 0.2, 4
BUDGETS, PARTICLES, PERIOD = (25, 50, 100, 200), (8, 32, 128, 512), 0.1
_MEANS, _LOG_WEIGHTS = torch.tensor(MEANS), torch.tensor(WEIGHTS).log()


# ---- the world


def posterior_mean(x: torch.Tensor, t: float) -> torch.Tensor:
    """E[x0 | x_t] on the linear path: what an undistilled model is trained to answer."""
    alpha, variance = 1.0 - t, (1.0 - t) ** 2 * WIDTH**2 + t * t
    away = x[..., None] - alpha * _MEANS
    shares = torch.softmax(_LOG_WEIGHTS - away * away / (2.0 * variance), -1)
    return (shares * (_MEANS + alpha * WIDTH**2 / variance * away)).sum(-1)


def cdf(x: np.ndarray, t: float) -> np.ndarray:
    """P(x_t <= x)."""
    spread = math.hypot((1.0 - t) * WIDTH, t)
    return sum(w * ndtr((x - (1.0 - t) * m) / spread) for m, w in zip(MEANS, WEIGHTS, strict=True))


_GRID = np.linspace(-3.0, 4.0, 14001)
_RISES = np.diff(cdf(_GRID, 0.0), prepend=-1.0) > 0
_GRID = _GRID[_RISES]
_LEVELS = cdf(_GRID, 0.0)


def ode_end(x: torch.Tensor, t: float) -> torch.Tensor:
    """Where the exact ODE through (x, t) ends; in one dimension it keeps P(x_t <= x)."""
    return torch.from_numpy(np.interp(cdf(x.double().numpy(), t), _LEVELS, _GRID)).float()


def layout(x0: torch.Tensor) -> torch.Tensor:
    """-|mean of the dimensions + 1|: best, 0, in the rare mode of all (probability .3^4)."""
    return -(x0.mean(1) + 1.0).abs()


def detail(x0: torch.Tensor) -> torch.Tensor:
    """Minus the mean distance to multiples of PERIOD, scaled: from -1 to 0; by chance -.5."""
    turns = x0 / PERIOD
    return -2.0 * (turns - turns.round()).abs().mean(1)


class Noise:
    """Standard normal rows from one stream: the order of drawing is fixed here."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, ids: list[int]) -> torch.Tensor:
        return torch.randn(len(ids), DIMENSIONS, generator=self.generator)

    def uniform(self, _: int, n: int) -> torch.Tensor:
        return torch.rand(n, generator=self.generator, dtype=torch.float64)


@dataclass(frozen=True)
class Part:
    """One table of what the methods find: a model, a reward and what suits them."""

    title: str
    denoiser: Callable
    objective: Callable
    finish: int
    temperature: float
    threshold: float = -0.1


PARTS = {
    "undistilled-layout": Part(
        "Undistilled model, reward of the layout", posterior_mean, layout, 4, 0.2
    ),
    "few-step-layout": Part("Few-step model, reward of the layout", ode_end, layout, 0, 0.2),
    "undistilled-detail": Part(
        "Undistilled model, reward of a detail", posterior_mean, detail, 4, 0.05
    ),
    "few-step-detail": Part("Few-step model, reward of a detail", ode_end, detail, 0, 0.05),
}


def new_task(setting: Setting, part: Part, seed: int) -> Task:
    noise, times = Noise(seed), setting.times()[1]
    flow = Flow(
        part.denoiser,
        setting.transition(),
        times,
        start=lambda ids: times[0] * noise(ids),
        noise=noise,
        uniform=noise.uniform,
    )
    purse, batch = Purse(total=setting.budget), MicroBatch(1_000_000)
    return Task(flow, purse, part.objective, lookahead=setting.lookahead, batch=batch)


# ---- what each method finds


def rows_of(part: Part, clock: str) -> dict[str, Setting]:
    """The rows of one table, without budgets."""
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
        "zero-order": by("zero_order", replace(base, norm=0.0)),
        "threshold": by("threshold", threshold=part.threshold),
    }


CHAIN = ("RBF", "SVDD", "CoDe", "SMC")  # the paper's order; then best of N by the ODE


def find(job: tuple[str, Setting, int]) -> dict[str, list[float]] | None:
    """Reward of the result and share of candidates in the last step, for each seed."""
    name, setting, seeds = job
    part, found = PARTS[name], {"reward": [], "last": []}
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
        found["reward"].append(float(outcome.top[0].reward))
        found["last"].append(steps.count(task.last_step) / len(steps))
    return found


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half width of its 95 % confidence interval."""
    return statistics.fmean(values), 1.96 * statistics.stdev(values) / math.sqrt(len(values))


def compared(a: list[float], b: list[float]) -> str:
    """>, < or ≈ (the interval of the paired difference holds 0)."""
    mean, half = interval([x - y for x, y in zip(a, b, strict=True)])
    return "≈" if abs(mean) <= half else ">" if mean > 0 else "<"


def searched(name: str, pool: multiprocessing.pool.Pool, seeds: int, clock: str) -> tuple[str, str]:
    """The section of one part and its plot."""
    rows = rows_of(PARTS[name], clock)
    jobs = [(name, replace(s, budget=b), seeds) for s in rows.values() for b in BUDGETS]
    every = iter(pool.map(find, jobs, chunksize=1))
    found = {row: {b: next(every) for b in BUDGETS} for row in rows}
    means = {r: [c and interval(c["reward"]) for c in own.values()] for r, own in found.items()}
    lines = [f"| {r} | {' | '.join(map(cell, own))} |" for r, own in means.items()]
    base = next(iter(rows))
    chain = []
    for budget in BUDGETS:
        values = [found[r][budget]["reward"] for r in (*CHAIN, base)]
        signs = [compared(a, b) for a, b in zip(values, values[1:], strict=False)]
        parts = [f"{r} {s}" for r, s in zip(CHAIN, signs, strict=True)]
        chain.append(f"{budget}: {' '.join(parts)} BoN")
    last = [f"{100 * statistics.fmean(c['last']):.0f} %" for c in found["RBF"].values()]
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


# ---- the law of SMC

TILT = 0.5  # exp(-TILT x) in each dimension
LAW = Setting(steps=20, spacing="linear", path="linear", clock="linear", kernel="eta", finish=0)
TILTED = Part("", posterior_mean, lambda x0: -x0.mean(1), 0, 1.0 / (TILT * DIMENSIONS))


def exact_law(tilt: float) -> tuple[float, float, float]:
    """Mean, std and weight of the mode at -1 of one dimension's law times exp(-tilt x)."""
    masses = [
        w * math.exp(-tilt * m + (tilt * WIDTH) ** 2 / 2)
        for m, w in zip(MEANS, WEIGHTS, strict=True)
    ]
    shares = [m / sum(masses) for m in masses]
    centres = [m - tilt * WIDTH**2 for m in MEANS]
    mean = sum(s * c for s, c in zip(shares, centres, strict=True))
    second = sum(s * (c * c + WIDTH**2) for s, c in zip(shares, centres, strict=True))
    return mean, math.sqrt(second - mean**2), shares[0]


def moments(x0: torch.Tensor, log_w: torch.Tensor) -> tuple[float, float, float]:
    """E x, E x^2 and P(x < 1/2) of weighted particles, averaged over dimensions."""
    shares = torch.softmax(log_w, 0)
    values = torch.stack([x0.double(), x0.double() ** 2, (x0 < 0.5).double()]).mean(-1)
    return tuple((values @ shares).tolist())


def sample_law(job: tuple[SMC, int, int]) -> list[tuple[float, float, float]]:
    """Moments of the last particles of `runs` searches of `n`."""
    search, n, runs = job
    found = []
    for seed in range(runs):
        *_, last, _ = search.run(new_task(replace(LAW, budget=n * LAW.steps), TILTED, seed))
        found.append(moments(last.particles.x0, last.log_w))
    return found


def estimates(runs: list[tuple[float, float, float]]) -> dict[str, tuple[float, float]]:
    """Mean, std and weight with standard errors; `noise` is what one run's weight varies by."""
    first, second, weight = (np.array(column) for column in zip(*runs, strict=True))
    mean = first.mean()
    std = math.sqrt(second.mean() - mean**2)
    slope = (second - 2.0 * mean * first) / (2.0 * std)  # what each run adds to std
    root = math.sqrt(len(runs))
    spread = weight.std(ddof=1)
    return {
        "mean": (mean, first.std(ddof=1) / root),
        "std": (std, slope.std(ddof=1) / root),
        "weight": (weight.mean(), spread / root),
        "noise": (spread, spread / math.sqrt(2.0 * (len(runs) - 1))),
    }


NAMES = {
    "weight": "Weight of the mode at -1",
    "mean": "Mean",
    "std": "Standard deviation",
    "noise": "Standard deviation of the mode's weight between runs",
}


def law_section(pool: multiprocessing.pool.Pool, particles: int) -> tuple[str, str]:
    """`particles` in all for each cell, in as many runs as they make, 200 at least."""
    warm = TILTED.temperature
    kinds = {"never (importance weights)": SMC(warm, ess_threshold=0.0)}
    for tempering in TEMPERINGS:
        for name in RESAMPLERS:
            kinds[f"{name}, tempering {tempering}"] = SMC(warm, tempering, resampling=name)
    jobs = [(s, n, max(200, particles // n)) for s in kinds.values() for n in PARTICLES]
    many = (kinds["never (importance weights)"], 20_000, 10)
    plain = (SMC(1e6 * warm, ess_threshold=0.0), 20_000, 10)
    *cells, own, untilted = map(estimates, pool.map(sample_law, [*jobs, many, plain], chunksize=1))
    every = iter(cells)
    found = {kind: [next(every) for _ in PARTICLES] for kind in kinds}
    shown = [kind for kind in kinds if not kind.endswith("linear")]
    lines = {k: [c["weight"] for c in found[k]] for k in shown}
    drawn = lines | {"exact": [(exact_law(TILT)[2], 0.0)] * len(PARTICLES)}
    sheet = chart(
        "SMC's weight of the rare mode",
        PARTICLES,
        drawn,
        "particles K",
        "weight (± standard error)",
    )
    text = [reference(own, untilted)]
    for statistic, title in NAMES.items():
        head = f"| {title}: resampling | {' | '.join(f'K = {n}' for n in PARTICLES)} |"
        body = [
            f"| {kind} | {' | '.join(cell(c[statistic]) for c in row)} |"
            for kind, row in found.items()
        ]
        text.append("\n".join([head, "|" + "---|" * (len(PARTICLES) + 1), *body]))
    return "\n\n".join(text), sheet


def reference(own: dict, untilted: dict) -> str:
    """What the tables are held against."""
    columns = ("mean", "std", "weight")
    rows = {
        "not tilted, exact": [(v, None) for v in exact_law(0.0)],
        "not tilted, this sampler (200 000 particles)": [untilted[c] for c in columns],
        "tilted, exact": [(v, None) for v in exact_law(TILT)],
        "tilted, this sampler reweighted (200 000 particles)": [own[c] for c in columns],
    }
    lines = [
        "| law of one dimension | mean | std | weight of the mode at -1 |",
        "|---|---|---|---|",
    ]
    for name, values in rows.items():
        cells = (f"{v:.3f}" if e is None else f"{v:.3f} ± {e:.3f}" for v, e in values)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


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
                put(DOCS / "analytic.md", name, f"{section}\n\n![{name}](plots/{picture.name})")


if __name__ == "__main__":
    main()
