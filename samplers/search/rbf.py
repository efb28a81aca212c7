"""Rollover Budget Forcing."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from ..task import Task
from ..types import Particles, SearchEvent
from .choose import best_alive, groups
from .rounds import Method, Round


@dataclass
class _Path:
    """Where one path stands: its parent and what it has tried from there."""

    parent: Particles
    record: float  # r*: the highest reward it has moved to or, at the last step, seen
    allowed: int  # Q: children it may try from its parent
    quota: int  # what each step adds to that
    last_step: int
    share: int = 0  # children that the budget still buys it
    tried: int = 0
    best: Particles | None = None  # of the children tried

    @property
    def at_the_end(self) -> bool:
        """Whether its children are at the last step, to which it does not move."""
        return int(self.parent.steps) >= self.last_step - 1

    def room(self, at_once: int) -> int:
        """Children to try next."""
        left = self.share if self.at_the_end else min(self.share, self.allowed - self.tried)
        return min(at_once, left)

    def move(self, child: Particles, allowed: int) -> None:
        self.parent, self.allowed, self.tried, self.best = child, allowed, 0, None

    def judge(self, children: Particles, nfe: int) -> Iterator[SearchEvent]:
        """Algorithm 2, of children of the parent in order, up to the first that is moved to."""
        self.tried += len(children)
        self.share -= len(children)
        for child in (children[i] for i in range(len(children))):
            if not child.alive:
                continue
            if self.best is None or child.reward > self.best.reward:
                self.best = child
            if child.reward > self.record:  # what is left of the quota rolls over
                self.record, moves = float(child.reward), not self.at_the_end
                if moves:
                    self.move(child, self.allowed - self.tried + self.quota)
                yield SearchEvent("accept", child, nfe, self.allowed)
                if moves:
                    return
        if self.tried != self.allowed or self.at_the_end:
            return
        if self.best is None:  # there is nothing to go on from: as many tries again
            self.allowed += self.quota
        else:  # the quota is used up: on with the best, the record stays
            self.move(self.best, self.quota)
            yield SearchEvent("exhaust", self.parent, nfe, self.allowed)


@dataclass(frozen=True)
class RolloverBudgetForcing(Method):
    """Kim et al., arXiv 2503.19385, Algorithm 2, as its released code decides (all paths in step).

    Each path starts at the best of its initial particles, r* its reward, and may try `quota`
    children per step. A child with reward > r* is moved to at once and the quota it left unused
    rolls over to the next step; when the quota is used up the best child is moved to and r* stays.
    From the last step a path does not move: the rest of the budget is spent on children there.

    quota 0 is automatic: (F - I B) // (N B) of the particle budget F, with I initial particles,
    B paths and N times, and at least 1. Departures: the whole budget is used (the released code
    stops at the last F - 1: budget F - 1 with an explicit quota repeats it), in equal shares to the
    paths, what is over to the first ones; on a single time, with no step to draw children at, on
    more initial particles; the driver keeps the best particle ever seen, not the last step's; and a
    child from which nothing can descend (its x0 is not finite) is never moved to. With
    `speculation` m > 1 children come m at a time and are judged in order: those behind the one that
    is moved to are spent, and remain candidates for the result.
    """

    title: ClassVar[str] = "Rollover Budget Forcing (RBF)"

    init_particles: int = field(
        default=8,
        metadata={
            "min": 1,
            "max": 1000,
            "tooltip": "Random starts tried per path before the search begins; the best one is "
            "kept. Costs 1 NFE each, 5 where the search looks ahead (twice that with CFG).",
        },
    )
    paths: int = field(
        default=1,
        metadata={
            "min": 1,
            "max": 64,
            "tooltip": "Independent searches that share the budget. More paths give more "
            "different images but less depth each. 1 suits up to about 100 NFE.",
        },
    )
    quota: int = field(
        default=0,
        metadata={
            "min": 0,
            "max": 10000,
            "advanced": True,
            "tooltip": "Children each path may try per step before it has to move on. 0 spreads "
            "the budget evenly. Unused tries roll over to the next step.",
        },
    )

    speculation: int = field(
        default=1,
        metadata={
            "min": 1,
            "max": 64,
            "advanced": True,
            "tooltip": "Children tried at once from the same parent. 1 is the paper's method; more "
            "fill a large GPU, but those tried beyond the first better one are spent.",
        },
    )

    def __post_init__(self) -> None:
        least = {"init_particles": 1, "paths": 1, "quota": 0, "speculation": 1}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ValueError(f"{name} {getattr(self, name)} given, wanted at least {value}.")

    def rounds(self, steps: int) -> list[Round]:
        """The initial particles, then `quota` (at least one) children at each transition."""
        children = (Round(i, i + 1, "parent", max(1, self.quota)) for i in range(steps - 1))
        return [Round(0, 0, "noise", self.init_particles), *children]

    def run(self, task: Task) -> Iterator[SearchEvent]:
        n, purse, price = self.init_particles * self.paths, task.purse, task.prices
        slopes = self.paths * task.last_step * price.slope  # of the parents' gradients
        free = int(task.left) - n * price.born - slopes
        even = free // (len(task.times) * self.paths * price.step)
        quota = self.quota or max(1, even)

        born = task.brood(None, self.init_particles, self.paths)
        yield SearchEvent("born", born, purse.nfe)
        paths = []
        for own in groups(born, self.paths):
            parent = best_alive(own) or own[0]
            path = _Path(parent, float(parent.reward), quota, quota, task.last_step)
            paths.append(path)
            yield SearchEvent("accept", parent, purse.nfe, quota)
        if not task.last_step:
            yield from self._more_starts(task)
            return

        children = max(0, int((task.left - slopes) // price.step))
        for i, path in enumerate(paths):
            path.share = children // self.paths + (i < children % self.paths)
        while any(path.share for path in paths):
            counts = [path.room(self.speculation) for path in paths]
            rows = torch.arange(self.paths).repeat_interleave(torch.tensor(counts))
            children = task.propose(Particles.cat([path.parent for path in paths])[rows])
            yield SearchEvent("propose", children, purse.nfe)
            for path, own in zip(paths, groups(children, self.paths), strict=True):
                yield from path.judge(own, purse.nfe)

    def _more_starts(self, task: Task) -> Iterator[SearchEvent]:
        """On a single time there is no step to draw children at."""
        while n := min(self.init_particles * self.paths, task.purse.buys(task.prices.born)):
            more = replace(task.born(n), paths=torch.arange(n) // self.init_particles)
            yield SearchEvent("born", more, task.purse.nfe)
