"""Paths x_t = alpha(t) x0 + sigma(t) eps. One file and one line here add another."""

from ..types import Interpolant
from .cosine import Cosine
from .linear import Linear
from .linear_vp import LinearVP
from .polynomial import Polynomial
from .vp import VP

INTERPOLANTS: dict[str, type[Interpolant]] = {
    "vp": VP,
    "linear": Linear,
    "cosine": Cosine,
    "linear_vp": LinearVP,
    "polynomial": Polynomial,
}
