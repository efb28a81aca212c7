"""Likeness to a reference image, by the image tower of a local CLIP model.

    gram      score = -|G - G_ref|_F / 100,  G = F^T F,  F = patch tokens after two layers
    cosine    score = cos(image embedding, reference embedding)

gram measures style: colours and textures, wherever they are. It is at most 0, without a lower
bound, and 0 for the reference itself. It is the style reward of RBF (arXiv 2503.19385) with CLIP
ViT-B/16. The paper's code normalises the reference twice and resizes images without antialiasing;
here both sides are prepared alike. cosine ("CLIP-I") measures content and is in [-1, 1]. For
several references the score is the mean. Needs no prompt. Differentiable in the images.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ..files.file_filter import FileFilter
from ..memo import Memo
from ..pixels.channels import has_alpha, rgb
from ..types import Files, check_batch
from .clip_checkpoint import IMAGE_TOWER, load_image_model
from .clip_config import activation_field
from .clip_pixels import clip_pixels, nan_where_not_finite

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection

LAYERS = 2


def reference_images(images: torch.Tensor | None) -> torch.Tensor:
    """The images to resemble (R, H, W, 3), without alpha; ValueError if they cannot be used."""
    if images is None:
        raise ValueError(
            "`reference` is not connected: got nothing, expected an image to resemble."
        )
    reference = rgb((images[..., :-1] if has_alpha(images) else images).detach().float().cpu())
    check_batch(reference, [""] * len(reference))
    if not (len(reference) and reference.isfinite().all()):
        raise ValueError(
            f"`reference` cannot be used: got {len(reference)} images, expected at least one "
            "and only finite pixels."
        )
    return reference


@dataclass(frozen=True)
class ReferenceScorer:
    """Compares images with the reference, on the device of `module`.

    Args:
        module: the image tower; for gram only its first layers.
        reference: images (R, H, W, 3) in [0, 1].
        gram: whether to compare style; content otherwise.
        cache: holds the features of the reference.
    """

    module: "CLIPVisionModelWithProjection"
    reference: torch.Tensor
    gram: bool
    cache: Memo[torch.Tensor] = field(default_factory=Memo)

    def check(self, prompt: str) -> None:
        """Accept any prompt: it is not read."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        features = self._features(images)[:, None]
        reference = self.cache("reference", self._reference).to(features.device)
        if self.gram:
            scores = (features - reference).flatten(2).norm(dim=-1) / -100.0
        else:
            scores = F.cosine_similarity(features, reference, dim=-1)
        return nan_where_not_finite(scores.mean(1), images)

    def _reference(self, _: str) -> torch.Tensor:
        with torch.no_grad():
            return self._features(self.reference).cpu()

    def _features(self, images: torch.Tensor) -> torch.Tensor:
        """Gram matrices (B, D, D), or embeddings (B, D), float32."""
        weight = self.module.visual_projection.weight
        images = images.to(weight.device, torch.float32)
        pixels = clip_pixels(images, self.module.config.image_size)
        outputs = self.module(pixel_values=pixels.to(weight.dtype))
        if not self.gram:
            return outputs.image_embeds.float()
        patches = outputs.last_hidden_state[:, 1:].float()
        return patches.mT @ patches


@dataclass(frozen=True)
class ClipReference:
    """Settings of the likeness to a reference image."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of the CLIP model, such as OpenAI's ViT-B/16. Only the "
            "image tower is loaded.",
            "checkpoint": FileFilter(IMAGE_TOWER.fits, IMAGE_TOWER.expected),
        },
    )
    mode: str = field(
        default="gram",
        metadata={
            "tooltip": "gram compares colours and textures, wherever they are; 0 is best. cosine "
            "compares what the images show; 1 is best.",
            "choices": ("gram", "cosine"),
        },
    )
    reference: "torch.Tensor | None" = field(
        default=None,
        metadata={
            "tooltip": "The image to resemble. For several images the score is the mean.",
            "socket": "image",
        },
    )
    activation: str = activation_field()

    @property
    def maximum(self) -> float:
        return 0.0 if self.mode == "gram" else 1.0

    def load(self, files: Files | None = None) -> ReferenceScorer:
        files = files or Files()
        reference = reference_images(self.reference)
        model = load_image_model(files.find(self.checkpoint), self.activation)
        gram = self.mode == "gram"
        if gram:
            del model.vision_model.encoder.layers[LAYERS:]
        # The difference of large Gram matrices needs float32, and two layers cost little.
        model = model.to(torch.float32 if gram else files.dtype(torch.float16))
        return ReferenceScorer(model, reference, gram)
