"""Zero-order search: neighbours of the best initial noise."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from ..problem import Problem
from ..types import Particles, Prices, SearchEvent
from .best_of_n import walk


@dataclass(frozen=True)
class ZeroOrder:
    """Ma et al., arXiv 2501.09732, Sec. 3.1: whole trajectories from `neighbours` noises, then from
    as many neighbours of the best noise so far, sqrt(1 - r^2) z + r z', and so on; each neighbour
    is standard normal itself. The best noise is never run twice.
    """

    title: ClassVar[str] = "Zero-order (neighbouring noises)"

    neighbours: int = field(
        default=4,
        metadata={
            "min": 1,
            "max": 1000,
            "tooltip": "Whole trajectories tried around the best noise so far, before it may "
            "move. Each costs one NFE a step.",
        },
    )
    radius: float = field(
        default=0.5,
        metadata={
            "min": 0.01,
            "max": 1.0,
            "tooltip": "How far a neighbour's noise is from the best. 1 is an unrelated noise, "
            "which makes this best of N.",
        },
    )

    def __post_init__(self) -> None:
        if self.neighbours < 1 or not 0.0 < self.radius <= 1.0:
            raise ValueError(
                f"neighbours {self.neighbours} and radius {self.radius} given, wanted at least 1 "
                "and a number above 0 and at most 1."
            )

    def first_choice(self, steps: int) -> int:
        return steps - 1

    def minimum(self, steps: int, prices: Prices) -> int:
        return prices.walk(steps)

    def run(self, problem: Problem) -> Iterator[SearchEvent]:
        price = problem.prices.walk(len(problem.times))
        pivot: Tensor | None = None
        best: Particles | None = None
        while n := min(self.neighbours, int(problem.left // price)):
            ids, starts = problem.starts(n, around=pivot, radius=self.radius)
            family = [] if best is None else [int(best.ids)] * n
            born = problem.born_from(ids, starts, family, score=not problem.last_step)
            *_, ends = walk(problem, born)
            kind = "propose" if problem.last_step else "born"
            yield SearchEvent(kind, ends, problem.ledger.nfe)
            row = ends.best()
            if best is None or ends.reward[row] > best.reward:
                best, pivot = ends[row], starts[row : row + 1]
                yield SearchEvent("accept", best, problem.ledger.nfe)
