"""Gradient guidance: each step's mean moves up the reward's gradient.

The law wanted is p(x_0) exp(r/beta); of its transitions, with V_s(x) = beta log E[exp(r/beta) | x]:
    p*(x_s | x_t) ~ p(x_s | x_t) exp(V_s(x_s)/beta)      (arXiv 2503.19385 calls V the value)
With a Gaussian p = N(m, std^2 I) and V linear about m this is N(m + std^2 grad V/beta, std^2 I),
whatever the kernel. Euler–Maruyama has std^2 = g^2 h: the drift of the reverse SDE gains
g^2 grad V/beta. V is taken as r(x0_hat(x_t)), right up to a constant for a linear reward of
Gaussian data. Its gradient at t stands for that at s *on the step's own path*: there a latent is
c_t times the model's x_t, so the gradient is 1/c_t times the model's, and the move in the model's
latents is std^2 (c_s/c_t) grad V/beta. The law is exact if V is the sampler's own value and its
noise memoryless, g^2 = 2 (sigma sigma' - sigma^2 alpha'/alpha); with less noise what is drawn
depends on the start, which would have to be tilted too (arXiv 2409.08861): a search does so by its
initial particles. SMC, which weighs every child by log p/q, is exact whatever V and g.

r(x0_hat(x)) has the gradient J' grad r(x0_hat), J = d x0_hat/dx. `dps` (Chung et al.,
arXiv 2209.14687) takes J' through the network. `x0` takes J = alpha/(alpha^2 + sigma^2), that of
Gaussian data of unit variance, which latents have about: no pass through the network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from .types import Denoiser, Objective, Transition

GAMMA = 0.008  # of the tempered schedule (Kim et al., arXiv 2501.05803)


def theory(step: Transition, slope: Tensor, k: int, alpha: float) -> Tensor:
    """std^2 (c_s/c_t) grad r: strength is 1/beta, in units of the reward."""
    before, after = step.scales
    return step.std**2 * after / before * slope


def relative(step: Transition, slope: Tensor, k: int, alpha: float) -> Tensor:
    """The direction of theory, as long as the step's noise is: free of the reward's units.

    A gradient of 0 moves nothing. Length std sqrt(dim), as in arXiv 2402.03201.
    """
    length = slope.flatten(1).norm(dim=1).reshape(-1, *[1] * (slope.ndim - 1))
    unit = torch.where(length > 0.0, slope / length, slope)
    return step.std * math.sqrt(slope[0].numel()) * unit


def tempered(step: Transition, slope: Tensor, k: int, alpha: float) -> Tensor:
    """min((1+gamma)^(k+1) - 1, 1) alpha_t grad r on the step's path: the heuristic of the code of
    arXiv 2503.19385. It does not know of g and so moves the plain ODE as well."""
    share = min((1.0 + GAMMA) ** (k + 1) - 1.0, 1.0)
    return share * alpha / step.scales[1] * slope


Schedule = Callable[[Transition, Tensor, int, float], Tensor]
SCHEDULES: dict[str, Schedule] = {"relative": relative, "theory": theory, "tempered": tempered}
NEEDS_NOISE = ("relative", "theory")  # schedules that move a step without noise by nothing

WEAK = 0.25  # relative: the reward rises, what is held out does not fall (docs/gradients.md)
STRENGTH = {
    "min": 0.0,
    "max": 1e6,
    "step": 0.05,
    "tooltip": "How far each step moves up the reward. relative: in lengths of the step's noise; "
    "theory: 1 over the temperature, so it depends on the reward's units; tempered: as the paper's "
    "code has it. 0 turns guidance off. Too much draws what fools the reward.",
}
SCHEDULE = {
    "choices": tuple(SCHEDULES),
    "tooltip": "How strength is spread over the steps. relative moves by a share of each step's "
    "noise, whatever the reward's units; theory by the noise's variance times the gradient, what "
    "the sampling law asks for; tempered is the paper's code: ever more towards the end.",
}


class Gradients(Protocol):
    """Gradients of the reward, rows (K,*D) of float32 in, the same out."""

    def at_x0(self, x0: Tensor) -> Tensor:
        """grad r at clean latents."""

    def through_network(self, x: Tensor, t: float, cotangent: Tensor) -> Tensor:
        """J' cotangent, J = d x0_hat/dx at x; one network row each."""


class Guidance(Protocol):
    """Settings of one kind of guidance; 0 strength is none, bit for bit."""

    title: ClassVar[str]
    strength: float
    schedule: str
    fall_back: bool  # whether to do without the network when memory does not suffice for it

    @property
    def rows(self) -> int:
        """Network rows of one parent's gradient."""

    def slope(self, gradients: Gradients, x: Tensor, x0: Tensor, t: float) -> Tensor:
        """grad r(x0_hat(x)), (K,*D)."""


