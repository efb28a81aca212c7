"""Times of a search: spaced on a path's own time axis, returned as model times."""

import math
from collections.abc import Callable

from .change_path import change_time
from .interpolants.linear import Linear
from .types import Interpolant

# tau falls evenly from 1. "exp" is from the paper's App. C: small first steps, large last ones.
SPACINGS: dict[str, Callable[[float], float]] = {
    "exp": lambda tau: math.sqrt(1.0 - (1.0 - tau) ** 2),
    "linear": lambda tau: tau,
}


def model_times(
    steps: int, spacing: str, path: Interpolant, denoise: float = 1.0, noisiest: float = 1.0
) -> list[float]:
    """`steps` falling model times on the linear path, then 0.

    Path times are s_k = S spacing(1 - k/N), k = 0..N-1. Each becomes the model time of equal
    signal-to-noise ratio. S is the path's time where the model begins.

    Args:
        steps: at least 1.
        spacing: a key of SPACINGS.
        path: the path of s_k.
        denoise: in (0, 1]. Below 1 the last `steps` of N = steps/denoise times are taken, as the
            host's schedulers do.
        noisiest: the model's own first time; 1 is pure noise. A diffusion model begins below it.

    Raises:
        ValueError: `steps` or `denoise` is out of range.
    """
    if steps < 1:
        raise ValueError(f"steps is too small: got {steps}, expected at least 1.")
    if not 0.0 < denoise <= 1.0:
        raise ValueError(
            f"denoise is out of range: got {denoise}, expected a number above 0 and at most 1."
        )
    total = int(steps / denoise)
    first = change_time(Linear(), path, noisiest)
    clock = [first * SPACINGS[spacing](1.0 - k / total) for k in range(total)]
    return [change_time(path, Linear(), s) for s in clock][-steps:] + [0.0]


def split_window(times: list[float], start: float, end: float) -> tuple[list[float], list[float]]:
    """The times before a search window, and those inside it: `end` <= t <= `start`.

    Times below the window are left to the finish.

    Args:
        times: falling, all above 0.
        start, end: the window, start >= end.

    Raises:
        ValueError: no time is inside.
    """
    inside = [t for t in times if end <= t <= start]
    if not inside:
        raise ValueError(
            f"The search window holds no sigma: got {start} down to {end}, expected at least one "
            f"of {[round(t, 4) for t in times]} inside."
        )
    return [t for t in times if t > start], inside
