"""The demo network as a diffusion model: the noise schedule and the predictions of SDXL and SD 2.

    y = x0 + sigma eps,    the network sees z = y / sqrt(1 + sigma^2) = a x0 + s eps

a and s are those of one of 1000 timesteps, which take the place of the flow's time. The network
predicts eps, or v = a eps - s x0. The search's own latent is x_t = y / (1 + sigma), at the time
t = sigma / (1 + sigma).
"""

import math

import torch
from torch import Tensor

from .flux import Flux

TIMESTEPS, FIRST_BETA, LAST_BETA = 1000, 0.00085, 0.012  # of the host's ModelSamplingDiscrete
PREDICTIONS = ("eps", "v")


def schedule() -> Tensor:
    """sigma (1000,) of each timestep, rising."""
    betas = torch.linspace(FIRST_BETA**0.5, LAST_BETA**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    kept = (1.0 - betas).cumprod(0)
    return ((1.0 - kept) / kept).sqrt()


SIGMAS = schedule()
LARGEST = float(SIGMAS[-1])
NOISIEST = LARGEST / (1.0 + LARGEST)  # the search's time of the largest sigma


def parts(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The factors a and s of data and noise in z, a^2 + s^2 = 1."""
    a = torch.rsqrt(1.0 + sigma.square())
    return a, a * sigma


def timestep(sigma: float) -> int:
    """The timestep whose log sigma is nearest, as the host takes it."""
    return int((SIGMAS.log() - math.log(sigma)).abs().argmin())


def first_latent(noise: Tensor) -> Tensor:
    """Latents x_t (K,16,H,W) at `NOISIEST` from standard normal noise, as the host starts there."""
    return (1.0 - NOISIEST) * math.sqrt(1.0 + LARGEST**2) * noise


def predict_x0(
    net: Flux, prediction: str, x: Tensor, t: float, text: Tensor, pooled: Tensor
) -> Tensor:
    """Clean latents (K,16,H,W), predicted from those of the search.

    Args:
        net: the network.
        prediction: one of PREDICTIONS.
        x: latents x_t (K,16,H,W).
        t: time, in (0, NOISIEST].
        text: text tokens (K,T,64).
        pooled: (K,64).
    """
    sigma = t / (1.0 - t)
    a, s = (float(part) for part in parts(torch.tensor(sigma, dtype=torch.float64)))
    z = x * a / (1.0 - t)
    time = torch.full((len(x),), timestep(sigma) / TIMESTEPS)
    answer = net(z, time, text, pooled)
    return (z - s * answer) / a if prediction == "eps" else a * z - s * answer
