"""Guided draws of one search.

The gradient of a parent is computed once. How guidance changed the law of its children is kept by
their ids.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .flow import Flow
from .guidance import Gradients, Guidance, acts, log_ratio, moves_ode, shift
from .types import Kernel, Particles, Transition

log = logging.getLogger("flow_search")


@dataclass
class Steering:
    """Moves the steps of a kernel by `guidance`.

    A gradient is as large as a latent, so only those of the last parents are kept.

    Args:
        guidance: how far steps move.
        gradients: of the reward and the network.
        slopes: grad r(x0_hat(x)) (1,*D) by the id of a parent of the last `begin`.
        log_ratios: log p/q by the id of a child drawn since the last `begin`.
    """

    guidance: Guidance
    gradients: Gradients
    slopes: dict[int, Tensor] = field(default_factory=dict)
    log_ratios: dict[int, float] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Network rows of one parent's gradient."""
        return self.guidance.rows

    def begin(self, parents: Particles) -> None:
        """Forget all but these parents: their children are drawn next."""
        ids = parents.ids.tolist()
        self.slopes = {i: self.slopes[i] for i in ids if i in self.slopes}
        self.log_ratios = {}

    @property
    def moves_ode(self) -> bool:
        """Whether it also moves the steps of methods that walk the ODE."""
        return moves_ode(self.guidance)

    def acts(self, step: Transition, alpha: float) -> bool:
        """Whether guidance moves the step.

        Args:
            step: its law without guidance.
            alpha: of the model's path at its beginning.
        """
        return self.guidance.strength > 0.0 and acts(self.guidance, step, alpha)

    def draw(
        self,
        step: Transition,
        parents: Particles,
        ids: Sequence[int],
        alpha: float,
        noise: Callable[[Sequence[int]], Tensor],
        slope: Callable[[Particles], Tensor],
    ) -> Tensor:
        """Children (K,*D), one of each parent.

        Args:
            step: the law of the children without guidance.
            parents: K particles at one step.
            ids: of the children, (K,).
            alpha: of the model's path at the parents' time.
            noise: ids -> standard normal rows (K,*D).
            slope: computes grad r(x0_hat(x)) (K,*D) of parents whose gradient is not kept yet.
        """
        parent_ids = parents.ids.tolist()
        self._add_slopes(parents, parent_ids, slope)
        slopes = torch.cat([self.slopes[parent] for parent in parent_ids])
        moved = shift(self.guidance, step, slopes, int(parents.steps[0]), alpha, parents.x)
        eps = noise(ids) if step.std else torch.zeros_like(moved)
        ratios = log_ratio(moved, eps, step.std).tolist()
        self.log_ratios |= dict(zip(ids, ratios, strict=True))
        return step.mean + moved + step.std * eps

    def _add_slopes(
        self, parents: Particles, parent_ids: list[int], slope: Callable[[Particles], Tensor]
    ) -> None:
        rows = {parent: row for row, parent in enumerate(parent_ids) if parent not in self.slopes}
        if rows:
            gradients = zero_where_not_finite(slope(parents[list(rows.values())]))
            self.slopes |= {parent: g[None] for parent, g in zip(rows, gradients, strict=True)}

    def log_ratio(self, children: Particles) -> Tensor:
        """log p/q (K,) float64 of the children just drawn; 0 where no step was guided.

        Raises:
            ValueError: a guided step drew no noise.
        """
        ratios = [self.log_ratios.get(i, 0.0) for i in children.ids.tolist()]
        if -math.inf in ratios:
            raise ValueError(
                "The weights of this method need random draws: got a guided step that draws no "
                "noise, expected noise at every step that guidance moves."
            )
        return torch.tensor(ratios, dtype=torch.float64)


def advance(
    flow: Flow,
    kernel: Kernel,
    parents: Particles,
    ids: Sequence[int],
    t: float,
    s: float,
    guide: tuple[Steering, Callable[[Particles], Tensor]] | None = None,
) -> tuple[Tensor, Tensor | None]:
    """One step of a kernel, guided or not.

    Args:
        flow: its path, its noise, and the network for a kernel that calls it.
        kernel: steps.
        parents: K particles at t.
        ids: of the children, (K,).
        t, s: model times, s < t.
        guide: what moves the step, and the gradients grad r(x0_hat(x)) (K,*D) of parents.

    Returns:
        Latents (K,*D) at s, and x0 there if the kernel evaluated it.
    """
    if guide is not None and s and not kernel.inner:
        step, alpha = kernel(parents.x, parents.x0, t, s), flow.path.alpha(t)
        if guide[0].acts(step, alpha):
            return guide[0].draw(step, parents, ids, alpha, flow.noise, guide[1]), None
    return flow.step(kernel, parents.x, parents.x0, t, s, ids)


def zero_where_not_finite(slopes: Tensor) -> Tensor:
    """Gradients (K,*D). One that is not finite becomes 0: its children are drawn unguided."""
    bad = ~slopes.flatten(1).isfinite().all(1)
    if bad.any():
        log.warning("%d gradients of the reward are not finite: no guidance there.", int(bad.sum()))
    return slopes.masked_fill(bad.reshape(-1, *[1] * (slopes.ndim - 1)), 0.0)
