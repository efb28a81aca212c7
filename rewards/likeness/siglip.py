"""SigLIP score: how well the image matches the prompt, by a local SigLIP model.

    logit = exp(logit_scale) cos(image embedding, text embedding) + logit_bias,
    probability = sigmoid(logit) that image and prompt belong together.

SigLIP is Zhai et al., arXiv 2303.15343; SigLIP 2 is Tschannen et al., arXiv 2502.14786. The logit
is about -20 to 10 in practice. It still separates images whose probabilities are all near 0. The
cosine is in [-1, 1]. Higher is better. Differentiable in the images. The rest of a batch changes a
score only by rounding.
"""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ..files.file_filter import FileFilter
from ..files.pretrained import features_of
from ..memo import Memo
from ..pixels.resize import resized
from ..types import Files, check_batch, check_characters
from .clip_pixels import nan_where_not_finite
from .siglip_checkpoint import MODEL, is_siglip, load_model, resampling
from .siglip_text import SiglipTokenizer, load_tokenizer

if TYPE_CHECKING:
    from transformers import SiglipModel

log = logging.getLogger("flow_search")


def siglip_pixels(images: torch.Tensor, size: int, mode: str = "bicubic") -> torch.Tensor:
    """Resize images for SigLIP, without keeping their aspect ratio.

    Values are clamped to [0, 1], because the cubic kernel overshoots. The result differs from the
    8-bit reference only by its rounding.

    Args:
        images: (B, H, W, 3) in [0, 1].
        size: pixels of both edges.
        mode: "bicubic" or "bilinear", antialiased.

    Returns: pixels (B, 3, size, size) in [-1, 1].
    """
    planes = resized(images.permute(0, 3, 1, 2), (size, size), mode)
    return planes.clamp(0.0, 1.0) * 2.0 - 1.0


@dataclass(frozen=True)
class SiglipScorer:
    """A loaded SigLIP model. Images are scored on the device of `module`.

    Args:
        module: the model.
        tokenizer: the model's tokenizer.
        mode: how images are resized, "bicubic" or "bilinear".
        scale: "logit", "probability" or "cosine".
        texts: cache of the embeddings of prompts.
    """

    module: "SiglipModel"
    tokenizer: SiglipTokenizer
    mode: str
    scale: str
    texts: Memo[torch.Tensor] = field(default_factory=Memo)

    def check(self, prompt: str) -> None:
        check_characters(prompt)
        ids, words = self.tokenizer.ids(prompt), self.module.config.text_config.vocab_size
        if not ids or not prompt.strip():
            raise ValueError(
                f"The SigLIP score needs a prompt: got {prompt!r}, expected text to compare the "
                "image with."
            )
        if max(ids) >= words:
            raise ValueError(
                f"The tokenizer does not belong to the SigLIP model: got token {max(ids)}, "
                f"expected less than {words}."
            )
        length = self.module.config.text_config.max_position_embeddings
        if len(ids) >= length:
            log.warning("SigLIP reads only the first %d tokens of the prompt", length - 1)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        weight = self.module.logit_scale
        size = self.module.config.vision_config.image_size
        pixels = siglip_pixels(images.to(weight.device, torch.float32), size, self.mode)
        image = features_of(self.module.get_image_features(pixel_values=pixels.to(weight.dtype)))
        text = torch.stack([self.texts(prompt, self._text) for prompt in prompts])
        scores = F.cosine_similarity(image.float(), text.to(weight.device), dim=-1)
        if self.scale != "cosine":
            scores = scores * weight.float().exp() + self.module.logit_bias.float()
        if self.scale == "probability":
            scores = scores.sigmoid()
        return nan_where_not_finite(scores, images)

    def _text(self, prompt: str) -> torch.Tensor:
        """Embedding (D,) of one prompt."""
        length = self.module.config.text_config.max_position_embeddings
        ids = self.tokenizer(prompt, length).to(self.module.logit_scale.device)
        return features_of(self.module.get_text_features(input_ids=ids[None]))[0].float().cpu()


@dataclass(frozen=True)
class SiglipScore:
    """Settings of the SigLIP score."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "SigLIP folder under models/rewards, or weights next to their tokenizer "
            "(spiece.model or tokenizer.json). NaFlex models do not work.",
            "checkpoint": FileFilter(is_siglip, MODEL),
        },
    )
    scale: str = field(
        default="logit",
        metadata={
            "tooltip": "logit is the model's score, about -20 to 10. probability is its sigmoid. "
            "cosine is -1 to 1.",
            "choices": ("logit", "probability", "cosine"),
        },
    )

    def load(self, files: Files | None = None) -> SiglipScorer:
        """Load the model and the tokenizer in its folder."""
        files = files or Files()
        path = files.find(self.checkpoint)
        model = load_model(path).to(files.dtype(torch.float16))
        tokenizer = load_tokenizer(path if path.is_dir() else path.parent)
        mode = resampling(path, model.config.text_config.vocab_size)
        return SiglipScorer(model, tokenizer, mode, self.scale)
