"""Linear (rectified-flow, conditional optimal transport) interpolant: FLUX's own path."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Linear:
    """alpha = 1 - t, sigma = t (Lipman et al., arXiv 2210.02747)."""

    description: ClassVar[str] = "The path of the model itself."

    def alpha(self, t: float) -> float:
        return 1.0 - t

    def sigma(self, t: float) -> float:
        return t

    def d_alpha(self, t: float) -> float:
        return -1.0

    def d_sigma(self, t: float) -> float:
        return 1.0

    def t_from_snr(self, snr: float) -> float:
        return 1.0 / (1.0 + snr)
