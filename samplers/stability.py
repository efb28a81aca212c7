"""Whether the steps of a kernel explode. Its times alone tell, so this is known before any compute.

A step is x_s = a x0 + b x_t + c z. While x0 is held, the noise in a latent has the std
    N_s^2 = b^2 N_t^2 + c^2,   N = sigma at the first time,
where the model expects sigma_s. The Euler–Maruyama step, with q = h g^2/(2 sigma^2), has
b = 1 - h sigma'/sigma - q. Where |b| > 1, it amplifies the noise in the latent. Where
c = g sqrt(h) is above sigma_s, it adds more noise than the model expects. Both show in the spread
of latents, relative to the expected spread, for data of std v:
    sqrt(alpha^2 v^2 + N^2) / sqrt(alpha^2 v^2 + sigma^2)
A change of path scales N and sigma alike, so the model's own path serves for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from .interpolants.linear import Linear
from .types import Kernel

# Largest spread by v. Whole latents (v = 1): sqrt(5) is what one short step leaves at b = -1.
# Details (v = 0.1): rewards of the demo model hold up to 4, where only the last steps are noisy.
LIMITS = {1.0: math.sqrt(5.0), 0.1: 4.0}
PATH = Linear()  # of the models
GRID = 0.05  # distance between the norms that are tried: the step of the node's input


def noise_levels(kernel: Kernel, times: Sequence[float]) -> list[float]:
    """N at each of the falling model `times`, all above 0, for a kernel with a Gaussian law."""
    levels = [times[0]]
    for t, s in pairwise(times):
        step = kernel(1.0, 0.0, t, s)  # numbers, since tensors of one number are slow
        levels.append(math.hypot(step.mean * levels[-1], step.std))
    return levels


def excess(kernel: Kernel, times: Sequence[float]) -> float:
    """The largest spread at the `times`, in units of its limit: above 1 the kernel explodes."""
    largest = 0.0
    for t, level in zip(times, noise_levels(kernel, times), strict=True):
        for v, limit in LIMITS.items():
            data = v * PATH.alpha(t)
            spread = math.hypot(data, level) / math.hypot(data, PATH.sigma(t))
            largest = max(largest, spread / limit) if math.isfinite(spread) else math.inf
    return largest


def largest_norm(
    kernel_of: Callable[[float], Kernel], norm: float, times: Sequence[float]
) -> float:
    """`norm` if the kernel does not explode with it, else the largest stable multiple of GRID.

    Norm 0, the plain ODE, always counts as stable. The ODE itself may overshoot, where the times
    are too coarse for the path. Then a norm is stable if its noise at most doubles that variance.

    Args:
        kernel_of: makes the kernel of a norm.
        norm: the norm to begin with, at least 0.
        times: falling model times above 0, at each of which the network is evaluated.
    """

    limit = max(1.0, math.sqrt(2.0) * excess(kernel_of(0.0), times))

    def stable(norm: float) -> bool:
        return excess(kernel_of(norm), times) <= limit

    if stable(norm):
        return norm
    low, high = 0, math.ceil(norm / GRID)  # multiples: stable, not stable
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if stable(round(middle * GRID, 2)) else (low, middle)
    return round(low * GRID, 2)
