"""The demo model as a diffusion model: SDXL's noise schedule, a network that predicts eps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..demo.diffusion import NOISIEST, first_latent, predict_x0
from ..demo.text import encode
from ..demo.training.train_flux import Flux
from ..samplers.interpolants import INTERPOLANTS
from ..samplers.schedules import model_times, split_window
from ..samplers.types import Denoiser
from .world import ROOT, Setting, World

WEIGHTS = ROOT / "demo_build" / "diffusion_eps.safetensors"
COMMAND = "python -m demo.training.train_diffusion"


@dataclass(frozen=True)
class TwinSetting(Setting):
    """A row whose schedule begins at the largest sigma of the diffusion model."""

    def times(self) -> tuple[list[float], list[float]]:
        path = INTERPOLANTS[self.clock]()
        times = model_times(self.steps, self.spacing, path, noisiest=NOISIEST)
        return split_window(times[:-1], self.window_start, self.window_end)


class TwinWorld(World):
    """The diffusion twin in this process.

    Args:
        weights: what `demo/training/train_diffusion.py` wrote.
    """

    noisiest = NOISIEST

    def __init__(self, weights: Path) -> None:
        super().__init__(str(weights))

    def begin(self, noise: torch.Tensor, t: float) -> torch.Tensor:
        if t < NOISIEST:
            raise ValueError(f"The first time is too low: got {t:.4f}, expected {NOISIEST:.4f}.")
        return first_latent(noise)

    def denoiser(self, prompt: str, net: Flux | None = None) -> Denoiser:
        tokens, pooled = encode([prompt])

        def denoise(x: torch.Tensor, t: float) -> torch.Tensor:
            k = len(x)
            text = tokens.expand(k, -1, -1), pooled.expand(k, -1)
            return predict_x0(net or self.net, "eps", x, t, *text)

        return denoise


def world_of(weights: str) -> World:
    """The world of a model by its name in the tables.

    Raises:
        SystemExit: the diffusion model was not trained.
    """
    if weights != "eps":
        return World(weights)
    if not WEIGHTS.exists():
        raise SystemExit(f"There are no weights: got none, expected {WEIGHTS}. Run {COMMAND}.")
    return TwinWorld(WEIGHTS)
