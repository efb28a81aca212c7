"""LAION aesthetic predictor v2 ("improved aesthetic predictor"): how beautiful the picture is.

    score = w . e / |e| + b,        e = image embedding of OpenAI's CLIP ViT-L/14.

w and b are five linear layers with nothing between them, multiplied out. About 1 to 10, above 6 is
good: github.com/christophschuhmann/improved-aesthetic-predictor. Needs no prompt. Differentiable in
the images.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from .clip_checkpoint import IMAGE_TOWER, load_image_model
from .clip_pixels import clip_pixels, nan_shows
from .types import Files, check_batch
from .weights import Peek, Wanted, peek, read_state, single_file

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection

LAYERS = (0, 2, 4, 6, 7)
KEYS = tuple(f"layers.{i}.{kind}" for i in LAYERS for kind in ("weight", "bias"))
HEAD = Wanted(
    "the head of the LAION aesthetic predictor (sac+logos+ava1-l14-linearMSE)",
    "https://github.com/christophschuhmann/improved-aesthetic-predictor",
)
TOWER = replace(
    IMAGE_TOWER,
    wanted=IMAGE_TOWER.wanted._replace(what="CLIP ViT-L/14 of OpenAI, or its image tower"),
    width=768,
)


def is_head(seen: Peek) -> bool:
    """Whether it holds the five layers."""
    return seen.unknown or seen.has(*KEYS)


class AestheticModel(torch.nn.Module):
    """Image tower and head; the head stays in float32."""

    def __init__(self, tower: "CLIPVisionModelWithProjection", head: torch.nn.Linear) -> None:
        super().__init__()
        self.tower, self.head = tower, head

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, H, W, 3) in [0, 1] on any device -> (B,) float32."""
        weight = self.tower.visual_projection.weight
        pixels = clip_pixels(
            images.to(weight.device, torch.float32), self.tower.config.image_size
        ).to(weight.dtype)
        found = self.tower(pixel_values=pixels).image_embeds.float()
        return self.head(F.normalize(found, dim=-1))[:, 0]


@dataclass(frozen=True)
class AestheticScorer:
    """Pictures are scored on whatever device ``module`` is."""

    module: AestheticModel

    def check(self, prompt: str) -> None:
        """Any prompt will do."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        return nan_shows(self.module(images), images)


@dataclass(frozen=True)
class LaionAesthetic:
    """Settings of the LAION aesthetic predictor."""

    title: ClassVar[str] = "LAION Aesthetic v2"
    description: ClassVar[str] = (
        "How beautiful people find such a picture, about 1 to 10, by LAION's predictor on CLIP "
        "ViT-L/14. The prompt is not read."
    )
    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of OpenAI's CLIP ViT-L/14, or one file with the head in it.",
            "checkpoint": TOWER.fits,
        },
    )
    head: str = field(
        default="",
        metadata={
            "tooltip": "File of the predictor, sac+logos+ava1-l14-linearMSE. Empty: the checkpoint "
            "brings it.",
            "checkpoint": is_head,
            "optional": True,
        },
    )

    def load(self, files: Files | None = None) -> AestheticScorer:
        files = files or Files()
        path = files.find(self.checkpoint)
        # OpenAI's has quick_gelu, in any layout.
        tower = load_image_model(path, "quick_gelu", TOWER).to(files.dtype(torch.float16))
        if not self.head and not peek(path).has(*KEYS):
            raise HEAD.error(path, "brings no head, and none is chosen")
        head = load_head(files.find(self.head) if self.head else path)
        return AestheticScorer(AestheticModel(tower, head).eval())


def load_head(path: Path) -> torch.nn.Linear:
    """The five layers in ``path`` as one."""
    state = read_state(single_file(path, HEAD) or path, HEAD, *KEYS)
    weight, bias = folded(state)
    if weight.shape != (1, TOWER.width):
        raise HEAD.error(path, f"takes embeddings of {weight.shape[1]} channels")
    head = torch.nn.Linear(TOWER.width, 1)
    head.load_state_dict({"weight": weight, "bias": bias})
    return head.requires_grad_(False)


def folded(state: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight (1, D) and bias (1,) of the layers one after the other."""
    weight, bias = (state[f"layers.{LAYERS[0]}.{kind}"].double() for kind in ("weight", "bias"))
    for i in LAYERS[1:]:
        own = state[f"layers.{i}.weight"].double()
        weight, bias = own @ weight, own @ bias + state[f"layers.{i}.bias"].double()
    return weight.float(), bias.float()
