"""Guided draws of one search: each parent's gradient is computed once, and what it changed in the
law of its children is known by their ids."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .guidance import Gradients, Guidance, acts, log_ratio, shift
from .types import Particles, Transition

log = logging.getLogger("flow_search")


@dataclass
class Steering:
    """`guidance` of a kernel's steps by `gradients`. Remembers the parents and the children of the
    last `begin` alone: a gradient is as large as a latent."""

    guidance: Guidance
    gradients: Gradients
    slopes: dict[int, Tensor] = field(default_factory=dict)  # by parent
    log_ratios: dict[int, float] = field(default_factory=dict)  # by child

    @property
    def rows(self) -> int:
        """Network rows of one parent's gradient."""
        return self.guidance.rows

    def begin(self, parents: Particles) -> None:
        """Children of these parents come next."""
        ids = parents.ids.tolist()
        self.slopes = {i: self.slopes[i] for i in ids if i in self.slopes}
        self.log_ratios = {}

    def acts(self, step: Transition) -> bool:
        return self.guidance.strength > 0.0 and acts(self.guidance, step)

    def draw(
        self,
        step: Transition,
        parents: Particles,
        ids: Sequence[int],
        alpha: float,
        noise: Callable[[Sequence[int]], Tensor],
        slope: Callable[[Particles], Tensor],
    ) -> Tensor:
        """Children (K,*D) of parents at one step; `slope` gives the gradients of new parents."""
        every = parents.ids.tolist()
        new = {parent: row for row, parent in enumerate(every) if parent not in self.slopes}
        if new:
            gradients = sound(slope(parents[list(new.values())]))
            self.slopes |= {parent: g[None] for parent, g in zip(new, gradients, strict=True)}
        slopes = torch.cat([self.slopes[parent] for parent in every])
        moved = shift(self.guidance, step, slopes, int(parents.steps[0]), alpha)
        eps = noise(ids) if step.std else torch.zeros_like(moved)
        ratios = log_ratio(moved, eps, step.std).tolist()
        self.log_ratios |= dict(zip(ids, ratios, strict=True))
        return step.mean + moved + step.std * eps

    def log_ratio(self, children: Particles) -> Tensor:
        """log p/q (K,) float64 of the children just drawn; 0 where no step was guided."""
        ratios = [self.log_ratios.get(i, 0.0) for i in children.ids.tolist()]
        if -math.inf in ratios:
            raise ValueError(
                "A guided step that draws no noise was given, wanted noise at every step that "
                "guidance moves: weights are those of a random draw."
            )
        return torch.tensor(ratios, dtype=torch.float64)


def sound(slopes: Tensor) -> Tensor:
    """Gradients (K,*D), 0 where one is not finite: its children are drawn unguided."""
    lost = ~slopes.flatten(1).isfinite().all(1)
    if lost.any():
        log.warning(
            "%d gradients of the reward are not finite: no guidance there.", int(lost.sum())
        )
    return slopes.masked_fill(lost.reshape(-1, *[1] * (slopes.ndim - 1)), 0.0)
