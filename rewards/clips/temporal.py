"""Temporal consistency: how alike the frames of a clip are, by the image tower of a CLIP model.

    score = 1/(K-1) sum_{t=2..K} 1/2 (cos(f_1, f_t) + cos(f_(t-1), f_t))

f_t is the projected CLIP embedding of frame t of K evenly spaced ones: background consistency of
VBench (Huang et al., arXiv 2311.17982), without its cut of negative cosines at 0, which would stop
the gradient. In [-1, 1], about 0.9 to 1 in practice, 1 for a clip that stands still and so for a
picture. Needs no prompt. Scores compare at equal K only: frames further apart are less alike.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ..files.file_filter import FileFilter
from ..likeness.clip_checkpoint import IMAGE_TOWER, load_image_model
from ..likeness.clip_pixels import clip_pixels, nan_shows
from ..types import Files
from .frames import as_clips, evenly_spaced, frames_setting

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection

AT_ONCE = 8  # frames through the tower


def consistency(features: torch.Tensor) -> torch.Tensor:
    """Embeddings (B, K, D) -> (B,)."""
    if features.shape[1] == 1:
        features = features.expand(-1, 2, -1)
    first = F.cosine_similarity(features[:, :1], features[:, 1:], dim=-1)
    before = F.cosine_similarity(features[:, :-1], features[:, 1:], dim=-1)
    return (0.5 * (first + before)).mean(1)


@dataclass(frozen=True)
class TemporalScorer:
    """Scores clips; they are brought to the device of ``module`` a few frames at a time."""

    module: "CLIPVisionModelWithProjection"
    frames: int
    clips: ClassVar[bool] = True

    def check(self, prompt: str) -> None:
        """Any prompt will do."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Clips (B, T, H, W, 3) or pictures (B, H, W, 3) -> (B,) float32."""
        clips = as_clips(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        seen = evenly_spaced(clips, self.frames)
        features = torch.cat([self._features(rows) for rows in seen.flatten(0, 1).split(AT_ONCE)])
        return nan_shows(consistency(features.view(*seen.shape[:2], -1)), clips)

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        """Embeddings (B, D) of pictures (B, H, W, 3)."""
        weight = self.module.visual_projection.weight
        shown = images.to(weight.device, torch.float32)
        pixels = clip_pixels(shown, self.module.config.image_size).to(weight.dtype)
        return self.module(pixel_values=pixels).image_embeds.float()


@dataclass(frozen=True)
class TemporalConsistency:
    """Settings of the temporal consistency."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of the CLIP model, or of its image half alone, under "
            "models/rewards.",
            "checkpoint": FileFilter(IMAGE_TOWER.fits, IMAGE_TOWER.source),
        },
    )
    frames: int = frames_setting()
    activation: str = field(
        default="auto",
        metadata={
            "tooltip": "As for the CLIP score: auto takes the folder's own, or of a single file "
            "the likely one. LAION's models need gelu, OpenAI's, MetaCLIP and DFN quick_gelu.",
            "choices": ("auto", "quick_gelu", "gelu"),
            "advanced": True,
        },
    )

    def load(self, files: Files | None = None) -> TemporalScorer:
        """Nothing but the image half is kept."""
        files = files or Files()
        model = load_image_model(files.find(self.checkpoint), self.activation)
        return TemporalScorer(model.to(files.dtype(torch.float16)), self.frames)
