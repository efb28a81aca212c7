"""One transition x_t -> x_s given the predicted x0, written on the kernel's own path.

With eps = (x - alpha_t x0)/sigma_t, the reverse SDE dx = [u - (g^2/2) score] dt + g dw has
u = alpha' x0 + sigma' eps and score = -eps/sigma (arXiv 2503.19385, Eq. 8). A step to time 0 is
always x0 itself, without noise (its last-step rule).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from .diffusions import Diffusion
from .types import Interpolant, Transition


def residual(path: Interpolant, x: Tensor, x0: Tensor, t: float) -> Tensor:
    """eps = (x - alpha_t x0) / sigma_t."""
    return (x - path.alpha(t) * x0) / path.sigma(t)


@dataclass(frozen=True)
class EulerMaruyama:
    """The paper's step, h = t - s: x_s = x_t - h (u + (g^2/2) eps/sigma) + g sqrt(h) z, g at t.

    Where a derivative of the path is infinite (linear_vp at t = 1) the drift is taken over the
    whole step instead, x0 and eps held, which is exact for that part. An explicit step explodes
    where g^2 h is too large for sigma: see stability.py.
    """

    title: ClassVar[str] = "Euler–Maruyama (the paper's)"
    inner: ClassVar[int] = 0

    path: Interpolant
    diffusion: Diffusion

    def __call__(self, x: Tensor, x0: Tensor, t: float, s: float) -> Transition:
        if s == 0.0:
            return Transition(x0, 0.0)
        path, h, g = self.path, t - s, self.diffusion(t, self.path)
        on_x0 = path.alpha(t) - h * path.d_alpha(t)
        on_eps = path.sigma(t) - h * path.d_sigma(t)
        if not (math.isfinite(on_x0) and math.isfinite(on_eps)):
            on_x0, on_eps = path.alpha(s), path.sigma(s)
        on_eps -= h * g * g / (2.0 * path.sigma(t))
        return Transition(on_x0 * x0 + on_eps * residual(path, x, x0, t), g * math.sqrt(h))


@dataclass(frozen=True)
class Eta:
    """x_s = alpha_s x0 + sqrt(sigma_s^2 - c^2) eps + c z, c = min(g sqrt(h), sigma_s).

    DDIM with eta (Song et al., arXiv 2010.02502, Eq. 12); Flow-CPS (Wang and Yu, arXiv 2509.05952)
    uses the same step: the noise left in x_s is always sigma_s, so no residual noise stays behind
    and no norm explodes. Exact in this noise level alone: the law of x_s has a bias of first order
    in h, somewhat larger than Euler–Maruyama's. It halves when the steps double.
    """

    title: ClassVar[str] = "Eta (exact noise level)"
    inner: ClassVar[int] = 0

    path: Interpolant
    diffusion: Diffusion

    def __call__(self, x: Tensor, x0: Tensor, t: float, s: float) -> Transition:
        if s == 0.0:
            return Transition(x0, 0.0)
        sigma = self.path.sigma(s)
        std = min(self.diffusion(t, self.path) * math.sqrt(t - s), sigma)
        kept = math.sqrt(sigma * sigma - std * std)
        mean = self.path.alpha(s) * x0 + kept * residual(self.path, x, x0, t)
        return Transition(mean, std)


@dataclass(frozen=True)
class ODE:
    """Deterministic step x_s = alpha_s x0 + sigma_s eps: the host's Euler step on the linear path.

    On every path it is the same step once brought to equal signal-to-noise ratio.
    """

    inner: ClassVar[int] = 0

    path: Interpolant

    def __call__(self, x: Tensor, x0: Tensor, t: float, s: float) -> Transition:
        eps = residual(self.path, x, x0, t)
        return Transition(self.path.alpha(s) * x0 + self.path.sigma(s) * eps, 0.0)


KERNELS: dict[str, type] = {"euler_maruyama": EulerMaruyama, "eta": Eta}
