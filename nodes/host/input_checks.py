"""What is refused of a model, its sigmas and its latent."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..schema import brief
from .clock import Clock
from .frames import takes_frames, to_videos
from .packed import Latents, parts, pictures


def check_pictures(model: Any) -> None:
    """Refuse the host's models whose latents only look like those of images: those of audio."""
    if "audio_model" in model.model_config.unet_config:
        raise ValueError(
            "This model cannot be searched: got an audio model, expected a model of images or "
            "videos."
        )


def check_sigmas(sigmas: Tensor, clock: Clock) -> list[float]:
    """The sigmas as times t. Raises ValueError unless there are two or more, strictly falling.

    A shifted schedule may start a float32 rounding above 1.
    """
    values = [1.0 if 1.0 < float(s) < 1.0 + 1e-5 else float(s) for s in sigmas]
    if len(values) < 2:
        raise ValueError(
            f"There are too few sigmas: got {len(values)}, expected at least 2. Is the scheduler's "
            "denoise 0, or its part of a split empty?"
        )
    falling = all(a > b for a, b in zip(values, values[1:], strict=False))
    if not falling or values[-1] < 0.0:
        raise ValueError(
            f"The sigmas cannot be searched: got {[round(v, 4) for v in values]}, expected values "
            "falling strictly to at least 0."
        )
    if values[0] > clock.max_sigma:
        raise ValueError(
            f"The sigmas start too high for this model: got {values[0]:.4g}, expected at most "
            f"{clock.max_sigma:g}. Use VP Flow Scheduler, or BasicScheduler with this model."
        )
    return [clock.time(v) for v in values]


def check_latent(latent: dict[str, Any], model: Any) -> Latents:
    """The samples of a latent, as a search takes them.

    Args:
        latent: the LATENT of the node.
        model: the host's, which may hold a video as frames.

    Raises:
        ValueError: they hold no images or are not finite.
    """
    if not isinstance(latent, dict) or not hasattr(latent.get("samples"), "is_nested"):
        raise ValueError(
            f"latent_image is not connected: got {brief(latent)}, expected a connection."
        )
    samples = latent["samples"]
    shape = tuple(pictures(samples).shape)
    if takes_frames(model) and (samples.is_nested or len(shape) != 4):
        raise ValueError(
            f"latent_image has the wrong shape: got {shape}, expected 4 dimensions, whose first is "
            "the frames of one video."
        )
    if len(shape) not in (4, 5):
        raise ValueError(
            f"latent_image has the wrong shape: got {shape}, expected 4 dimensions (images) or 5 "
            "(videos)."
        )
    counts = [len(part) for part in parts(samples)]
    if len(set(counts)) > 1:
        raise ValueError(
            f"The parts of latent_image have different batch sizes: got {counts}, expected the "
            "same for video and sound."
        )
    if bad := sum(int((~torch.isfinite(part)).sum()) for part in parts(samples)):
        raise ValueError(
            f"latent_image is not finite: got {bad} values that are NaN or infinite, expected "
            "finite numbers."
        )
    return to_videos(model, samples)
