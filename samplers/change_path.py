"""Sampling on another path than the model was trained on.

Two paths meet where their signal-to-noise ratios agree: alpha_s/sigma_s = alpha_t/sigma_t. There, x
on one path is x on the other times sigma_s/sigma_t (arXiv 2503.19385, Eq. 6). x0 and eps are the
same on both, so a denoiser needs no conversion beyond its time and its scale.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from .ode import ODE, residual
from .types import Interpolant, Kernel, Transition


def change_time(source: Interpolant, target: Interpolant, t: float) -> float:
    """The target's time with the signal-to-noise ratio of the source at t.

    Args:
        source, target: the paths.
        t: a time of the source in [0, 1].
    """
    if t == 0.0:
        return 0.0
    return target.t_from_snr(source.alpha(t) / source.sigma(t))


@dataclass(frozen=True)
class ChangePath:
    """A kernel written on `path`, for the latents and times of `model_path`.

    A path may end short of pure noise (VP: snr .0066 at its t = 1). A model time noisier than that
    is first carried to the path's end along the ODE. Where the paths overlap, this changes nothing.

    Args:
        kernel: one step on `path`.
        path: the path on which the step is taken.
        model_path: the path of the latents and times of a call.
    """

    kernel: Kernel
    path: Interpolant
    model_path: Interpolant
    inner: ClassVar[int] = 0

    def __call__(self, x: Tensor, x0: Tensor, t: float, s: float) -> Transition:
        here = change_time(self.model_path, self.path, t)
        there = change_time(self.model_path, self.path, s)
        if there == 0.0:
            return Transition(x0, 0.0)
        if there >= here:  # both beyond the path's noisy end
            return ODE(self.model_path)(x, x0, t, s)
        eps = residual(self.model_path, x, x0, t)
        on_path = self.path.alpha(here) * x0 + self.path.sigma(here) * eps
        step = self.kernel(on_path, x0, here, there)
        scale = self.model_path.sigma(s) / self.path.sigma(there)
        scales = self.path.sigma(here) / self.model_path.sigma(t), 1.0 / scale
        return Transition(step.mean * scale, step.std * scale, scales)
