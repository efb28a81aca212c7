"""Best of N: the best of independent samples."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..task import Task
from ..types import SearchEvent
from .rounds import Method, Round

WAVE = 8  # trajectories walked together. It is fixed, since ids and so the noise depend on it.


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
        while n := task.purse.buys(walk.price(task.prices)):
            born = task.born(min(n, WAVE), score=not task.last_step)
            *_, ends = task.walk(born)
            yield SearchEvent("propose" if task.last_step else "born", ends, task.purse.nfe)
            best = ends[ends.best()]
            if float(best.reward) > record:
                record = float(best.reward)
                yield SearchEvent("accept", best, task.purse.nfe)
