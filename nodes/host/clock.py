"""How the host's flow models write time and noisy latents.

A search works on x_t = (1 - t) x0 + t eps. Most flow models (the host's CONST) use this form, with
sigma = t. Cosmos Predict 2 (COSMOS_RFLOW) writes the same path as y = x0 + sigma eps:

    t = sigma / (1 + sigma),   x_t = y / (1 + sigma) = (1 - t) y

so its Euler steps are those of x_t (comfy/model_sampling.py:121).
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
    """Converts between the host's sigma and latents y, and the search's t and x_t.

    `exploding`: the model writes y = x0 + sigma eps, as Cosmos Predict 2 does.
    """

    exploding: bool = False

    @property
    def max_sigma(self) -> float:
        return 1e6 if self.exploding else 1.0

    def time(self, sigma: float) -> float:
        return sigma / (1.0 + sigma) if self.exploding else sigma

    def sigma(self, t: float) -> float:
        return t / (1.0 - t) if self.exploding else t

    def to_search(self, y: Tensor, t: float) -> Tensor:
        """x_t from the host's latents y."""
        return y * (1.0 - t) if self.exploding else y

    def to_host(self, x: Tensor, t: float) -> Tensor:
        """The host's latents y from x_t."""
        return x / (1.0 - t) if self.exploding else x


def check_start(sigma: float, clock: Clock, samples: Tensor) -> None:
    """Refuse to start from pure noise at a time when half of the image should be there.

    Sigmas made for other flow models, such as our scheduler's, end where Cosmos's begin.

    Args:
        sigma: the first sigma.
        clock: the model's clock.
        samples: the latent_image; all zeros for a new image.
    """
    if clock.exploding and sigma <= 1.0 and not samples.any():
        raise ValueError(
            f"The sigmas start too low for this model (Cosmos Predict 2): got {sigma:.4g}, "
            "expected about 80. Connect a scheduler of ComfyUI that takes the model."
        )


def clock_of(model_sampling: Any) -> Clock:
    """The model's clock. Raises ValueError unless it takes the straight path from noise to data."""
    if isinstance(model_sampling, VARIANCE_EXPLODING_FLOW):
        return Clock(exploding=True)
    if not isinstance(model_sampling, comfy.model_sampling.CONST) or isinstance(
        model_sampling, INVERTED_FLOW
    ):
        kinds = [cls.__name__ for cls in type(model_sampling).__bases__]
        raise ValueError(
            f"Flow Search needs a rectified-flow model: got {' and '.join(kinds)}, expected FLUX, "
            "SD3.5, Qwen-Image, Wan or the like."
        )
    return Clock()
