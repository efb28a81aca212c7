"""Times of a search, written on a path's clock and returned as model times."""

import math
from collections.abc import Callable

from .change_path import change_time
from .interpolants.linear import Linear
from .types import Interpolant

# tau falls evenly from 1; "exp" is the paper's App. C: small first steps, large last ones.
SPACINGS: dict[str, Callable[[float], float]] = {
    "exp": lambda tau: math.sqrt(1.0 - (1.0 - tau) ** 2),
    "linear": lambda tau: tau,
}


def model_times(steps: int, spacing: str, path: Interpolant, denoise: float = 1.0) -> list[float]:
    """`steps` falling model times on the linear path, then 0.

    Clock times s_k = spacing(1 - k/N), k = 0..N-1, at which the model is asked at equal
    signal-to-noise ratio. `denoise` < 1 takes the last `steps` of N = steps/denoise times, as the
    host's schedulers do.
    """
    if steps < 1:
        raise ValueError(f"steps {steps} given, wanted at least 1.")
    if not 0.0 < denoise <= 1.0:
        raise ValueError(f"denoise {denoise} given, wanted a number above 0 and at most 1.")
    total = int(steps / denoise)
    clock = [SPACINGS[spacing](1.0 - k / total) for k in range(total)]
    return [change_time(path, Linear(), s) for s in clock][-steps:] + [0.0]


def split_window(times: list[float], start: float, end: float) -> tuple[list[float], list[float]]:
    """The times before a search window, and those inside: `end` <= t <= `start`.

    `times` fall and are all above 0; those below the window are left to the finish.
    """
    inside = [t for t in times if end <= t <= start]
    if not inside:
        raise ValueError(
            f"search window from sigma {start} down to {end} given, wanted one that holds at least "
            f"one of the sigmas {[round(t, 4) for t in times]}."
        )
    return [t for t in times if t > start], inside
