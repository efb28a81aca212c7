"""Aesthetic Predictor V2.5: how good a picture looks, whatever the prompt.

    score = L5(L4(L3(L2(L1(f / |f|))))),   f the pooled features of SigLIP so400m-patch14-384.

Five linear layers with nothing between them, 1152 -> 1024 -> 128 -> 64 -> 16 -> 1. About 1 to 10,
5.5 and more is good; higher is better. The head is discus0434's aesthetic-predictor-v2-5, under
AGPL-3.0, and is not part of this pack. Differentiable in the images.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from .clip_pixels import nan_shows
from .linear_head import head_keys, linear_head
from .siglip import siglip_pixels
from .siglip_checkpoint import is_tower, load_tower
from .types import Files, check_batch
from .weights import Peek, Wanted, read_state

if TYPE_CHECKING:
    from transformers import SiglipVisionModel

PLACES = (0, 2, 4, 6, 8)
KEYS = head_keys("scoring_head", PLACES)
WANTED = Wanted(
    "the head of Aesthetic Predictor V2.5 (aesthetic_predictor_v2_5.pth)",
    "https://github.com/discus0434/aesthetic-predictor-v2-5",
)


def is_head(seen: Peek) -> bool:
    """Whether `load_head` may load it."""
    return seen.unknown or seen.has(*KEYS)


def load_head(path: Path, width: int) -> torch.nn.Sequential:
    """The head of a tower of ``width`` channels."""
    head = linear_head(read_state(path, WANTED, *KEYS), "scoring_head", PLACES)
    if head[0].in_features != width:
        raise ValueError(
            f"the head {path} reads {head[0].in_features} channels, the vision tower gives "
            f"{width}: SigLIP so400m-patch14-384 is wanted for checkpoint."
        )
    return head


class AestheticModel(torch.nn.Module):
    """Pixels (B, 3, S, S) in [-1, 1] -> scores (B,) float32."""

    def __init__(self, tower: "SiglipVisionModel", head: torch.nn.Sequential) -> None:
        super().__init__()
        self.tower, self.head = tower, head

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features = self.tower(pixel_values=pixels.to(self.tower.dtype)).pooler_output
        return self.head(F.normalize(features.float(), dim=-1))[:, 0]


@dataclass(frozen=True)
class AestheticScorer:
    """A loaded predictor. Pictures are scored on whatever device ``module`` is."""

    module: AestheticModel

    def check(self, prompt: str) -> None:
        """Any prompt will do: it is not read."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        tower = self.module.tower
        pixels = siglip_pixels(images.to(tower.device, torch.float32), tower.config.image_size)
        return nan_shows(self.module(pixels), images)


@dataclass(frozen=True)
class AestheticV25:
    """Settings of Aesthetic Predictor V2.5."""

    title: ClassVar[str] = "Aesthetic Predictor V2.5"
    description: ClassVar[str] = (
        "How good a picture looks, about 1 to 10, whatever the prompt: SigLIP so400m-patch14-384 "
        "and the head of Aesthetic Predictor V2.5 (AGPL-3.0, to be had from its author)."
    )
    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of SigLIP so400m-patch14-384 under models/rewards; its "
            "vision tower alone (sigclip_vision_patch14_384) is enough.",
            "checkpoint": is_tower,
        },
    )
    head: str = field(
        default="",
        metadata={
            "tooltip": "The head of the predictor, aesthetic_predictor_v2_5.pth.",
            "checkpoint": is_head,
        },
    )

    def load(self, files: Files | None = None) -> AestheticScorer:
        files = files or Files()
        tower = load_tower(files.find(self.checkpoint)).to(files.dtype(torch.float16))
        head = load_head(files.find(self.head), tower.config.hidden_size)
        return AestheticScorer(AestheticModel(tower, head).eval())
