"""Linear-sigma variance-preserving interpolant."""

import math
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class LinearVP:
    """alpha = sqrt(1 - t^2), sigma = t. alpha' is infinite at t = 1: see EulerMaruyama."""

    description: ClassVar[str] = "Noise rises evenly at constant variance, between linear and vp."

    def alpha(self, t: float) -> float:
        return math.sqrt((1.0 - t) * (1.0 + t))

    def sigma(self, t: float) -> float:
        return t

    def d_alpha(self, t: float) -> float:
        return -t / self.alpha(t) if t < 1.0 else -math.inf

    def d_sigma(self, t: float) -> float:
        return 1.0

    def t_from_snr(self, snr: float) -> float:
        return 1.0 / math.hypot(1.0, snr)
