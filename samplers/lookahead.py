"""How far a search looks ahead before it scores: as far as the model's first prediction needs.

A few-step model predicts the clean image at once. A plain model predicts a blur, whose reward says
little. One look tells the two apart: the first particle's x0 at the first time is compared with the
`end` that it reaches after LOOK more evaluations, by blur = E[(x0 - end)^2] / Var[end]. Few-step
models lie below SHARP, plain flow models above (docs/calibration.md, with rank correlations).

A second model may look ahead. Then it is the one whose first prediction is compared.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

from torch import Tensor

from .search.rounds import Search, first_choice, minimum
from .task import Task

AUTOMATIC = -1
SECOND = 1  # evaluations of a second model whose first prediction is sharp
LOOK = 4  # evaluations from the first time to 0, after which no blur is left that matters
SHARP = 0.13  # between the demo's two models (docs/calibration.md)
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


def chooses_early(search: Search, task: Task) -> bool:
    """Whether a search first chooses between predictions that may be blurred."""
    first = first_choice(search, len(task.times))
    return first == 0 or task.times[first] >= CLEAR


def carries(search: Search, task: Task, lookahead: int) -> bool:
    """Whether a lookahead has a use, since the first choice is early, and the budget carries it.

    Args:
        search: the method.
        task: the image to find.
        lookahead: evaluations.
    """
    needed = minimum(search, len(task.times), replace(task.prices, score=lookahead))
    left = task.left + shared(search, task, lookahead)
    return chooses_early(search, task) and left >= needed


def may_look(search: Search, task: Task) -> bool:
    """Whether a look can change anything: the first choice is early, and the budget suffices.

    If the search scores its first particles at once, the first one needs the whole look.
    """
    prices, first = task.prices, search.rounds(len(task.times))[0]
    vain = 0 if first.scored and first.bottom == 0 else LOOK
    if task.flow.look_denoiser is not None:
        vain = prices.birth + LOOK
    needed = minimum(search, len(task.times), replace(prices, score=LOOK)) + vain
    return chooses_early(search, task) and task.left >= needed


def lengths(task: Task, sharp: bool | None) -> list[int]:
    """What an automatic lookahead may come to, the best first, if a look found this.

    A second model is taken for a few-step one unless the look has found it blurred.

    Args:
        task: the image to find.
        sharp: whether the first prediction of the model that looks ahead is sharp; None: not known.
    """
    blurred = [LOOK] if sharp is False else []
    return [*blurred, 0] if task.flow.look_denoiser is None else [*blurred, SECOND, 0]


def longest(search: Search, task: Task) -> int:
    """The longest lookahead that an automatic one may come to."""
    if not chooses_early(search, task):
        return 0
    return lengths(task, False if may_look(search, task) else None)[0]


def shared(search: Search, task: Task, lookahead: int) -> int:
    """How many of the look's answers the first particle of a search needs.

    Args:
        search: the method.
        task: the image to find.
        lookahead: evaluations before a score.
    """
    if not task.first_look.answers or task.flow.look_denoiser is not None:
        return 0
    first, birth = search.rounds(len(task.times))[0], task.prices.birth
    after = task.first_look.answers[birth:]
    if first.ode and first.bottom and not (task.steering and task.steering.moves_ode):
        pairs = zip(after, task.times[1 : first.bottom + 1], strict=False)
        return birth + len(list(takewhile(lambda pair: pair[0][1] == pair[1], pairs)))
    scored = first.scored and first.bottom == 0 and lookahead == len(after)
    return birth + (lookahead if scored else 0)
