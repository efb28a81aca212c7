"""Best of N: independent samples, the best of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..task import Task
from ..types import SearchEvent
from .rounds import Method, Round

WAVE = 8  # trajectories walked together; fixed, because ids and so the noise follow from it


@dataclass(frozen=True)
class BestOfN(Method):
    """As many whole trajectories as the budget buys; the last x0 of each is scored.

    The kernel decides what is drawn: diffusion_norm 0 on the linear path is the ODE of the paper's
    BoN, any other an SDE. Costs one NFE a step and particle.
    """

    title: ClassVar[str] = "Best of N"

    def rounds(self, steps: int) -> list[Round]:
        return [Round(0, steps - 1, "noise")]

    def run(self, task: Task) -> Iterator[SearchEvent]:
        (only,), record = self.rounds(len(task.times)), -float("inf")
        while n := task.purse.buys(only.price(task.prices)):
            born = task.born(min(n, WAVE), score=not task.last_step)
            *_, ends = task.walk(born)
            yield SearchEvent("propose" if task.last_step else "born", ends, task.purse.nfe)
            best = ends[ends.best()]
            if float(best.reward) > record:
                record = float(best.reward)
                yield SearchEvent("accept", best, task.purse.nfe)
