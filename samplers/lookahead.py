"""How far a search looks ahead before it scores: as far as the model's first prediction needs.

A few-step model predicts the clean image at once. A plain model predicts a blur, whose reward says
little. One look tells the two apart: the first particle's x0 at the first time is compared with the
`end` that it reaches after LOOK more evaluations, by blur = E[(x0 - end)^2] / Var[end]. Few-step
models lie below SHARP, plain flow models above (docs/calibration.md, with rank correlations).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from .search.rounds import Search, first_choice, minimum
from .task import Task

AUTOMATIC = -1
SECOND = 1  # evaluations of a second model, which is a few-step one
LOOK = 4  # evaluations from the first time to 0, after which no blur is left that matters
SHARP = 0.06
CLEAR = 0.75  # below this time plain models, too, predict well enough to choose by
# Predictions less blurred than this are exactly right as often as their finish: those of few-step
# models at any time, those of a plain model from t = 0.7 down (docs/calibration.md).
CLEAN = 0.03


def blur(x0: Tensor, end: Tensor) -> float:
    """The part of the variance of clean latents `end` that their prediction x0 misses.

    Only numbers that differ count, because an inpainting mask keeps the rest. It is 0 where none
    differs, and nan where one is not finite.
    """
    differ = x0 != end
    if not differ.any():
        return 0.0
    x0, end = x0[differ].float(), end[differ].float()
    return float((x0 - end).square().mean() / end.var())


def is_clean(x0: Tensor, end: Tensor) -> bool:
    """Whether a prediction x0 is as clean as the `end` of its descent."""
    return blur(x0, end) < CLEAN


def longest(search: Search, task: Task) -> int:
    """The longest lookahead that an automatic one may come to.

    It is 0 if it can change nothing, since the first choice is late, or if the budget is too small.
    The lookahead of a second model is not measured first.
    """
    prices, steps = task.prices, len(task.times)
    second, first = task.flow.look_denoiser, first_choice(search, steps)
    nodes, look = (SECOND, 0) if second else (LOOK, prices.birth + LOOK)
    needed = minimum(search, steps, replace(prices, score=nodes)) + look
    early = first == 0 or task.times[first] >= CLEAR
    return nodes if early and task.left >= needed else 0


def decide(search: Search, task: Task) -> tuple[int, bool]:
    """Choose the lookahead of a search whose lookahead is automatic.

    A look costs a birth and LOOK evaluations. Methods that first choose between nearly clean
    particles need none. None is taken if the budget cannot carry a search with a lookahead of LOOK.
    A second model needs no look: it is a few-step one, and its predictions count as clean.

    Returns:
        The lookahead: LOOK if the first particle is blurred, else 0; SECOND by a second model. And
        whether scored particles are now known to be clean images.
    """
    prices, steps = task.prices, len(task.times)
    needed = minimum(search, steps, replace(prices, score=LOOK))
    if not (nodes := longest(search, task)):
        return 0, False
    if task.flow.look_denoiser is not None:
        return nodes, True
    missed = blur(*task.look(LOOK))
    if missed >= SHARP and task.left >= needed:  # the look may have cost more than its price
        return LOOK, True
    return 0, missed < SHARP  # False where `missed` is nan
