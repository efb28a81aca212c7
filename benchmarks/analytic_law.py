"""The part `law` of analytic.py: SMC's weighted particles against the exact tilted law."""

from __future__ import annotations

import math
import multiprocessing
from dataclasses import replace

import numpy as np
import torch

from ..samplers.resampling import RESAMPLERS
from ..samplers.search.smc import SMC, TEMPERINGS
from .analytic_world import DIMENSIONS, MEANS, WEIGHTS, WIDTH, Part, new_task, posterior_mean
from .line_chart import chart
from .world import Setting

PARTICLES = (8, 32, 128, 512)
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
    """Moments of the last particles of each of `runs` searches with n particles."""
    search, n, runs = job
    runs_moments = []
    for seed in range(runs):
        *_, last, _ = search.run(new_task(replace(LAW, budget=n * LAW.steps), TILTED, seed))
        runs_moments.append(moments(last.particles.x0, last.log_w))
    return runs_moments


def estimates(runs: list[tuple[float, float, float]]) -> dict[str, tuple[float, float]]:
    """Mean, std and weight with standard errors; `noise` is the std of the weight between runs."""
    first, second, weight = (np.array(column) for column in zip(*runs, strict=True))
    mean = first.mean()
    std = math.sqrt(second.mean() - mean**2)
    slope = (second - 2.0 * mean * first) / (2.0 * std)  # derivative of std by each run
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
    """The section and its chart; a cell has `particles` in all, in at least 200 runs."""
    warm = TILTED.temperature
    kinds = {"never (importance weights)": SMC(warm, ess_threshold=0.0)}
    for tempering in TEMPERINGS:
        for name in RESAMPLERS:
            kinds[f"{name}, tempering {tempering}"] = SMC(warm, tempering, resampling=name)
    jobs = [(s, n, max(200, particles // n)) for s in kinds.values() for n in PARTICLES]
    many = (kinds["never (importance weights)"], 20_000, 10)
    plain = (SMC(1e6 * warm, ess_threshold=0.0), 20_000, 10)
    samples = pool.map(sample_law, [*jobs, many, plain], chunksize=1)
    *cells, reweighted, untilted = map(estimates, samples)
    following = iter(cells)
    rows = {kind: [next(following) for _ in PARTICLES] for kind in kinds}
    shown = [kind for kind in kinds if not kind.endswith("linear")]
    lines = {k: [c["weight"] for c in rows[k]] for k in shown}
    drawn = lines | {"exact": [(exact_law(TILT)[2], 0.0)] * len(PARTICLES)}
    sheet = chart(
        "SMC's weight of the rare mode",
        PARTICLES,
        drawn,
        "particles K",
        "weight (± standard error)",
    )
    return "\n\n".join([reference(reweighted, untilted), *tables(rows)]), sheet


def tables(rows: dict[str, list[dict]]) -> list[str]:
    """A table for each statistic: the kinds of resampling by the number of particles."""
    made = []
    for statistic, title in NAMES.items():
        head = f"| {title}: resampling | {' | '.join(f'K = {n}' for n in PARTICLES)} |"
        body = [
            f"| {kind} | {' | '.join(cell(c[statistic]) for c in row)} |"
            for kind, row in rows.items()
        ]
        made.append("\n".join([head, "|" + "---|" * (len(PARTICLES) + 1), *body]))
    return made


def reference(reweighted: dict, untilted: dict) -> str:
    """The table of the exact laws, and of this sampler's best estimates of them."""
    columns = ("mean", "std", "weight")
    rows = {
        "not tilted, exact": [(v, None) for v in exact_law(0.0)],
        "not tilted, this sampler (200 000 particles)": [untilted[c] for c in columns],
        "tilted, exact": [(v, None) for v in exact_law(TILT)],
        "tilted, this sampler reweighted (200 000 particles)": [reweighted[c] for c in columns],
    }
    lines = [
        "| law of one dimension | mean | std | weight of the mode at -1 |",
        "|---|---|---|---|",
    ]
    for name, values in rows.items():
        cells = (f"{v:.3f}" if e is None else f"{v:.3f} ± {e:.3f}" for v, e in values)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(value: tuple[float, float]) -> str:
    return f"{value[0]:.3f} ± {value[1]:.3f}"
