"""Variance-preserving interpolant, the path of the paper's VP-SDE."""

import math
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class VP:
    """alpha = exp(-T/2), sigma = sqrt(1 - exp(-T)), T = beta_min t + (beta_max - beta_min) t^2/2.

    Song et al., arXiv 2011.13456; Kim et al., arXiv 2503.19385, Sec. 4.2. alpha^2 + sigma^2 = 1.
    At t = 1 a little signal is left (alpha = .0066 with the defaults). Any lower signal-to-noise
    ratio is put at t = 1.
    """

    description: ClassVar[str] = (
        "Stays longest at high noise, so children of one particle differ most: the paper's choice."
    )

    beta_min: float = field(
        default=0.1,
        metadata={
            "min": 0.001,
            "max": 10.0,
            "step": 0.01,
            "advanced": True,
            "tooltip": "Noise rate at the clean end of the path. The paper uses 0.1.",
        },
    )
    beta_max: float = field(
        default=20.0,
        metadata={
            "min": 0.1,
            "max": 100.0,
            "step": 0.5,
            "advanced": True,
            "tooltip": "Noise rate at the noisy end. The paper uses 20. Higher makes images "
            "differ more, at no extra cost.",
        },
    )

    def __post_init__(self) -> None:
        if not 0 < self.beta_min <= self.beta_max:
            raise ValueError(
                f"The rates of the vp interpolant are out of order: got beta_min {self.beta_min} "
                f"and beta_max {self.beta_max}, expected 0 < beta_min <= beta_max."
            )

    def _exponent(self, t: float) -> float:
        return self.beta_min * t + 0.5 * (self.beta_max - self.beta_min) * t * t

    def _rate(self, t: float) -> float:
        return self.beta_min + (self.beta_max - self.beta_min) * t

    def alpha(self, t: float) -> float:
        return math.exp(-0.5 * self._exponent(t))

    def sigma(self, t: float) -> float:
        return math.sqrt(-math.expm1(-self._exponent(t)))

    def d_alpha(self, t: float) -> float:
        return -0.5 * self._rate(t) * self.alpha(t)

    def d_sigma(self, t: float) -> float:
        sigma = self.sigma(t)
        return 0.5 * self._rate(t) * math.exp(-self._exponent(t)) / sigma if sigma else math.inf

    def t_from_snr(self, snr: float) -> float:
        if snr <= self.alpha(1.0) / self.sigma(1.0):
            return 1.0
        exponent = math.log1p(snr**-2)
        # 2T / (b + sqrt(b^2 + 2(B-b)T)): the root without cancellation, valid at B = b too.
        slope = 2.0 * (self.beta_max - self.beta_min)
        return 2.0 * exponent / (self.beta_min + math.sqrt(self.beta_min**2 + slope * exponent))
