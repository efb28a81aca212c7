"""Temporal consistency: how similar the frames of a video are, by a CLIP model's image tower.

    score = 1/(K-1) sum_{t=2..K} 1/2 (cos(f_1, f_t) + cos(f_(t-1), f_t))

f_t is the projected CLIP embedding of frame t of K evenly spaced frames. This is the background
consistency of VBench (Huang et al., arXiv 2311.17982). VBench also sets negative cosines to 0,
which would stop the gradient. In [-1, 1], about 0.9 to 1 in practice; 1 for a still video or an
image. Needs no prompt. Compare scores only at equal K: frames further apart are less similar.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ..files.file_filter import FileFilter
from ..likeness.clip_checkpoint import IMAGE_TOWER, load_image_model
from ..likeness.clip_config import activation_field
from ..likeness.clip_pixels import clip_pixels, nan_where_not_finite
from ..types import Files
from .frames import as_clips, evenly_spaced, frames_setting

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection

AT_ONCE = 8  # frames per call of the tower


def consistency(features: torch.Tensor) -> torch.Tensor:
    """Embeddings (B, K, D) -> (B,)."""
    if features.shape[1] == 1:
        features = features.expand(-1, 2, -1)
    first = F.cosine_similarity(features[:, :1], features[:, 1:], dim=-1)
    previous = F.cosine_similarity(features[:, :-1], features[:, 1:], dim=-1)
    return (0.5 * (first + previous)).mean(1)


@dataclass(frozen=True)
class TemporalScorer:
    """Scores videos of `frames` frames on the device of `module`, a few frames at a time."""

    module: "CLIPVisionModelWithProjection"
    frames: int
    clips: ClassVar[bool] = True

    def check(self, prompt: str) -> None:
        """Accept any prompt: it is not read."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Videos (B, T, H, W, 3) or images (B, H, W, 3) -> (B,) float32."""
        videos = as_clips(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        frames = evenly_spaced(videos, self.frames)
        features = torch.cat([self._features(rows) for rows in frames.flatten(0, 1).split(AT_ONCE)])
        scores = consistency(features.view(*frames.shape[:2], -1))
        return nan_where_not_finite(scores, videos)

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, D) of images (B, H, W, 3)."""
        weight = self.module.visual_projection.weight
        images = images.to(weight.device, torch.float32)
        pixels = clip_pixels(images, self.module.config.image_size).to(weight.dtype)
        return self.module(pixel_values=pixels).image_embeds.float()


@dataclass(frozen=True)
class TemporalConsistency:
    """Settings of Temporal Consistency."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of a CLIP model or its image tower, under models/rewards.",
            "checkpoint": FileFilter(IMAGE_TOWER.fits, IMAGE_TOWER.expected),
        },
    )
    frames: int = frames_setting()
    activation: str = activation_field()

    def load(self, files: Files | None = None) -> TemporalScorer:
        """Load only the image tower."""
        files = files or Files()
        model = load_image_model(files.find(self.checkpoint), self.activation)
        return TemporalScorer(model.to(files.dtype(torch.float16)), self.frames)
