"""Regional search: new noise in one rectangle at a time."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from ..task import Task
from ..types import Particles, SearchEvent, Starts
from .aim import LARGEST, SMALLEST, Aim
from .rounds import Method, Round, check_least
from .starts import STARTS, random_starts
from .waves import WAVE, expect_waves


@dataclass(frozen=True)
class Regional(Method):
    """Local search over the starting noise. `starts` random noises come first. Then, from the best
    noise z so far, a proposal takes new noise inside a random rectangle and z outside:

        z' = m * e + (1 - m) * z,    e ~ N(0, I), m the rectangle's mask.

    Each follows the ODE to its end and is scored. The search moves if no reward is lower than
    before. Where most of an image is right, that part stays: with m independent parts of success p
    each, best of N needs about p^-m draws and this about m/p.

    z' is standard normal if the rectangle does not depend on z, so with a constant reward the
    result is a fresh sample. With `follow_blame` the reward may choose the rectangle, as it chooses
    whether to move. Of videos a rectangle also has a range of frames. The kernel's noise is not
    used: paths differ by their start alone. Regions by attention: Ren et al., arXiv 2511.19917.
    """

    description: ClassVar[str] = (
        "Regional search: keeps the best image so far, and draws one rectangle of its noise anew."
    )
    guided: ClassVar[bool] = False  # its steps are the ODE's
    whole_trajectories: ClassVar[bool] = True

    starts: int = field(default=0, metadata=STARTS)
    smallest: float = field(
        default=SMALLEST,
        metadata={
            "min": 0.01,
            "max": 1.0,
            "tooltip": "Shortest side of a rectangle, as a share of the image's. Smaller changes "
            "less at a time.",
        },
    )
    largest: float = field(
        default=LARGEST,
        metadata={
            "min": 0.01,
            "max": 1.0,
            "tooltip": "Longest side of a rectangle, as a share of the image's. If both are 1, "
            "this is best of N.",
        },
    )
    follow_blame: bool = field(
        default=True,
        metadata={
            "tooltip": "Draw rectangles where the reward sees mistakes. Counting rewards do, most "
            "rewards do not.",
        },
    )
    at_once: int = field(
        default=1,
        metadata={
            "min": 1,
            "max": 64,
            "advanced": True,
            "tooltip": "Proposals tried together before the search moves. More fill a large GPU, "
            "but learn less from each.",
        },
    )
    patience: int = field(
        default=0,
        metadata={
            "min": 0,
            "max": 100_000,
            "advanced": True,
            "tooltip": "Begin again with new random noises after so many proposals without a "
            "higher reward. 0: never.",
        },
    )

    def __post_init__(self) -> None:
        check_least(self, {"starts": 0, "at_once": 1, "patience": 0})
        if not 0.0 < self.smallest <= self.largest <= 1.0:
            raise ValueError(
                f"The sides of a region are out of range: got smallest {self.smallest} and largest "
                f"{self.largest}, expected 0 < smallest <= largest <= 1."
            )

    def rounds(self, steps: int) -> list[Round]:
        return [Round(0, steps - 1, "noise", ode=True)]

    def aim(self, task: Task, particle: Particles) -> Aim:
        """What draws the rectangles of a search that stands at `particle`."""
        return Aim(task, particle, self.smallest, self.largest, self.follow_blame)

    def run(self, task: Task) -> Iterator[SearchEvent]:
        (only,) = self.rounds(len(task.times))
        price = only.price(task.prices)
        starts = random_starts(self.starts, task.purse.buys(price))
        while task.purse.buys(price):
            yield from self._climb(task, price, starts)

    def _climb(self, task: Task, price: int, starts: int) -> Iterator[SearchEvent]:
        """From the best of `starts` random noises, until patience or the budget ends."""
        best: Particles | None = None
        pivot: Tensor | None = None
        count = min(starts, task.purse.buys(price))
        expect_waves(task, count, len(task.times), self._down)
        while n := min(WAVE, starts, task.purse.buys(price)):
            starts -= n
            drawn = task.starts(n)
            ends = yield from self._tried(task, drawn)
            row = ends.best()
            if best is None or ends.reward[row] > best.reward:
                best, pivot = ends[row], drawn.x[row : row + 1]
                yield SearchEvent("accept", best, task.purse.nfe)
        vain, aim = 0, self.aim(task, best)
        while (n := min(self.at_once, task.purse.buys(price))) and not 0 < self.patience <= vain:
            drawn = task.starts(n, pivot, boxes=aim.boxes(n), parent=int(best.ids))
            ends = yield from self._tried(task, drawn)
            row = ends.best()
            vain = 0 if ends.reward[row] > best.reward else vain + n
            if ends.reward[row] >= best.reward:
                best, pivot = ends[row], drawn.x[row : row + 1]
                aim.look_at(best)
                yield SearchEvent("accept", best, task.purse.nfe)

    def _down(self, task: Task, n: int) -> list[Particles]:
        """The levels of n random starts that follow the ODE."""
        return list(task.walk(task.born(n, score=not task.last_step), kernel=task.flow.ode))

    def _tried(self, task: Task, drawn: Starts) -> Generator[SearchEvent, None, Particles]:
        """Walks the ODE from each start. Returns the scored ends."""
        born = task.born_from(drawn, score=not task.last_step)
        *_, ends = task.walk(born, kernel=task.flow.ode)
        yield SearchEvent("propose" if task.last_step else "born", ends, task.purse.nfe)
        return ends
