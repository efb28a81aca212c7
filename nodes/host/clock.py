"""How the host's models write time and noisy latents.

A search works on x_t = (1 - t) x0 + t eps. Most flow models (the host's CONST) use this form, with
sigma = t. All others (EPS, V_PREDICTION, EDM, COSMOS_RFLOW) write y = x0 + sigma eps, whatever
their network predicts. This is the same path:

    t = sigma / (1 + sigma),   x_t = y / (1 + sigma) = (1 - t) y

so the Euler steps of y are those of x_t (comfy/model_sampling.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.model_sampling
import torch
from comfy.samplers import Sampler
from torch import Tensor

from .packed import Latents, pictures


def classes(*names: str) -> tuple[type, ...]:
    """The host's classes of these names; older hosts lack some."""
    named = (getattr(comfy.model_sampling, name, None) for name in names)
    return tuple(cls for cls in named if cls is not None)


IMAGE_TO_IMAGE = classes("IMG_TO_IMG", "IMG_TO_IMG_FLOW")
STRAIGHT = classes("CONST")
EXPLODING = classes("EPS", "COSMOS_RFLOW", "V_PREDICTION_DDPM")  # EPS is a base of the others


@dataclass(frozen=True)
class Clock:
    """Converts between the host's sigma and latents y, and the search's t and x_t.

    Args:
        exploding: the model writes y = x0 + sigma eps, as diffusion models do.
        largest: the model's own largest sigma, where sampling from pure noise begins.
    """

    exploding: bool = False
    largest: float = 1.0

    @property
    def max_sigma(self) -> float:
        """The largest sigma at which a model may be called, finite for any schedule of the host."""
        return 1e6 if self.exploding else 1.0

    @property
    def noisiest(self) -> float:
        """The time of the model's own largest sigma."""
        return self.time(self.largest)

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


def noisy(model: Any, sigma: float, noise: Tensor, latent: Tensor) -> Tensor:
    """Noisy latents y at the first sigma, as the host's samplers start from them.

    At its largest sigma a diffusion model knows only noise. So the host starts from noise of std
    sqrt(1 + sigma^2), that of the images that the model was trained on there.

    Args:
        model: the KSamplerX0Inpaint that a KSAMPLER gives to its function.
        sigma: the first of the search.
        noise: (K,*D), of unit std.
        latent: (1,*D), what the noise is added to.
    """
    sampling = model.inner_model.inner_model.model_sampling
    largest = Sampler().max_denoise(model.inner_model, model.sigmas)
    return sampling.noise_scaling(torch.tensor(sigma, device=noise.device), noise, latent, largest)


def check_start(sigma: float, clock: Clock, samples: Latents) -> None:
    """Refuse to start from pure noise at a time when half of the image should be there.

    Sigmas made for flow models, such as our scheduler's without a model, end at 1.

    Args:
        sigma: the first sigma.
        clock: the model's clock.
        samples: the latent_image, or its parts; all zeros for a new image.
    """
    if clock.exploding and sigma <= 1.0 and not pictures(samples).any():
        raise ValueError(
            f"The sigmas start too low for an empty latent: got {sigma:.4g}, expected about "
            f"{clock.largest:.3g}. Connect the model to VP Flow Scheduler, or use BasicScheduler."
        )


def clock_of(model_sampling: Any) -> Clock:
    """The model's clock. Raises ValueError unless it makes images from noise."""
    if isinstance(model_sampling, IMAGE_TO_IMAGE) or not isinstance(
        model_sampling, STRAIGHT + EXPLODING
    ):
        kinds = [cls.__name__ for cls in type(model_sampling).__bases__]
        raise ValueError(
            f"This model cannot be searched: got {' and '.join(kinds)}, expected a model that "
            "makes images from noise, such as FLUX, SDXL or Wan."
        )
    if isinstance(model_sampling, STRAIGHT):
        return Clock()
    return Clock(True, float(model_sampling.sigma_max))
