"""How far a search looks ahead: as far as the model's own first prediction is blurred.

Where x0 at the first time is far from where the ODE ends, a reward read off it says little. The two
are compared on one particle, the first: blur = E[(x0 - end)^2] / Var[end], `end` after LOOK more
evaluations. docs/calibration.md has it beside the rank correlation of the rewards: few-step
models lie below SHARP, plain flow models above.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from .search.rounds import Search, first_choice, minimum
from .task import Task

AUTOMATIC = -1
LOOK = 4  # evaluations from the first time to 0 that leave no blur worth the name
SHARP = 0.06
CLEAR = 0.75  # below this time plain models, too, predict well enough to choose by
# Blur of few-step models' predictions at any time, and of a plain model's from t = 0.7 down, which
# are as often exactly right as their finish (docs/calibration.md).
CLEAN = 0.03


def blur(x0: Tensor, end: Tensor) -> float:
    """What of the variance of clean latents `end` their prediction x0 misses, where they differ at
    all (an inpainting mask keeps the rest); nan where one is not finite."""
    differ = x0 != end
    if not differ.any():
        return 0.0
    x0, end = x0[differ].float(), end[differ].float()
    return float((x0 - end).square().mean() / end.var())


def clean(x0: Tensor, end: Tensor) -> bool:
    """Whether a prediction x0 is as clean as the `end` that it was carried on to."""
    return blur(x0, end) < CLEAN


def may_look(search: Search, task: Task) -> bool:
    """Whether a look can change anything: the first choice is early, and the budget carries it."""
    prices, steps = task.prices, len(task.times)
    first = first_choice(search, steps)
    needed = minimum(search, steps, replace(prices, score=LOOK)) + prices.birth + LOOK
    return (first == 0 or task.times[first] >= CLEAR) and task.left >= needed


def decided(search: Search, task: Task) -> tuple[int, bool]:
    """LOOK where the task's first particle is blurred, else 0; and whether what is scored is known
    to be a clean image.

    0 without a look for methods that only choose between what is nearly clean, and where the budget
    does not carry a search with LOOK. A look costs a birth and LOOK evaluations.
    """
    prices, steps = task.prices, len(task.times)
    needed = minimum(search, steps, replace(prices, score=LOOK))
    if not may_look(search, task):
        return 0, False
    missed = blur(*task.look(LOOK))
    if missed >= SHARP and task.left >= needed:  # a model may cost more than was foreseen
        return LOOK, True
    return 0, missed < SHARP  # not where it is not a number
