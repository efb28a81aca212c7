"""Zero-order search: trajectories from neighbours of the best initial noise."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from ..task import Task
from ..types import Particles, SearchEvent
from .rounds import Method, Round, check_least
from .starts import STARTS, random_starts
from .waves import WAVE, expect_waves


@dataclass(frozen=True)
class ZeroOrder(Method):
    """Whole trajectories from neighbours of the best noise z so far, again and again.

    Ma et al., arXiv 2501.09732, Sec. 3.1. The first `starts` noises are unrelated. A neighbour is
    sqrt(1 - r^2) z + r z', with r the radius and z' a new noise. It is standard normal itself. The
    best noise is never run twice. Departures from the paper: there are more starts than neighbours,
    and the search also moves to an equal reward.
    """

    description: ClassVar[str] = (
        "Zero-order search: makes whole images from noises near the best noise so far."
    )
    whole_trajectories: ClassVar[bool] = True

    neighbours: int = field(
        default=4,
        metadata={
            "min": 1,
            "max": 1000,
            "tooltip": "Whole trajectories tried around the best noise before the next choice. "
            "Each costs one NFE a step.",
        },
    )
    radius: float = field(
        default=0.5,
        metadata={
            "min": 0.01,
            "max": 1.0,
            "tooltip": "How far a neighbour's noise is from the best one. 1 makes them unrelated, "
            "as in best of N.",
        },
    )

    starts: int = field(default=0, metadata=STARTS)

    def __post_init__(self) -> None:
        check_least(self, {"neighbours": 1, "starts": 0})
        if not 0.0 < self.radius <= 1.0:
            raise ValueError(
                f"radius is out of range: got {self.radius}, expected above 0 and at most 1."
            )

    def rounds(self, steps: int) -> list[Round]:
        return [Round(0, steps - 1, "noise")]

    def run(self, task: Task) -> Iterator[SearchEvent]:
        (walk,), purse = self.rounds(len(task.times)), task.purse
        price = walk.price(task.prices)
        starts = random_starts(self.starts, purse.buys(price))
        pivot: Tensor | None = None
        best: Particles | None = None
        expect_waves(task, min(starts, purse.buys(price)), len(task.times), self._walked)
        while n := min(min(WAVE, starts) or self.neighbours, purse.buys(price)):
            near = {}
            if not starts:
                near = {"around": pivot, "radius": self.radius, "parent": int(best.ids)}
            starts = max(0, starts - n)
            drawn = task.starts(n, **near)
            *_, ends = task.walk(task.born_from(drawn, score=not task.last_step))
            yield SearchEvent("propose" if task.last_step else "born", ends, purse.nfe)
            row = ends.best()
            if best is None or ends.reward[row] >= best.reward:
                best, pivot = ends[row], drawn.x[row : row + 1]
                yield SearchEvent("accept", best, purse.nfe)

    def _walked(self, task: Task, n: int) -> list[Particles]:
        """The trajectories of n random starts, step by step."""
        return list(task.walk(task.born(n, score=not task.last_step)))
