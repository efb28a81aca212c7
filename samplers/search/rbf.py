"""Rollover Budget Forcing."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from ..problem import Problem
from ..types import Particles, SearchEvent


@dataclass
class _Path:
    """Where one path stands: its parent and what it has tried from there."""

    parent: Particles
    record: float  # highest reward the path has moved to or, at the last step, seen
    quota: int
    drawn: int = 0
    best: Particles | None = None  # of the children drawn from `parent`

    def move(self, child: Particles, quota: int) -> None:
        self.parent, self.quota, self.drawn, self.best = child, quota, 0, None


@dataclass(frozen=True)
class RolloverBudgetForcing:
    """Kim et al., arXiv 2503.19385, Algorithm 2, as its released code decides (all paths in step).

    Each path starts at the best of its initial particles, r* its reward, and may try `quota`
    children per step. A child with reward > r* is moved to at once and the quota it left unused
    rolls over to the next step; when the quota is used up the best child is moved to and r* stays.
    From the last step a path does not move: the rest of the budget is spent on children there.

    quota 0 is automatic: (F - I B) // (N B) of the particle budget F, with I initial particles,
    B paths and N times, and at least 1. Departures: the whole budget is used (the released code
    stops at the last F - 1: budget F - 1 with an explicit quota repeats it), a partial round serves
    the first paths, and the driver keeps the best particle ever seen, not the last step's.
    """

    title: ClassVar[str] = "Rollover Budget Forcing (RBF)"

    init_particles: int = field(
        default=8,
        metadata={
            "min": 1,
            "max": 1000,
            "tooltip": "Random starts tried per path before the search begins; the best one is "
            "kept. Costs 1 NFE each (2 with CFG).",
        },
    )
    paths: int = field(
        default=1,
        metadata={
            "min": 1,
            "max": 64,
            "tooltip": "Independent searches that share the budget. More paths give more "
            "different images but less depth each. 1 suits up to about 200 NFE.",
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

    def __post_init__(self) -> None:
        for name, least in (("init_particles", 1), ("paths", 1), ("quota", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} {getattr(self, name)} given, wanted at least {least}.")

    def minimum(self, steps: int) -> int:
        """All initial particles, then `quota` (at least one) children per transition and path."""
        return self.paths * (self.init_particles + (steps - 1) * max(1, self.quota))

    def run(self, problem: Problem) -> Iterator[SearchEvent]:
        ledger = problem.ledger
        per_path, n_paths = self.init_particles, self.paths
        affordable = (int(problem.left) - per_path * n_paths) // (len(problem.times) * n_paths)
        quota = self.quota or max(1, affordable)

        born = problem.born(per_path * n_paths)
        born = replace(born, paths=torch.arange(len(born)) // per_path)
        yield SearchEvent("born", born, ledger.nfe)
        paths = []
        for own in (born[i : i + per_path] for i in range(0, len(born), per_path)):
            parent = own[own.best()]
            paths.append(_Path(parent, float(parent.reward), quota))
            yield SearchEvent("accept", parent, ledger.nfe, quota)

        while problem.last_step and problem.left:
            active = paths[: int(min(problem.left, n_paths))]
            children = problem.propose(Particles.cat([path.parent for path in active]))
            yield SearchEvent("propose", children, ledger.nfe)
            for i, path in enumerate(active):
                yield from self._judge(path, children[i], quota, problem)

    def _judge(
        self, path: _Path, child: Particles, quota: int, problem: Problem
    ) -> Iterator[SearchEvent]:
        path.drawn += 1
        if path.best is None or child.reward > path.best.reward:
            path.best = child
        improved = bool(child.reward > path.record)
        if improved:
            path.record = float(child.reward)
        if int(child.steps) == problem.last_step:
            if improved:
                yield SearchEvent("accept", child, problem.ledger.nfe, path.quota)
        elif improved:
            path.move(child, path.quota - path.drawn + quota)
            yield SearchEvent("accept", child, problem.ledger.nfe, path.quota)
        elif path.drawn == path.quota:
            path.move(path.best, quota)
            yield SearchEvent("exhaust", path.parent, problem.ledger.nfe, path.quota)
