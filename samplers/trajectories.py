"""Whole trajectories by any sampler, for searches that need nothing between start and clean image.

Such a sampler may call the network several times a step, at times of its own, and draw noise of its
own. What a trajectory costs is known only after the first one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .purse import BudgetExceeded, Prices
from .rules import Halt
from .task import Task
from .types import Particles, Starts

Pay = Callable[[int, Callable[[], Tensor]], Tensor]  # (rows, network call) -> its answer
# (start (1,*D), id whose noise the sampler draws, what pays each call) -> clean latent (1,*D)
Trajectory = Callable[[Tensor, int, Pay], Tensor]


@dataclass
class WholeTask(Task):
    """A task whose particles are born clean: another sampler carries each from its start to 0.

    The flow's `lead` and its only time are those of the sampler, so a birth is expected to cost as
    many evaluations. Rows go one at a time: a sampler may draw noise, or adapt its steps to all
    rows. A particle has no children, and nothing is left to look ahead to or to finish.

    Neighbours of a start share the noise that the sampler draws, so they differ by their start
    alone.

    Args:
        trajectory: the sampler. It pays each of its network calls.
        root: id of a particle -> id of the start that it descends from.
        nfe: of one trajectory, the most of any so far; 0: none has ended.
        measured: clean latents by id, of trajectories that ran before the search asks for them.
    """

    trajectory: Trajectory = field(kw_only=True)
    root: Callable[[int], int] = field(kw_only=True)
    nfe: int = 0
    measured: dict[int, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.lookahead = 0

    @property
    def prices(self) -> Prices:
        """What one particle costs: what the dearest did, and one evaluation a time before that."""
        expected = super().prices
        return replace(expected, birth=math.ceil(self.nfe / self.purse.cost) or expected.birth)

    def measure(self) -> None:
        """Run the first particle's trajectory. The search does not pay for it again.

        Raises:
            BudgetExceeded: the budget ends before the trajectory does.
        """
        try:
            self.measured[0] = self._carried(0, self.flow.start([0]))
        except BudgetExceeded as error:
            raise BudgetExceeded(
                f"The budget ends within the first image: got {self.purse.total} NFE, expected "
                "more. This sampler may call the network several times a step."
            ) from error
        self.purse.prepaid = self.prices.birth * self.purse.cost

    def born_from(self, starts: Starts, score: bool = True) -> Particles:
        """The particles that begin at starts, clean. If the search stops, only the first ones."""
        for start in starts.split():
            self.on_made(start.made([(1, 0)]))
        clean = self._clean(starts)
        rows, zeros = slice(len(clean)), [0] * len(clean)
        columns = starts.ids[rows], starts.parents[rows], zeros, zeros
        return self._scored(clean, clean, columns, score)

    def finish(self, particle: Particles, nodes: int) -> Particles:
        """Score a particle as finished. It is clean, so no evaluation is left to make."""
        return super().finish(particle, 0)

    def _clean(self, starts: Starts) -> Tensor:
        """The ends of the trajectories from starts, up to the first that is stopped."""
        ends: list[Tensor] = []
        for start in starts.split():
            try:
                ends.append(self._carried(start.ids[0], start.x))
            except (BudgetExceeded, Halt):
                if not ends:
                    raise
                break
        return torch.cat(ends)

    def _carried(self, particle: int, start: Tensor) -> Tensor:
        """The end of a trajectory, which is not begun if the budget does not hold its price."""
        purse = self.purse
        if particle in self.measured:
            purse.prepaid = 0
            return self.measured.pop(particle)
        purse.require(self.prices.birth)
        before = purse.nfe - purse.checked
        clean = self.trajectory(start, self.root(particle), self._network().pay)
        self.nfe = max(self.nfe, purse.nfe - purse.checked - before)
        return clean
