"""Polynomial interpolant: the linear path with its time stretched."""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class Polynomial:
    """alpha = (1-t)^n, sigma = 1 - (1-t)^n. n = 1 is the linear interpolant."""

    description: ClassVar[str] = "The linear path with its time stretched, between linear and vp."

    exponent: float = field(
        default=2.0,
        metadata={
            "min": 1.0,
            "max": 10.0,
            "step": 0.1,
            "tooltip": "Power n of (1-t)^n. 1 is the linear path. Higher makes images differ "
            "more, at no extra cost.",
        },
    )

    def __post_init__(self) -> None:
        if not self.exponent >= 1.0:
            raise ValueError(
                f"The exponent of the polynomial interpolant is too low: got {self.exponent}, "
                "expected at least 1."
            )

    def alpha(self, t: float) -> float:
        return (1.0 - t) ** self.exponent

    def sigma(self, t: float) -> float:
        return 1.0 - self.alpha(t)

    def d_alpha(self, t: float) -> float:
        return -self.exponent * (1.0 - t) ** (self.exponent - 1.0)

    def d_sigma(self, t: float) -> float:
        return -self.d_alpha(t)

    def t_from_snr(self, snr: float) -> float:
        return 1.0 - (snr / (1.0 + snr)) ** (1.0 / self.exponent)
