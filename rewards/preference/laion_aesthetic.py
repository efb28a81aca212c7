"""LAION aesthetic predictor v2 ("improved aesthetic predictor"): how beautiful the image is.

    score = L5(L4(L3(L2(L1(e / |e|))))),   e the image embedding of OpenAI's CLIP ViT-L/14.

Five linear layers with nothing between them, 768 -> 1024 -> 128 -> 64 -> 16 -> 1. About 1 to 10,
above 6 is good. From github.com/christophschuhmann/improved-aesthetic-predictor. Needs no prompt.
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
    expected=IMAGE_TOWER.expected._replace(
        what="CLIP ViT-L/14 of OpenAI, or its image tower", repositories=()
    ),
    width=768,
)


def is_head(peek: Peek) -> bool:
    """Whether the file holds the five layers."""
    return peek.unknown or peek.has(*KEYS)


@dataclass(frozen=True)
class LaionAesthetic:
    """Settings of the LAION aesthetic predictor."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of OpenAI's CLIP ViT-L/14. Weak: others report chance level "
            "on public preference pairs.",
            "checkpoint": FileFilter(TOWER.fits, TOWER.expected),
        },
    )
    head: str = field(
        default="",
        metadata={
            "tooltip": "File of the predictor, sac+logos+ava1-l14-linearMSE. Leave it empty if the "
            "checkpoint contains it.",
            "checkpoint": FileFilter(is_head, HEAD),
            "optional": True,
        },
    )

    def load(self, files: Files | None = None) -> AestheticScorer:
        files = files or Files()
        path = files.find(self.checkpoint)
        # OpenAI's model has quick_gelu in any layout.
        tower = load_image_model(path, "quick_gelu", TOWER).to(files.dtype(torch.float16))
        if not self.head and not look(path, HEAD).has(*KEYS):
            raise HEAD.error(path, "contains no head, and `head` is empty")
        head_path = files.find(self.head) if self.head else path
        head = load_head(head_path, HEAD, NAME, PLACES, TOWER.width)
        return AestheticScorer(AestheticModel(tower, "image_embeds", clip_pixels, head).eval())
