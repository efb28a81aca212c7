"""The section of docs/results.md that compares the flow model with its diffusion twins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..demo.diffusion import PREDICTIONS
from . import multiplier_claims as said
from .best_of_n_curve import Curve, bootstrap
from .multiplier_sections import curve_points, table, with_error
from .multiplier_tables import RESAMPLES, Cell, Estimate, Measured, estimate

FEW, FLOW = "fast", "base"
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
`eps` and `v` are `base` made into diffusion models: the same network and scenes, SDXL's noise
schedule, and a network that predicts eps or v (`demo/training/train_diffusion.py`). Each model has
its own hard prompts, by the same rule. The diffusion models were trained for minutes and draw
worse, so fewer of their results are right. The claim is about the gain over best of N of the same
model. When the rows of `eps` and `v` were made, a search paid 5 NFE more for its look."""


def section(sets: Sequence[Measured]) -> list[str]:
    """The comparison; nothing without rows of both kinds.

    Args:
        sets: what was measured.
    """
    by_model = {r.weights: r for r in sets if r.name == SET and cell_of(r, PUBLISHED)}
    twins = [name for name in PREDICTIONS if name in by_model]
    if FLOW not in by_model or not twins:
        return []
    ours = {name: cell_of(by_model[name], PUBLISHED) for name in (FLOW, *twins)}
    parts = [f"## {heading(ours)}", NOTE, gains(by_model, ours), shares(by_model, twins)]
    for name in twins:
        parts += [f"### What to set on `{name}`", pairs(by_model[name])]
    return parts


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
    """How much greater the lead over best of N is on a diffusion model."""
    return estimate(lead(diffusion, 1) - lead(flow, 0))


def heading(ours: Mapping[str, Cell]) -> str:
    """The claim: on which diffusion models RBF as published gains more, or less.

    Args:
        ours: RBF as published, by model.
    """
    gaps = {name: gap(ours[FLOW], cell) for name, cell in ours.items() if name != FLOW}
    more = [f"`{name}`" for name, each in gaps.items() if each.low > 0]
    less = [f"`{name}`" for name, each in gaps.items() if each.high < 0]
    if not more and not less:
        return "Flow or diffusion: no clear difference in what RBF gains over best of N"
    clear = [f"{word} on {said.listed(names)}" for word, names in (("more", more), ("less", less))
             if names]  # fmt: skip
    return f"Flow or diffusion: RBF gains {' and '.join(clear)} than on `{FLOW}`"


def gains(by_model: Mapping[str, Measured], ours: Mapping[str, Cell]) -> str:
    """The numbers of the claim.

    Args:
        by_model: what was measured.
        ours: RBF as published, by model.
    """
    rows = []
    for name, cell in ours.items():
        best = curve_points(by_model[name], by_model[name].draws, [BUDGET])[0][1]
        right = cell.success().mean()
        more = gap(ours[FLOW], cell)
        beyond = f"{more.value:+.2f} ({more.low:+.2f} to {more.high:+.2f})"
        beyond = "–" if name == FLOW else beyond
        rows.append((f"`{name}`", f"{best:.2f}", f"{right:.2f}", f"{right - best:+.2f}", beyond,
                     cell.in_nfe().text()))  # fmt: skip
    head = (f"{BUDGET} NFE", "best of N", "RBF with VP-SDE", "gain", f"gain minus that on `{FLOW}`",
            "multiplier of RBF")  # fmt: skip
    return table(head, rows)


def shares(by_model: Mapping[str, Measured], twins: Sequence[str]) -> str:
    """Right results of each method that was run on a diffusion model, on each model.

    Args:
        by_model: what was measured.
        twins: the diffusion models.
    """
    models = [name for name in (FEW, FLOW, *twins) if name in by_model]
    tried = [(by_model[name], cell.method) for name in twins for cell in by_model[name].cells]
    methods = dict.fromkeys(method for result, method in tried if cell_of(result, method))
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
