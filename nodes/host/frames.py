"""Videos that the host holds as a batch of frames: SVD and SV3D.

The latent of such a video is (F,C,H,W). The host prepares the conditions for these F rows, and
patches such as VideoLinearCFGGuidance count them. So the model is asked for one video at a time.
A search needs a row for each particle, and works on videos (K,C,F,H,W), as of any other video
model. The evaluation of a video is one NFE, not F.
"""

from __future__ import annotations

from typing import Any

import comfy.model_base
import torch
from torch import Tensor

from .packed import Latents


def takes_frames(base: Any) -> bool:
    """Whether the rows of a call are the frames of one video (comfy/model_base.py:528)."""
    return isinstance(base, comfy.model_base.SVD_img2vid)


def to_videos(base: Any, latents: Latents) -> Latents:
    """Latents as a search takes them: the host's frames (F,C,H,W) as one video (1,C,F,H,W).

    Args:
        base: the host's model. The latents of most models stay as they are.
        latents: as the host takes them.
    """
    return latents.movedim(0, 1)[None].contiguous() if takes_frames(base) else latents


def to_frames(base: Any, latents: Latents) -> Latents:
    """Latents as the host takes them: videos (K,C,F,H,W) as frames (K*F,C,H,W).

    Args:
        base: the host's model. The latents of most models stay as they are.
        latents: as a search takes them.
    """
    return latents.movedim(1, 2).flatten(0, 1).contiguous() if takes_frames(base) else latents


class VideoModel:
    """A KSamplerX0Inpaint whose rows are videos. It asks the host's for one video at a time.

    Args:
        model: the host's, whose rows are the frames of one video.
    """

    def __init__(self, model: Any) -> None:
        self.model, self.base = model, model.inner_model.inner_model
        self.noise = to_videos(self.base, model.noise)
        self.latent_image = to_videos(self.base, model.latent_image)
        self.frames = self.noise.shape[2]

    def __call__(
        self, y: Tensor, sigma: Tensor, denoise_mask: Tensor | None = None, **options: Any
    ) -> Tensor:
        """The x0 (K,C,F,H,W) of videos y.

        Args:
            y: (K,C,F,H,W).
            sigma: (K,), one for each video.
            denoise_mask: (1,C,F,H,W).
            options: of the host's call.
        """
        mask = None if denoise_mask is None else to_frames(self.base, denoise_mask)
        rows = [
            self.model(to_frames(self.base, y[i : i + 1]), sigma[i].repeat(self.frames),
                       denoise_mask=mask, **options)
            for i in range(len(y))
        ]  # fmt: skip
        return torch.cat([to_videos(self.base, x0) for x0 in rows])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)


def as_videos(model: Any, extra_args: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The model and the arguments of its calls, with a row for each particle.

    Args:
        model: the KSamplerX0Inpaint that a KSAMPLER gives to its function.
        extra_args: what it gives along with it.
    """
    base, mask = model.inner_model.inner_model, extra_args.get("denoise_mask")
    if not takes_frames(base):
        return model, extra_args
    mask = None if mask is None else to_videos(base, mask)
    return VideoModel(model), extra_args | {"denoise_mask": mask}


def rows_of(model: Any) -> int:
    """Network rows of one evaluation: the frames of a video, and 1 for all other models."""
    return model.frames if isinstance(model, VideoModel) else 1