@dataclass(frozen=True)
class Unguided:
    """No guidance."""

    title: ClassVar[str] = "none"
    strength: ClassVar[float] = 0.0
    schedule: ClassVar[str] = "relative"
    rows: ClassVar[int] = 0
    fall_back: ClassVar[bool] = False


@dataclass(frozen=True)
class AtX0:
    """J = alpha/(alpha^2 + sigma^2): decoder and reward alone are differentiated."""

    title: ClassVar[str] = "At the predicted x0"
    rows: ClassVar[int] = 0
    fall_back: ClassVar[bool] = False

    strength: float = field(default=WEAK, metadata=STRENGTH)
    schedule: str = field(default="relative", metadata=SCHEDULE)

    def __post_init__(self) -> None:
        check(self)

    def slope(self, gradients: Gradients, x: Tensor, x0: Tensor, t: float) -> Tensor:
        return unit_jacobian(t) * gradients.at_x0(x0)


@dataclass(frozen=True)
class DPS:
    """J through the network: one forward and one backward pass for each parent."""

    title: ClassVar[str] = "Through the network (DPS)"

    strength: float = field(default=WEAK, metadata=STRENGTH)
    schedule: str = field(default="relative", metadata=SCHEDULE)
    fall_back: bool = field(
        default=False,
        metadata={
            "tooltip": "When memory runs out for the pass through the network, go on with x0 "
            "guidance; the report says so. Off: an error with the numbers."
        },
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def rows(self) -> int:
        return 1 if self.strength else 0

    def slope(self, gradients: Gradients, x: Tensor, x0: Tensor, t: float) -> Tensor:
        return gradients.through_network(x, t, gradients.at_x0(x0))


GUIDANCES: dict[str, type] = {"none": Unguided, "dps": DPS, "x0": AtX0}


def check(guidance: Guidance) -> None:
    if not (math.isfinite(guidance.strength) and guidance.strength >= 0.0):
        raise ValueError(f"strength {guidance.strength} given, wanted a number of at least 0.")
    if guidance.schedule not in SCHEDULES:
        known = ", ".join(SCHEDULES)
        raise ValueError(f"schedule {guidance.schedule!r} given, wanted one of {known}.")


def unit_jacobian(t: float) -> float:
    """d E[x0 | x_t]/dx_t of standard normal data on the linear path."""
    return (1.0 - t) / ((1.0 - t) ** 2 + t**2)


def acts(guidance: Guidance, step: Transition) -> bool:
    """Whether the step would move at all."""
    return step.std > 0.0 or guidance.schedule not in NEEDS_NOISE


def shift(guidance: Guidance, step: Transition, slope: Tensor, k: int, alpha: float) -> Tensor:
    """What the mean of the k-th step moves by, (K,*D); alpha is the model's at t."""
    return guidance.strength * SCHEDULES[guidance.schedule](step, slope, k, alpha)


def log_ratio(moved: Tensor, eps: Tensor, std: float) -> Tensor:
    """log p(x_s)/q(x_s), (K,) float64, of x_s = m + moved + std eps: p about m, q about m + moved.

    -inf where the step has no noise and moved: p never draws that.
    """
    moved, eps = (x.flatten(1).cpu().double() for x in (moved, eps))  # MPS has no float64
    if not std:
        return torch.where(moved.any(1), -torch.inf, 0.0)
    ratio = moved / std
    return -(ratio * (eps + 0.5 * ratio)).sum(1)


@dataclass(frozen=True)
class TorchGradients:
    """Gradients by torch of a differentiable `value` (K,*D) -> (K,) and `denoiser`."""

    value: Objective
    denoiser: Denoiser

    def at_x0(self, x0: Tensor) -> Tensor:
        return pull(self.value, x0)

    def through_network(self, x: Tensor, t: float, cotangent: Tensor) -> Tensor:
        return pull(lambda rows: self.denoiser(rows, t), x, cotangent)


def pull(
    function: Callable[[Tensor], Tensor], x: Tensor, cotangent: Tensor | None = None
) -> Tensor:
    """J' cotangent of `function` at x; without one the gradient of scores (K,)."""
    with torch.enable_grad():
        x = x.detach().clone().requires_grad_()
        out = function(x)
        if cotangent is None:
            cotangent = torch.ones_like(out)
        (gradient,) = torch.autograd.grad(out, x, cotangent.to(out))
    return gradient
