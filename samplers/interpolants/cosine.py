"""Cosine (trigonometric) interpolant."""

import math
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Cosine:
    """alpha = cos(pi t/2), sigma = sin(pi t/2) (Nichol and Dhariwal, arXiv 2102.09672)."""

    description: ClassVar[str] = "Cosine and sine of the time, between linear and vp."

    def alpha(self, t: float) -> float:
        return math.cos(0.5 * math.pi * t) if t < 1.0 else 0.0

    def sigma(self, t: float) -> float:
        return math.sin(0.5 * math.pi * t)

    def d_alpha(self, t: float) -> float:
        return -0.5 * math.pi * self.sigma(t)

    def d_sigma(self, t: float) -> float:
        return 0.5 * math.pi * self.alpha(t)

    def t_from_snr(self, snr: float) -> float:
        return 2.0 / math.pi * math.atan2(1.0, snr)
