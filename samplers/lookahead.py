"""How far a search looks ahead: as far as the model's own first prediction is blurred.

Where x0 at the first time is far from where the ODE ends, a reward read off it says little. The two
are compared on one particle, the first: blur = E[(x0 - end)^2] / Var[end], `end` after LOOK more
evaluations. benchmarks/calibration.md has it beside the rank correlation of the rewards: few-step
models lie below SHARP, plain flow models above.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from .problem import Problem
from .types import Search, SearchEvent

AUTOMATIC = -1
LOOK = 4  # evaluations from the first time to 0 that leave no blur worth the name
SHARP = 0.08


def blur(x0: Tensor, end: Tensor) -> float:
    """What of the variance of clean latents `end` their prediction x0 misses, where they differ at
    all (an inpainting mask keeps the rest); nan where one is not finite."""
    differ = x0 != end
    if not differ.any():
        return 0.0
    x0, end = x0[differ].float(), end[differ].float()
    return float((x0 - end).square().mean() / end.var())


def decided(search: Search, problem: Problem) -> Iterator[SearchEvent]:
    """Set the problem's automatic lookahead to LOOK where the first particle is blurred, else to 0.

    0 without a look for methods that only rank what is nearly clean, and where the budget does not
    carry a search with LOOK. The particle costs a birth and LOOK, and is a candidate like any.
    """
    problem.lookahead = LOOK
    needed = problem.prices.born + search.minimum(len(problem.times), problem.prices)
    if not search.ranks_early or problem.left < needed:
        problem.lookahead = 0
        return
    first = problem.born(1)
    if not blur(first.x0, first.clean) >= SHARP:  # also where it is not a number
        problem.lookahead = 0
    yield SearchEvent("born", first, problem.ledger.nfe)
