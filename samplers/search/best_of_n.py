"""Best of N: the best of independent samples."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..task import Task
from ..types import Particles, SearchEvent
from .rounds import Method, Round
from .waves import WAVE, expect_waves


@dataclass(frozen=True)
class BestOfN(Method):
    """Draws as many whole trajectories as the budget buys, and scores the last x0 of each.

    A trajectory costs one NFE per step. The kernel makes its steps. With diffusion_norm 0 on the
    linear path it follows the ODE, as in the BoN of arXiv 2503.19385.
    """

    description: ClassVar[str] = (
        "Best of N: makes as many whole images as the budget buys, and returns the best."
    )
    whole_trajectories: ClassVar[bool] = True

    def rounds(self, steps: int) -> list[Round]:
        return [Round(0, steps - 1, "noise")]

    def run(self, task: Task) -> Iterator[SearchEvent]:
        (walk,), record = self.rounds(len(task.times)), -float("inf")
        price = walk.price(task.prices)
        expect_waves(task, task.purse.buys(price), len(task.times), self._walked)
        while n := task.purse.buys(price):
            ends = self._walked(task, min(n, WAVE))
            yield SearchEvent("propose" if task.last_step else "born", ends, task.purse.nfe)
            best = ends[ends.best()]
            if float(best.reward) > record:
                record = float(best.reward)
                yield SearchEvent("accept", best, task.purse.nfe)

    def _walked(self, task: Task, n: int) -> Particles:
        """The ends of n trajectories."""
        *_, ends = task.walk(task.born(n, score=not task.last_step))
        return ends
