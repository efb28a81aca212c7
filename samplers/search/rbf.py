"""Rollover Budget Forcing."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch

from ..crew.task import Ahead
from ..task import Task
from ..types import Blaming, Particles, SearchEvent
from .children import CHILDREN, settled
from .paths import best_of_each, by_path
from .rounds import Choice, Facts, Method, Round, check_least, minimum, shared_rows
from .tries import Path, draw, draw_ahead, foresee
from .waves import WAVE, whole_waves

# Automatic starts: one in so many of the evaluations that the budget buys (docs/tuning.md).
SHARP, BLURRED = 4, 12


@dataclass(frozen=True)
class RolloverBudgetForcing(Method):
    """Tries children of one particle per path, and rolls unused tries over to the next step.

    Kim et al., arXiv 2503.19385, Algorithm 2. All paths advance together, as in its released code.
    Each path starts at the best of its initial particles, whose reward is r*. It may try `quota`
    children per step. It moves at once to a child with reward > r*, which becomes the new r*. Tries
    that are left roll over to the next step. When the quota is used up, the path moves to the best
    child, and r* stays. At the last step no path moves: the rest of the budget buys children there.

    init_particles 0 is automatic: a quarter of the evaluations, or a twelfth on a model whose first
    prediction is blurred. Above 16 the number is a multiple of 8. quota 0 is automatic:
    (F - I B) // (N B), at least 1. The budget is F particles, I are the initial particles of a
    path, B the paths and N the times. With `children` kernel this is the paper's method. Departures
    from the released code:
    - The whole budget is used, in equal shares. The code stops at F - 1.
    - A schedule of a single time gets more initial particles.
    - The driver keeps the best particle of all steps.
    - A path never moves to a child whose x0 is not finite.
    """

    description: ClassVar[str] = (
        "Rollover Budget Forcing: tries children of the best particle, moves to the first "
        "better one, and rolls unused tries over."
    )

    init_particles: int = field(
        default=0,
        metadata={
            "min": 0,
            "max": 1000,
            "tooltip": "Random starts of each path, 1 NFE each, or 5 with lookahead. 0 chooses "
            "by model and budget.",
        },
    )
    paths: int = field(
        default=1,
        metadata={
            "min": 1,
            "max": 64,
            "tooltip": "Independent searches that share the budget. More give more different "
            "images but less depth each.",
        },
    )
    quota: int = field(
        default=0,
        metadata={
            "min": 0,
            "max": 10000,
            "advanced": True,
            "tooltip": "Children that a path may try per step. Unused tries roll over. 0 spreads "
            "the budget evenly.",
        },
    )
    speculation: int = field(
        default=1,
        metadata={
            "min": 1,
            "max": 64,
            "advanced": True,
            "tooltip": "Children of one parent tried at once. The paper has 1. More use a large "
            "GPU better, but waste some.",
        },
    )

    children: str = field(default="auto", metadata=CHILDREN)

    def __post_init__(self) -> None:
        check_least(self, {"init_particles": 0, "paths": 1, "quota": 0, "speculation": 1})

    def rounds(self, steps: int) -> list[Round]:
        """The initial particles, then `quota` children at each transition, at least one."""
        children = (Round(i, i + 1, "parent", max(1, self.quota)) for i in range(steps - 1))
        return [Round(0, 0, "noise", self.init_particles or 1), *children]

    def choice(self, facts: Facts) -> Choice:
        search = replace(self, children=settled(self.children, facts))
        if self.init_particles:
            return Choice(search)
        share = BLURRED if facts.sharp is False else SHARP
        starts = facts.budget // (share * facts.prices.birth * self.paths)
        spare = facts.left - minimum(self, facts.steps, facts.prices)  # which has one start a path
        most = 1 + spare // (facts.prices.born * self.paths)
        return Choice(replace(search, init_particles=max(1, min(whole_waves(starts), most))))

    def run(self, task: Task) -> Iterator[SearchEvent]:
        purse, quota = task.purse, self.quota or self._even_quota(task)
        born = yield from self._begin(task, quota)
        paths = self._paths(best_of_each(born, self.paths), quota, task)
        for path in paths:
            yield SearchEvent("accept", path.parent, purse.nfe, quota)
        while any(path.share for path in paths):
            self._expect(task, paths, quota)
            children = draw(task, paths, self.speculation, self.children)
            yield SearchEvent("propose", children, purse.nfe)
            for path, tries in zip(paths, by_path(children, self.paths), strict=True):
                for child in path.hand_out(tries):
                    if path.accepts(child, quota):
                        yield SearchEvent("accept", child, purse.nfe, path.allowed)
                if path.exhausts(quota):
                    yield SearchEvent("exhaust", path.parent, purse.nfe, path.allowed)
        if not task.last_step:
            yield from self._more_starts(task)

    def _expect(self, task: Task, paths: list[Path], quota: int) -> None:
        """Say what comes next.

        Args:
            task: of the search.
            paths: where they stand.
            quota: children that a path may try per step.
        """
        how = {"at_once": self.speculation, "how": self.children}
        if self._foresees(task):
            task.expect(partial(foresee, path=paths[0], quota=quota, **how))
        else:
            task.expect(partial(draw_ahead, paths=paths, **how))

    def _foresees(self, task: Task) -> bool:
        """Whether it can look beyond a move: if it is alone, and asks for no look at mistakes."""
        blind = self.children == "kernel" or not isinstance(task.objective, Blaming)
        return self.paths == 1 and blind

    def _begin(self, task: Task, quota: int) -> Generator[SearchEvent, None, Particles]:
        """The initial particles of all paths, some at a time: a stop keeps the best of them."""
        waves: list[Particles] = []
        left = self.paths * self.init_particles
        for paths in torch.arange(self.paths).repeat_interleave(self.init_particles).split(WAVE):
            settings = {"waves": [*waves], "left": left, "quota": quota}
            task.expect(partial(self._begin_ahead, task=task, **settings))
            waves.append(replace(task.born(len(paths)), paths=paths))
            left -= len(paths)
            yield SearchEvent("born", waves[-1], task.purse.nfe)
        return Particles.cat(waves)

    def _begin_ahead(
        self, ahead: Ahead, task: Task, waves: list[Particles], left: int, quota: int
    ) -> None:
        """The waves that are left, and children of the best particle so far.

        Args:
            ahead: looks ahead for the task.
            task: of the search.
            waves: of initial particles so far.
            left: how many are to come.
            quota: children that a path may try per step.
        """
        for first in range(0, left, WAVE):
            wave = ahead.attempt(partial(ahead.born, min(WAVE, left - first)))
            waves = waves if wave is None else [*waves, wave]
        if waves and self._foresees(task):
            best = best_of_each(Particles.cat(waves), 1)
            path = Path(best, quota, task.last_step, quota)
            foresee(ahead, path, self.speculation, self.children, quota, moves=0)

    def _even_quota(self, task: Task) -> int:
        """How many children per path and step the budget buys, if every step gets the same."""
        price, shared = task.prices, shared_rows(self, self.rounds(len(task.times)), task.prices)
        free = int(task.left) - self.init_particles * self.paths * price.born - shared
        return max(1, free // (len(task.times) * self.paths * price.step))

    def _paths(self, parents: Particles, quota: int, task: Task) -> list[Path]:
        """Paths that share the children that the budget buys equally. The first get any rest."""
        shared = shared_rows(self, self.rounds(len(task.times)), task.prices)
        buys = max(0, int((task.left - shared) // task.prices.step)) if task.last_step else 0
        shares = [buys // self.paths + (i < buys % self.paths) for i in range(self.paths)]
        return [Path(parents[i], quota, task.last_step, share) for i, share in enumerate(shares)]

    def _more_starts(self, task: Task) -> Iterator[SearchEvent]:
        """Draw more starts: with a single time, no step has children."""
        while n := min(self.init_particles * self.paths, task.purse.buys(task.prices.born)):
            more = replace(task.born(n), paths=torch.arange(n) // self.init_particles)
            yield SearchEvent("born", more, task.purse.nfe)
