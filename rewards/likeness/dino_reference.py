"""Likeness of the subject to a reference image, by a local DINOv2 model (arXiv 2304.07193).

    score = cos(e, e_ref),        e the class token after the last layer norm

DINOv2 learned from images alone, so it sees which thing it is: its shape, parts and markings. CLIP
sees what one would call it. The score is in [-1, 1]; 1 is the reference itself. For several
references it is the mean. Images are resized and cut to a square as the folder says. Needs no
prompt. Differentiable in the images.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ..files.file_filter import FileFilter
from ..files.weights import Peek, Source
from ..memo import Memo
from ..types import Files, check_batch
from .clip_pixels import nan_where_not_finite
from .clip_reference import reference_images
from .image_network import Pixels, load_network, load_pixels

if TYPE_CHECKING:
    from transformers import Dinov2Model

KINDS = {"dinov2": "Dinov2Model", "dinov2_with_registers": "Dinov2WithRegistersModel"}
SOURCE = Source(
    "a folder of DINOv2 in Hugging Face layout",
    "https://huggingface.co/facebook/dinov2-base",
    tuple(
        f"facebook/dinov2-{registers}{size}"
        for registers in ("", "with-registers-")
        for size in ("small", "base", "large", "giant")
    ),
)


def is_dino(peek: Peek) -> bool:
    """Whether `DinoReference` can load the folder: also a classifier, without its head."""
    return peek.kind in KINDS


@dataclass(frozen=True)
class DinoScorer:
    """Compares images with the reference, on the device of `module`.

    Args:
        module: the model.
        pixels: prepares images for it.
        reference: images (R, H, W, 3) in [0, 1].
        cache: holds the embeddings of the reference.
    """

    module: "Dinov2Model"
    pixels: Pixels
    reference: torch.Tensor
    cache: Memo[torch.Tensor] = field(default_factory=Memo)

    def check(self, prompt: str) -> None:
        """Accept any prompt: it is not read."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        embeddings = self._embeddings(images)
        reference = self.cache("reference", self._reference).to(embeddings.device)
        scores = F.cosine_similarity(embeddings[:, None], reference, dim=-1)
        return nan_where_not_finite(scores.mean(1), images)

    def _reference(self, _: str) -> torch.Tensor:
        with torch.no_grad():
            return self._embeddings(self.reference).cpu()

    def _embeddings(self, images: torch.Tensor) -> torch.Tensor:
        """Class tokens (B, D), float32."""
        weight = self.module.layernorm.weight
        pixels = self.pixels(images.to(weight.device, torch.float32))
        return self.module(pixel_values=pixels.to(weight.dtype)).pooler_output.float()


@dataclass(frozen=True)
class DinoReference:
    """Settings of the likeness of the subject."""

    gradient: ClassVar[bool] = True
    maximum: ClassVar[float] = 1.0

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder of DINOv2, with or without registers.",
            "checkpoint": FileFilter(is_dino, SOURCE),
        },
    )
    reference: "torch.Tensor | None" = field(
        default=None,
        metadata={
            "tooltip": "Image of the subject. For several images the score is the mean.",
            "socket": "image",
        },
    )

    def load(self, files: Files | None = None) -> DinoScorer:
        files = files or Files()
        reference = reference_images(self.reference)
        path = files.find(self.checkpoint)
        model = load_network(path, SOURCE, KINDS)
        pixels = load_pixels(path, SOURCE)
        return DinoScorer(model.to(files.dtype(torch.float16)), pixels, reference)
