"""The section of docs/results.md that compares the flow model with its diffusion twin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from . import multiplier_claims as said
from .best_of_n_curve import Curve, bootstrap
from .multiplier_sections import curve_points, table, with_error
from .multiplier_tables import RESAMPLES, Cell, Estimate, Measured, estimate

FEW, FLOW, DIFFUSION = "fast", "base", "eps"
SET, BUDGET = "hard", 100
PUBLISHED = "RBF, kernel"
PAIRS = (  # (method, what it is compared with, what differs)
    ("RBF, kernel", "RBF, kernel, no look", "The automatic look (4 evaluations) and none"),
    ("RBF, kernel", "RBF, ancestral", "VP-SDE and the ancestral steps of diffusion models"),
    ("RBF", "RBF, kernel", "Children redrawn in a region and children of VP-SDE"),
    ("auto", "RBF, kernel", "`auto` and RBF as published"),
    ("auto", "regional", "`auto` and the best region of the noise"),
)
NOTE = """\
`eps` is `base` made into a diffusion model: the same network and scenes, SDXL's noise schedule, and
a network that predicts the noise (`demo/training/train_diffusion.py`). Each model has its own hard
prompts, by the same rule. `eps` was trained for minutes and draws worse, so its shares of right
results are lower. The claim is about the gain over best of N of the same model."""


def section(sets: Sequence[Measured]) -> list[str]:
    """The comparison; nothing without rows of both models.

    Args:
        sets: what was measured.
    """
    by_model = {r.weights: r for r in sets if r.name == SET}
    both = [by_model[name] for name in (FLOW, DIFFUSION) if name in by_model]
    ours = [cell for result in both if (cell := cell_of(result, PUBLISHED))]
    if len(ours) < 2:
        return []
    return [f"## {heading(*ours)}", NOTE, sentences(both, ours), shares(by_model),
            "### What to set on the diffusion model", pairs(both[1])]  # fmt: skip


def cell_of(result: Measured, method: str) -> Cell | None:
    """The runs of a method at BUDGET, if there are enough."""
    some = [c for c in result.cells if (c.budget, c.method) == (BUDGET, method)]
    return next((cell for cell in some if len(cell.prompts) >= said.ENOUGH), None)


def lead(cell: Cell, seed: int) -> np.ndarray:
    """How much more often a method is right than best of N at BUDGET, (resamples,).

    Args:
        cell: its runs.
        seed: of the resamples.
    """
    weights = bootstrap(len(cell.prompts), RESAMPLES, seed)
    curves = {steps: Curve.of(cell.samples(steps), steps).mean(weights) for steps in cell.draws}
    best = [c[:, BUDGET // steps] for steps, c in curves.items() if BUDGET // steps < c.shape[1]]
    return weights @ cell.success() - np.max(best, axis=0)


def gap(flow: Cell, diffusion: Cell) -> Estimate:
    """How much greater the lead over best of N is on the diffusion model."""
    return estimate(lead(diffusion, 1) - lead(flow, 0))


def heading(flow: Cell, diffusion: Cell) -> str:
    """The claim: on which of the models RBF as published gains more."""
    more = gap(flow, diffusion)
    if more.low <= 0 <= more.high:
        return "Flow or diffusion: no clear difference in what RBF gains over best of N"
    better = "diffusion" if more.low > 0 else "flow"
    return f"Flow or diffusion: RBF gains more over best of N on the {better} model"


def sentences(both: Sequence[Measured], ours: Sequence[Cell]) -> str:
    """The numbers of the claim.

    Args:
        both: the flow model and the diffusion model.
        ours: RBF as published on each.
    """
    more = gap(*ours)
    best = [curve_points(result, result.draws, [BUDGET])[0][1] for result in both]
    rates = [cell.success().mean() for cell in ours]
    worth = [cell.in_nfe().text() for cell in ours]
    return (
        f"At {BUDGET} NFE the share of right results of RBF with VP-SDE is {rates[0]:.2f} on "
        f"`{FLOW}` and {rates[1]:.2f} on `{DIFFUSION}`. Best of N has {best[0]:.2f} and "
        f"{best[1]:.2f}. The gain on `{DIFFUSION}` minus that on `{FLOW}` is {more.value:+.2f} "
        f"({more.low:+.2f} to {more.high:+.2f}). RBF is worth {worth[0]} times its "
        f"evaluations on `{FLOW}`, and {worth[1]} times on `{DIFFUSION}`."
    )


def shares(by_model: Mapping[str, Measured]) -> str:
    """Right results of each method that was run on the diffusion model, on each model."""
    models = [name for name in (FEW, FLOW, DIFFUSION) if name in by_model]
    last = by_model[DIFFUSION]
    methods = dict.fromkeys(c.method for c in last.cells if cell_of(last, c.method))
    rows = [(m, *(value(cell_of(by_model[name], m)) for name in models)) for m in methods]
    return table((f"{BUDGET} NFE", *map("`{}`".format, models)), rows)


def value(cell: Cell | None) -> str:
    return "–" if cell is None else f"{with_error(cell.success())}, {len(cell.prompts)} prompts"


def pairs(result: Measured) -> str:
    """What settings and methods gain on the diffusion model, on the same prompts.

    Args:
        result: of the diffusion model.
    """
    rows = []
    for first, second, about in PAIRS:
        cells = [cell_of(result, name) for name in (first, second)]
        if all(cells):
            more, shared = said.lead(*cells)
            verdict = "may be chance" if more.low <= 0 <= more.high else "clear"
            gain = f"{more.value:+.2f} ({more.low:+.2f} to {more.high:+.2f})"
            rows.append((about, f"`{first}`", f"`{second}`", gain, str(shared), verdict))
    head = ("compared", "method", "against", "right more often", "prompts", "difference")
    return table(head, rows)
