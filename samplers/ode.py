"""Steps without settings: the plain ODE's, and one whose noise is all new.

A latent is x_t = alpha_t x0 + sigma_t eps.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from .types import Interpolant, Transition


def residual(path: Interpolant, x: Tensor, x0: Tensor, t: float) -> Tensor:
    """eps = (x - alpha_t x0) / sigma_t.

    Args:
        path: the path of x and t.
        x, x0: latents at t and their predicted clean latents, (K,*D) each.
        t: the time, above 0.
    """
    return (x - path.alpha(t) * x0) / path.sigma(t)


@dataclass(frozen=True)
class ODE:
    """Deterministic step x_s = alpha_s x0 + sigma_s eps.

    On the linear path it is the host's Euler step. On every other path it is the same step, once
    the paths are compared at equal signal-to-noise ratio.
    """

    inner: ClassVar[int] = 0
    kind: ClassVar[str] = "ode"

    path: Interpolant

    def __call__(self, x: Tensor, x0: Tensor, t: float, s: float) -> Transition:
        eps = residual(self.path, x, x0, t)
        return Transition(self.path.alpha(s) * x0 + self.path.sigma(s) * eps, 0.0)


@dataclass(frozen=True)
class Redraw:
    """Noise anew: x_s = alpha_s x0 + sigma_s z, so that only the predicted x0 stays.

    Few-step models are sampled like this (consistency models, Song et al., arXiv 2303.01469,
    Algorithm 1). Of a blurred x0 it makes too little of the model's variety.
    """

    inner: ClassVar[int] = 0
    kind: ClassVar[str] = "redraw"

    path: Interpolant

    def __call__(self, x: Tensor, x0: Tensor, t: float, s: float) -> Transition:
        return Transition(self.path.alpha(s) * x0, self.path.sigma(s))
