"""LAION aesthetic predictor v2 ("improved aesthetic predictor"): how beautiful the picture is.

    score = L5(L4(L3(L2(L1(e / |e|))))),   e the image embedding of OpenAI's CLIP ViT-L/14.

Five linear layers with nothing between them, 768 -> 1024 -> 128 -> 64 -> 16 -> 1. About 1 to 10,
above 6 is good: github.com/christophschuhmann/improved-aesthetic-predictor. Needs no prompt.
Differentiable in the images.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from ..files.file_filter import FileFilter
from ..files.weights import Peek, Source, look
from ..likeness.clip_checkpoint import IMAGE_TOWER, load_image_model
from ..likeness.clip_pixels import clip_pixels
from ..types import Files
from .aesthetic import AestheticModel, AestheticScorer, load_head
from .linear_head import head_keys

NAME, PLACES = "layers", (0, 2, 4, 6, 7)
KEYS = head_keys(NAME, PLACES)
HEAD = Source(
    "the head of the LAION aesthetic predictor (sac+logos+ava1-l14-linearMSE)",
    "https://github.com/christophschuhmann/improved-aesthetic-predictor",
)
TOWER = replace(
    IMAGE_TOWER,
    source=IMAGE_TOWER.source._replace(
        what="CLIP ViT-L/14 of OpenAI, or its image tower", repositories=()
    ),
    width=768,
)


def is_head(seen: Peek) -> bool:
    """Whether it holds the five layers."""
    return seen.unknown or seen.has(*KEYS)


@dataclass(frozen=True)
class LaionAesthetic:
    """Settings of the LAION aesthetic predictor."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of OpenAI's CLIP ViT-L/14, or one file with the head in it.",
            "checkpoint": FileFilter(TOWER.fits, TOWER.source),
        },
    )
    head: str = field(
        default="",
        metadata={
            "tooltip": "File of the predictor, sac+logos+ava1-l14-linearMSE. Empty: the checkpoint "
            "brings it.",
            "checkpoint": FileFilter(is_head, HEAD),
            "optional": True,
        },
    )

    def load(self, files: Files | None = None) -> AestheticScorer:
        files = files or Files()
        path = files.find(self.checkpoint)
        # OpenAI's has quick_gelu, in any layout.
        tower = load_image_model(path, "quick_gelu", TOWER).to(files.dtype(torch.float16))
        if not self.head and not look(path, HEAD).has(*KEYS):
            raise HEAD.error(path, "brings no head, and none is chosen")
        brings = files.find(self.head) if self.head else path
        head = load_head(brings, HEAD, NAME, PLACES, TOWER.width)
        return AestheticScorer(AestheticModel(tower, "image_embeds", clip_pixels, head).eval())
