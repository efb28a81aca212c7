"""Aesthetic Predictor V2.5: how good an image looks, whatever the prompt.

    score = L5(L4(L3(L2(L1(f / |f|))))),   f the pooled features of SigLIP so400m-patch14-384.

Five linear layers with nothing between them, 1152 -> 1024 -> 128 -> 64 -> 16 -> 1. About 1 to 10,
5.5 and more is good; higher is better. The head is discus0434's aesthetic-predictor-v2-5. Its
licence is AGPL-3.0, and it is not part of this pack. Differentiable in the images.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ..files.file_filter import FileFilter
from ..files.weights import Peek, Source
from ..likeness.siglip import siglip_pixels
from ..likeness.siglip_checkpoint import TOWER, is_tower, load_tower
from ..types import Files
from .aesthetic import AestheticModel, AestheticScorer, load_head
from .linear_head import head_keys

NAME, PLACES = "scoring_head", (0, 2, 4, 6, 8)
KEYS = head_keys(NAME, PLACES)
SOURCE = Source(
    "the head of Aesthetic Predictor V2.5 (aesthetic_predictor_v2_5.pth)",
    "https://github.com/discus0434/aesthetic-predictor-v2-5",
)


def is_head(peek: Peek) -> bool:
    """Whether `load_head` can load the file."""
    return peek.unknown or peek.has(*KEYS)


@dataclass(frozen=True)
class AestheticV25:
    """Settings of Aesthetic Predictor V2.5."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of SigLIP so400m-patch14-384 under models/rewards. The "
            "vision tower (sigclip_vision_patch14_384) is enough.",
            "checkpoint": FileFilter(is_tower, TOWER),
        },
    )
    head: str = field(
        default="",
        metadata={
            "tooltip": "The head of the predictor, aesthetic_predictor_v2_5.pth.",
            "checkpoint": FileFilter(is_head, SOURCE),
        },
    )

    def load(self, files: Files | None = None) -> AestheticScorer:
        files = files or Files()
        tower = load_tower(files.find(self.checkpoint)).to(files.dtype(torch.float16))
        width = tower.config.hidden_size
        head = load_head(files.find(self.head), SOURCE, NAME, PLACES, width)
        return AestheticScorer(AestheticModel(tower, "pooler_output", siglip_pixels, head).eval())
