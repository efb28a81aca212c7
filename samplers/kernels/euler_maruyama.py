"""The Euler–Maruyama step of the reverse SDE, as in the paper."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ..ode import residual
from ..types import Transition
from .sde import SDE


@dataclass(frozen=True)
class EulerMaruyama(SDE):
    """x_s = x_t - h (u + (g^2/2) eps/sigma) + g sqrt(h) z, with h = t - s and g at t.

    A step to time 0 is x0 itself, without noise (last-step rule of arXiv 2503.19385). Where a
    derivative of the path is infinite (linear_vp at t = 1), x0 and eps are held over the whole
    step. That is exact for this part of the drift. An explicit step explodes where g^2 h is too
    large for sigma: see stability.py.
    """

    description: ClassVar[str] = (
        "The paper's step. It refuses a diffusion_norm that is too high for the sigmas."
    )

    def __call__(self, x: Tensor, x0: Tensor, t: float, s: float) -> Transition:
        if s == 0.0:
            return Transition(x0, 0.0)
        path, h, g = self.interpolant, t - s, self.g(t)
        on_x0 = path.alpha(t) - h * path.d_alpha(t)
        on_eps = path.sigma(t) - h * path.d_sigma(t)
        if not (math.isfinite(on_x0) and math.isfinite(on_eps)):
            on_x0, on_eps = path.alpha(s), path.sigma(s)
        on_eps -= h * g * g / (2.0 * path.sigma(t))
        return Transition(on_x0 * x0 + on_eps * residual(path, x, x0, t), g * math.sqrt(h))
