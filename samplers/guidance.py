"""Gradient guidance: each step's mean moves up the reward's gradient.

The target law is p(x_0) exp(r/beta). With the value V_s(x) = beta log E[exp(r/beta) | x]
(arXiv 2503.19385), its transitions are
    p*(x_s | x_t) ~ p(x_s | x_t) exp(V_s(x_s)/beta).
With a Gaussian p = N(m, std^2 I) and V linear about m, this is N(m + std^2 grad V/beta, std^2 I),
whatever the kernel. Euler–Maruyama has std^2 = g^2 h: the drift of the reverse SDE gains
g^2 grad V/beta. V is taken as r(x0_hat(x_t)), which is right up to a constant for a linear reward
of Gaussian data. Its gradient at t stands for that at s *on the step's own path*. A latent there is
c_t times the model's x_t, so the move in the model's latents is std^2 (c_s/c_t) grad V/beta.

The law is exact if V is the sampler's own value and its noise memoryless,
g^2 = 2 (sigma sigma' - sigma^2 alpha'/alpha). With less noise the result depends on the start,
whose law would have to be tilted too (arXiv 2409.08861): the initial particles of a search do so.
SMC weighs every child by log p/q, and is exact whatever V and g.

r(x0_hat(x)) has the gradient J' grad r(x0_hat), J = d x0_hat/dx. `dps` (Chung et al.,
arXiv 2209.14687) takes J' through the network. `x0` takes J = alpha/(alpha^2 + sigma^2), which is
the one of Gaussian data of unit variance. Latents have about that, and no pass is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from .guidance_schedules import CLEAR, NEEDS_NOISE, SCHEDULES
from .types import Denoiser, Objective, Transition

WEAK = 0.25  # relative: raises the reward, at no cost to what is held out (docs/gradients.md)
STRENGTH = {
    "min": 0.0,
    "max": 1e6,
    "step": 0.05,
    "tooltip": "How far each step moves towards a higher reward. 0 is off. Too much fools the "
    "reward.",
}
SCHEDULE = {
    "choices": tuple(SCHEDULES),
    "tooltip": "How the strength is spread over the steps. With relative, the reward's units do "
    "not matter.",
}


class Gradients(Protocol):
    """Gradients of the reward, in rows (K,*D) of float32."""

    def at_x0(self, x0: Tensor) -> Tensor:
        """grad r at clean latents."""

    def through_network(self, x: Tensor, t: float, cotangent: Tensor) -> Tensor:
        """J' cotangent, J = d x0_hat/dx at x. It costs one network row each.

        Args:
            x: latents (K,*D) at the model time t.
            t: the model time.
            cotangent: grad r at x0_hat(x), (K,*D).
        """


class Guidance(Protocol):
    """Settings of one kind of guidance.

    Args:
        description: one sentence, shown in the node's tooltip.
        strength: at least 0; 0 is no guidance, bit for bit.
        schedule: a key of SCHEDULES.
        fall_back: whether to go on without the network where memory does not suffice for it.
    """

    description: ClassVar[str]
    strength: float
    schedule: str
    fall_back: bool

    @property
    def rows(self) -> int:
        """Network rows of one parent's gradient."""

    def slope(self, gradients: Gradients, x: Tensor, x0: Tensor, t: float) -> Tensor:
        """grad r(x0_hat(x)), (K,*D).

        Args:
            gradients: those of the reward and the network.
            x, x0: latents at t and their predicted clean latents, (K,*D) each.
            t: the model time.
        """


@dataclass(frozen=True)
class Unguided:
    """No guidance."""

    description: ClassVar[str] = "Steps follow the model alone."
    strength: ClassVar[float] = 0.0
    schedule: ClassVar[str] = "relative"
    rows: ClassVar[int] = 0
    fall_back: ClassVar[bool] = False


@dataclass(frozen=True)
class AtX0:
    """J = alpha/(alpha^2 + sigma^2): only decoder and reward are differentiated."""

    description: ClassVar[str] = (
        "Differentiates decoder and reward only: no NFE, and a fraction of the memory of dps."
    )
    rows: ClassVar[int] = 0
    fall_back: ClassVar[bool] = False

    strength: float = field(default=WEAK, metadata=STRENGTH)
    schedule: str = field(default="relative", metadata=SCHEDULE)

    def __post_init__(self) -> None:
        check(self)

    def slope(self, gradients: Gradients, x: Tensor, x0: Tensor, t: float) -> Tensor:
        """J grad r(x0). Args: as of `Guidance.slope`.

        J is 0 on pure noise. A schedule that takes the direction alone does without it.
        """
        jacobian = 1.0 if self.schedule == "velocity" else unit_jacobian(t)
        return jacobian * gradients.at_x0(x0)


