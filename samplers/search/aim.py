"""Draws regions where the reward sees mistakes."""

from __future__ import annotations

from copy import copy

import torch
from torch import Tensor

from ..regions import Box, Regions, axes
from ..task import Task
from ..types import Blaming, Particles

SMALLEST, LARGEST = 0.25, 0.75  # sides of a region, as shares of the image's


class Aim:
    """Draws the regions of a search, by the blame of the particle that it stands at.

    Args:
        task: its flow and objective.
        particle: where it stands.
        smallest, largest: sides of a region, as in `Regions`.
        follow_blame: whether the objective may say where regions are.
    """

    def __init__(
        self,
        task: Task,
        particle: Particles,
        smallest: float = SMALLEST,
        largest: float = LARGEST,
        follow_blame: bool = True,
    ) -> None:
        self.task, self.smallest, self.follow_blame = task, smallest, follow_blame
        changing = task.flow.changing
        if changing is None:
            changing = torch.ones(axes(task.flow.part or particle.x.shape[1:]), dtype=torch.bool)
        self.law = Regions(smallest, largest, changing)
        self.look_at(particle)

    def on(self, task: Task) -> Aim:
        """The same on another task, which draws its own uniforms."""
        aim = copy(self)
        aim.task = task
        return aim

    def look_at(self, particle: Particles) -> None:
        """The search stands at `particle` from now on."""
        self.particle, self.blame, self.is_new = particle, None, True

    def boxes(self, n: int) -> list[Box]:
        """n regions; without a draw where each is everything."""
        if self.smallest == 1.0:
            return [()] * n
        if self.is_new and self.follow_blame:  # it costs, so not before it is needed
            self.blame = blame_of(self.task, self.particle)
        self.is_new = False
        uniforms = self.task.uniforms(n * self.law.uniforms).view(n, -1)
        return [self.law.draw(row, self.blame) for row in uniforms]


def blame_of(task: Task, particle: Particles) -> Tensor | None:
    """(*S) in [0, 1] on the CPU: where the objective says that a particle is wrong.

    None where it does not say.
    """
    objective = task.objective
    if not isinstance(objective, Blaming) or not particle.clean.isfinite().all():
        return None
    blame = objective.blame(particle.clean)
    return None if blame is None else blame[0].detach().cpu().double()
