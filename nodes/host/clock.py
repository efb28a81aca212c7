"""How the host's flow models write time and noisy latents.

A search works on x_t = (1 - t) x0 + t eps. Most flow models (the host's CONST) are written so, with
sigma = t. Cosmos Predict 2 (COSMOS_RFLOW) is the same path written as y = x0 + sigma eps:

    t = sigma / (1 + sigma),   x_t = y / (1 + sigma) = (1 - t) y

so that its Euler steps are those of x_t (comfy/model_sampling.py:121).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.model_sampling
from torch import Tensor

INVERTED_FLOW = getattr(comfy.model_sampling, "IMG_TO_IMG_FLOW", ())  # absent before 0.18
VARIANCE_EXPLODING_FLOW = getattr(comfy.model_sampling, "COSMOS_RFLOW", ())


@dataclass(frozen=True)
class Clock:
    """Between the host's sigma and noisy latents y, and the search's t and x_t."""

    exploding: bool = False

    @property
    def most(self) -> float:
        """The largest sigma."""
        return 1e6 if self.exploding else 1.0

    def time(self, sigma: float) -> float:
        return sigma / (1.0 + sigma) if self.exploding else sigma

    def sigma(self, t: float) -> float:
        return t / (1.0 - t) if self.exploding else t

    def inward(self, y: Tensor, t: float) -> Tensor:
        """x_t of the host's latents."""
        return y * (1.0 - t) if self.exploding else y

    def outward(self, x: Tensor, t: float) -> Tensor:
        """The host's latents of x_t."""
        return x / (1.0 - t) if self.exploding else x


def check_start(sigma: float, clock: Clock, samples: Tensor) -> None:
    """Refuse to begin from noise at a time where there should be half a picture.

    Sigmas made for other flow models, such as ours, end where these begin.
    """
    if clock.exploding and sigma <= 1.0 and not samples.any():
        raise ValueError(
            f"sigmas from {sigma:.4g} and an empty latent given, wanted sigmas from about 80 for "
            "this model (Cosmos Predict 2): a scheduler of the host gives them from the model."
        )


def clock_of(model_sampling: Any) -> Clock:
    """Raise unless the model takes the straight path from noise to data."""
    if isinstance(model_sampling, VARIANCE_EXPLODING_FLOW):
        return Clock(exploding=True)
    if not isinstance(model_sampling, comfy.model_sampling.CONST) or isinstance(
        model_sampling, INVERTED_FLOW
    ):
        kinds = [cls.__name__ for cls in type(model_sampling).__bases__]
        raise ValueError(
            "Flow Search needs a rectified-flow model (FLUX, SD3.5, Qwen-Image, Wan…); this model "
            f"samples with {' and '.join(kinds)}."
        )
    return Clock()
