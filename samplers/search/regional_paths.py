"""Regional search over paths: noise up in one rectangle, ODE down."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from ..regions import Box
from ..task import Task
from ..types import Particles, SearchEvent
from .regional import Regional
from .rounds import Round, check_least
from .starts import random_starts
from .waves import WAVE, expect_waves

LATE = 0.75  # of the steps: back in time far enough to change what is there, not only how it looks
Levels = list[Particles]  # particles of the same paths from the step `top` down to the last


@dataclass(frozen=True)
class RegionalPaths(Regional):
    """Search over paths (Ma et al., arXiv 2501.09732, Sec. 3.2), local.

    `starts` random noises come down by the ODE. Then the best path is noised back up `forward`
    steps, to the time T, inside a random rectangle m. Outside it keeps its own latent of that time:

        x_T' = m * y + (1 - m) * x_T,    y ~ q(x_T | x_t), t the last time.

    It comes down again by the ODE and is scored. The search moves if no reward is lower.

    A try costs 1 + `forward` evaluations, fewer than a whole path. What noise does early stays, so
    it mends more than it rearranges. A `forward` of all steps draws anew at the first time, as
    `regional` does. With a constant reward the law of a sample is kept where parts of an image are
    independent of each other, else nearly: y is not drawn given the rest of x_T.
    """

    description: ClassVar[str] = (
        "Regional search over paths: noises one rectangle of the best path back up, and follows "
        "the ODE down."
    )
    whole_trajectories: ClassVar[bool] = False

    forward: int = field(
        default=0,
        metadata={
            "min": 0,
            "max": 1000,
            "tooltip": "Steps to go back towards noise inside a rectangle. More change more. 0 is "
            "three quarters of all steps.",
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_least(self, {"forward": 0})

    def rounds(self, steps: int) -> list[Round]:
        down = Round(0, steps - 1, "noise", ode=True)
        if steps == 1:
            return [down]
        return [down, Round(self._top(steps - 1), steps - 1, "renoised", ode=True)]

    def _top(self, last: int) -> int:
        """The step that a rectangle is noised back up to, `last` being the last one."""
        return max(0, last - (self.forward or round(LATE * last)))

    def run(self, task: Task) -> Iterator[SearchEvent]:
        prices = [r.price(task.prices) for r in self.rounds(len(task.times))]
        starts = random_starts(self.starts, task.purse.buys(prices[0]))
        while (room := task.left - sum(prices[1:])) >= prices[0]:
            most = int(room // prices[0])
            yield from self._descend(task, prices, min(starts, most) if prices[1:] else most)

    def _descend(self, task: Task, prices: list[int], starts: int) -> Iterator[SearchEvent]:
        """From the best of `starts` paths, until patience or the budget ends."""
        best: Levels | None = None
        count = min(starts, task.purse.buys(prices[0]))
        expect_waves(task, count, len(task.times), self._down)
        while n := min(WAVE, starts, task.purse.buys(prices[0])):
            starts -= n
            born = task.born(n, score=not task.last_step)
            levels = yield from self._walked(task, born)
            row = levels[-1].best()
            if best is None or levels[-1].reward[row] > best[-1].reward:
                best = [level[row] for level in levels]
                yield SearchEvent("accept", best[-1], task.purse.nfe)
        if not task.last_step:
            return
        vain, aim = 0, self.aim(task, best[-1])
        while n := min(self.at_once, task.purse.buys(prices[1])):
            if 0 < self.patience <= vain and task.left >= sum(prices):
                return
            levels = yield from self._walked(task, self._noised(task, best, aim.boxes(n)))
            row = levels[-1].best()
            vain = 0 if levels[-1].reward[row] > best[-1].reward else vain + n
            if levels[-1].reward[row] >= best[-1].reward:
                best = [level[row] for level in levels]
                aim.look_at(best[-1])
                yield SearchEvent("accept", best[-1], task.purse.nfe)

    def _noised(self, task: Task, best: Levels, boxes: list[Box]) -> Particles:
        """A copy of the best path for each box, at the first of its levels."""
        rows = [0] * len(boxes)
        return task.renoise(best[-1][rows], int(best[0].steps), best[0][rows], boxes)

    def _walked(self, task: Task, particles: Particles) -> Generator[SearchEvent, None, Levels]:
        """Walks the ODE down to the last step; returns the levels that a rectangle may need."""
        levels = list(task.walk(particles, kernel=task.flow.ode))
        yield SearchEvent("propose" if task.last_step else "born", levels[-1], task.purse.nfe)
        return levels[self._top(task.last_step) - int(particles.steps[0]) :]