@dataclass(frozen=True)
class DPS:
    """J through the network: one forward and one backward pass for each parent."""

    description: ClassVar[str] = (
        "Differentiates the network too: one more NFE and a backward pass for each parent, and "
        "much memory."
    )

    strength: float = field(default=WEAK, metadata=STRENGTH)
    schedule: str = field(default="relative", metadata=SCHEDULE)
    fall_back: bool = field(
        default=False,
        metadata={
            "tooltip": "If memory runs out, go on with x0 guidance. If off, running out of "
            "memory stops the search."
        },
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def rows(self) -> int:
        return 1 if self.strength else 0

    def slope(self, gradients: Gradients, x: Tensor, x0: Tensor, t: float) -> Tensor:
        """J' grad r(x0). Args: as of `Guidance.slope`."""
        return gradients.through_network(x, t, gradients.at_x0(x0))


GUIDANCES: dict[str, type] = {"none": Unguided, "dps": DPS, "x0": AtX0}


def check(guidance: Guidance) -> None:
    """Raise ValueError for settings that are out of range."""
    if not (math.isfinite(guidance.strength) and guidance.strength >= 0.0):
        raise ValueError(
            f"The strength of guidance is out of range: got {guidance.strength}, expected a finite "
            "number of at least 0."
        )
    if guidance.schedule not in SCHEDULES:
        raise ValueError(
            f"There is no such schedule of guidance: got {guidance.schedule!r}, expected one of "
            f"{', '.join(SCHEDULES)}."
        )


def unit_jacobian(t: float) -> float:
    """d E[x0 | x_t]/dx_t of standard normal data on the linear path."""
    return (1.0 - t) / ((1.0 - t) ** 2 + t**2)


def acts(guidance: Guidance, step: Transition, alpha: float) -> bool:
    """Whether guidance moves the step at all.

    Args:
        guidance: its schedule.
        step: the law of the step without guidance.
        alpha: of the model's path at t.
    """
    if guidance.schedule == "velocity":
        return alpha < CLEAR
    return step.std > 0.0 or guidance.schedule not in NEEDS_NOISE


def moves_ode(guidance: Guidance) -> bool:
    """Whether guidance also moves the ODE's steps in methods that walk it, at no NFE."""
    return guidance.schedule == "velocity" and not guidance.rows


def shift(
    guidance: Guidance, step: Transition, slope: Tensor, k: int, alpha: float, x: Tensor
) -> Tensor:
    """The move of the mean of one step, (K,*D).

    Args:
        guidance: its strength and schedule.
        step: the law of the step without guidance.
        slope: grad r(x0_hat(x_t)), (K,*D).
        k: the index of the step.
        alpha: of the model's path at t.
        x: latents at t, (K,*D).
    """
    return guidance.strength * SCHEDULES[guidance.schedule](step, slope, k, alpha, x)


def log_ratio(moved: Tensor, eps: Tensor, std: float) -> Tensor:
    """log p(x_s)/q(x_s), (K,) float64: x_s = m + moved + std eps, p about m, q about m + moved.

    It is -inf where the step has no noise and moved: p never draws that.

    Args:
        moved: the move of the mean, (K,*D).
        eps: the standard normal noise of the draw, (K,*D).
        std: of the step.
    """
    moved, eps = (x.flatten(1).cpu().double() for x in (moved, eps))  # MPS has no float64
    if not std:
        return torch.where(moved.any(1), -torch.inf, 0.0)
    ratio = moved / std
    return -(ratio * (eps + 0.5 * ratio)).sum(1)


@dataclass(frozen=True)
class TorchGradients:
    """Gradients of a `value` (K,*D) -> (K,) and a `denoiser` that torch can differentiate."""

    value: Objective
    denoiser: Denoiser

    def at_x0(self, x0: Tensor) -> Tensor:
        return pull(self.value, x0)

    def through_network(self, x: Tensor, t: float, cotangent: Tensor) -> Tensor:
        """J' cotangent. Args: as of `Gradients.through_network`."""
        return pull(lambda rows: self.denoiser(rows, t), x, cotangent)


def pull(
    function: Callable[[Tensor], Tensor], x: Tensor, cotangent: Tensor | None = None
) -> Tensor:
    """J' cotangent, J the Jacobian of `function` at x.

    Args:
        function: rows (K,*D) -> rows, or scores (K,).
        x: (K,*D).
        cotangent: of the function's shape; None is all ones, for the gradient of scores.
    """
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        out = function(x)
        if cotangent is None:
            cotangent = torch.ones_like(out)
        (gradient,) = torch.autograd.grad(out, x, cotangent.to(out))
    return gradient
