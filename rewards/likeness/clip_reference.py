"""Likeness to a reference picture, by the image tower of a local CLIP model.

    gram      score = -|G - G_ref|_F / 100,  G = F^T F,  F = patch tokens after two layers
    cosine    score = cos(image embedding, that of the reference)

gram is style, colours and textures wherever they are: at most 0, unbounded, 0 for the reference
itself. It is the style reward of RBF (arXiv 2503.19385), which takes CLIP ViT-B/16; there the
reference is normalised twice and pictures are squashed without antialiasing, here both sides are
prepared alike. cosine ("CLIP-I") is content, in [-1, 1]. Of several references: the mean of their
scores. Needs no prompt. Differentiable in the images.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ..channels import has_alpha, rgb
from ..files.file_filter import FileFilter
from ..memo import Memo
from ..types import Files, check_batch
from .clip_checkpoint import IMAGE_TOWER, load_image_model
from .clip_pixels import clip_pixels, nan_shows

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection

LAYERS = 2


@dataclass(frozen=True)
class ReferenceScorer:
    """Pictures are scored on whatever device ``module`` is; ``reference`` is (R, H, W, 3)."""

    module: "CLIPVisionModelWithProjection"
    reference: torch.Tensor
    gram: bool
    kept: Memo[torch.Tensor] = field(default_factory=Memo)

    def check(self, prompt: str) -> None:
        """Any prompt will do."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        found = self._features(images)[:, None]
        wanted = self.kept("reference", self._reference).to(found.device)
        if self.gram:
            scores = (found - wanted).flatten(2).norm(dim=-1) / -100.0
        else:
            scores = F.cosine_similarity(found, wanted, dim=-1)
        return nan_shows(scores.mean(1), images)

    def _reference(self, _: str) -> torch.Tensor:
        with torch.no_grad():
            return self._features(self.reference).cpu()

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        """Gram matrices (B, D, D), or embeddings (B, D), float32."""
        weight = self.module.visual_projection.weight
        shown = images.to(weight.device, torch.float32)
        pixels = clip_pixels(shown, self.module.config.image_size)
        seen = self.module(pixel_values=pixels.to(weight.dtype))
        if not self.gram:
            return seen.image_embeds.float()
        patches = seen.last_hidden_state[:, 1:].float()
        return patches.mT @ patches


@dataclass(frozen=True)
class ClipReference:
    """Settings of the likeness to a reference picture."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of the CLIP model; ViT-B/16 of OpenAI for the style reward "
            "of the RBF paper. Only its image tower is loaded.",
            "checkpoint": FileFilter(IMAGE_TOWER.fits, IMAGE_TOWER.source),
        },
    )
    mode: str = field(
        default="gram",
        metadata={
            "tooltip": "gram compares colours and textures wherever they are, 0 is best; cosine "
            "compares what the pictures show, 1 is best.",
            "choices": ("gram", "cosine"),
        },
    )
    reference: "torch.Tensor | None" = field(
        default=None,
        metadata={
            "tooltip": "The picture to be like; of several, the mean score.",
            "socket": "image",
        },
    )
    activation: str = field(
        default="auto",
        metadata={
            "tooltip": "As of the CLIP score: auto takes the folder's own; for a single file "
            "quick_gelu, or gelu from 1024 channels up and in open_clip layout.",
            "choices": ("auto", "quick_gelu", "gelu"),
            "advanced": True,
        },
    )

    @property
    def maximum(self) -> float:
        return 0.0 if self.mode == "gram" else 1.0

    def load(self, files: Files | None = None) -> ReferenceScorer:
        files = files or Files()
        if self.reference is None:
            raise ValueError("no picture is connected to `reference`: one to be like is wanted")
        colours = self.reference[..., :-1] if has_alpha(self.reference) else self.reference
        reference = rgb(colours.detach().float().cpu())
        check_batch(reference, [""] * len(reference))
        if not (len(reference) and reference.isfinite().all()):
            raise ValueError(f"{len(reference)} reference pictures: finite ones are wanted")
        model = load_image_model(files.find(self.checkpoint), self.activation)
        gram = self.mode == "gram"
        if gram:
            del model.vision_model.encoder.layers[LAYERS:]
        # The difference of large Gram matrices needs the digits, and two layers cost little.
        model = model.to(torch.float32 if gram else files.dtype(torch.float16))
        return ReferenceScorer(model, reference, gram)
