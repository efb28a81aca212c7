"""Rollover Budget Forcing."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from ..problem import Problem
from ..types import Particles, Prices, SearchEvent
from .choose import best_alive


@dataclass
class _Path:
    """Where one path stands: its parent and what it has tried from there."""

    parent: Particles
    record: float  # highest reward the path has moved to or, at the last step, seen
    quota: int
    share: int = 0  # children that the budget still buys it
    drawn: int = 0
    best: Particles | None = None  # of the children drawn from `parent`

    def move(self, child: Particles, quota: int) -> None:
        self.parent, self.quota, self.drawn, self.best = child, quota, 0, None

    def room(self, last_step: int) -> int:
        """Children the path may still try from its parent."""
        final = int(self.parent.steps) == last_step - 1
        return sys.maxsize if final else self.quota - self.drawn


@dataclass(frozen=True)
class RolloverBudgetForcing:
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

    def first_choice(self, steps: int) -> int:
        return 0

    def minimum(self, steps: int, prices: Prices) -> int:
        """All initial particles, then `quota` (at least one) children per transition and path."""
        children = (steps - 1) * max(1, self.quota)
        born = self.paths * self.init_particles * prices.born
        return born + self.paths * children * prices.step + self._slopes(steps, prices)

    def _slopes(self, steps: int, prices: Prices) -> int:
        """Rows of the gradients: one a path and step that it draws from."""
        return self.paths * (steps - 1) * prices.slope

    def run(self, problem: Problem) -> Iterator[SearchEvent]:
        ledger, prices = problem.ledger, problem.prices
        per_path, n_paths = self.init_particles, self.paths
        slopes = self._slopes(len(problem.times), prices)
        kept = int(problem.left) - per_path * n_paths * prices.born - slopes
        quota = self.quota or max(1, kept // (len(problem.times) * n_paths * prices.step))

        born = problem.born(per_path * n_paths)
        born = replace(born, paths=torch.arange(len(born)) // per_path)
        yield SearchEvent("born", born, ledger.nfe)
        paths = []
        for own in (born[i : i + per_path] for i in range(0, len(born), per_path)):
            parent = best_alive(own) or own[0]
            paths.append(_Path(parent, float(parent.reward), quota))
            yield SearchEvent("accept", parent, ledger.nfe, quota)

        while not problem.last_step and (n := min(len(born), int(problem.left // prices.born))):
            more = problem.born(n)
            more = replace(more, paths=torch.arange(n) // per_path)
            yield SearchEvent("born", more, ledger.nfe)

        children = max(0, int((problem.left - slopes) // prices.step))
        for i, path in enumerate(paths):
            path.share = children // n_paths + (i < children % n_paths)
        while problem.last_step and any(path.share for path in paths):
            counts = [
                min(self.speculation, path.room(problem.last_step), path.share) for path in paths
            ]
            parents = [path.parent for path, n in zip(paths, counts, strict=True) for _ in range(n)]
            children = problem.propose(Particles.cat(parents))
            yield SearchEvent("propose", children, ledger.nfe)
            for path, n in zip(paths, counts, strict=True):
                yield from self._judge(path, children[:n], quota, problem)
                children = children[n:]

    def _judge(
        self, path: _Path, children: Particles, quota: int, problem: Problem
    ) -> Iterator[SearchEvent]:
        """Consume the children of one parent in order, up to the first that the path moves to."""
        path.drawn += len(children)
        path.share -= len(children)
        for i in range(len(children)):
            child = children[i]
            if not child.alive:
                continue
            if path.best is None or child.reward > path.best.reward:
                path.best = child
            if child.reward > path.record:
                path.record = float(child.reward)
                moves = int(child.steps) < problem.last_step
                if moves:
                    path.move(child, path.quota - path.drawn + quota)
                yield SearchEvent("accept", child, problem.ledger.nfe, path.quota)
                if moves:
                    return
        if path.drawn == path.quota and int(path.parent.steps) < problem.last_step - 1:
            if path.best is None:  # there is nothing to go on from: as many tries again
                path.quota += quota
                return
            path.move(path.best, quota)
            yield SearchEvent("exhaust", path.parent, problem.ledger.nfe, path.quota)
