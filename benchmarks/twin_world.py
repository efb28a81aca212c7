"""The demo model as two diffusion models with SDXL's noise schedule: networks for eps and v."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..demo.diffusion import NOISIEST, PREDICTIONS, first_latent, predict_x0
from ..demo.text import encode
from ..demo.training.train_flux import Flux
from ..samplers.interpolants import INTERPOLANTS
from ..samplers.schedules import model_times, split_window
from ..samplers.types import Denoiser
from .world import ROOT, Setting, World

COMMAND = "python -m demo.training.train_diffusion --prediction"


@dataclass(frozen=True)
class TwinSetting(Setting):
    """A row whose schedule begins at the largest sigma of the diffusion model."""

    def times(self) -> tuple[list[float], list[float]]:
        path = INTERPOLANTS[self.clock]()
        times = model_times(self.steps, self.spacing, path, noisiest=NOISIEST)
        return split_window(times[:-1], self.window_start, self.window_end)


class TwinWorld(World):
    """A diffusion twin in this process.

    Args:
        weights: what `demo/training/train_diffusion.py` wrote.
        prediction: eps or v.
    """

    noisiest = NOISIEST

    def __init__(self, weights: Path, prediction: str = "eps") -> None:
        super().__init__(str(weights))
        self.prediction = prediction

    def begin(self, noise: torch.Tensor, t: float) -> torch.Tensor:
        if t < NOISIEST:
            raise ValueError(f"The first time is too low: got {t:.4f}, expected {NOISIEST:.4f}.")
        return first_latent(noise)

    def denoiser(self, prompt: str, net: Flux | None = None) -> Denoiser:
        tokens, pooled = encode([prompt])

        def denoise(x: torch.Tensor, t: float) -> torch.Tensor:
            k = len(x)
            text = tokens.expand(k, -1, -1), pooled.expand(k, -1)
            return predict_x0(net or self.net, self.prediction, x, t, *text)

        return denoise


def world_of(weights: str) -> World:
    """The world of a model by its name in the tables.

    Raises:
        SystemExit: a diffusion model was not trained.
    """
    if weights not in PREDICTIONS:
        return World(weights)
    path = ROOT / "demo_build" / f"diffusion_{weights}.safetensors"
    if not path.exists():
        raise SystemExit(
            f"There are no weights: got none, expected {path}. Run {COMMAND} {weights}."
        )
    return TwinWorld(path, weights)
