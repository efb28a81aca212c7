"""CLIP score: how well the image matches the prompt, by a local CLIP model.

    score = cos(image embedding, text embedding), or exp(logit_scale) times that.

CLIPScore is Hessel et al., arXiv 2104.08718 (there 2.5 max(cos, 0)). PickScore v1, arXiv
2305.01569, is the same formula with its own weights, usually quoted with the scale (about 18 to
24). The cosine is in [-1, 1], about 0.1 to 0.4 in practice. Differentiable in the images. The rest
of a batch changes a score only by rounding, about 1e-6. Prompts are cleaned first (`prompt_text`)
for models in open_clip's layout, but not for models in transformers' layout, as upstream does.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
import torch.nn.functional as F

from ..files.file_filter import FileFilter
from ..files.pretrained import features_of
from ..memo import Memo
from ..types import Files, check_batch, check_characters
from .clip_checkpoint import CLIP, ENDS, CleaningTokenizer, load_model, load_tokenizer
from .clip_config import activation_field
from .clip_pixels import clip_pixels, nan_where_not_finite

if TYPE_CHECKING:
    from transformers import CLIPModel, CLIPTokenizerFast

log = logging.getLogger("flow_search")


def check_prompt(
    prompt: str, tokenizer: "CLIPTokenizerFast | CleaningTokenizer", length: int
) -> None:
    """Raise ValueError for an empty prompt, and warn about one that is too long.

    Args:
        prompt: the user's text.
        tokenizer: the model's tokenizer.
        length: tokens that the model reads.
    """
    if not isinstance(tokenizer, CleaningTokenizer):
        check_characters(prompt)
    count = len(tokenizer(prompt)["input_ids"])
    if not prompt.strip() or count <= len(ENDS):
        raise ValueError(
            "The score needs a prompt: got an empty prompt, expected text to compare the image "
            "with."
        )
    if count > length:
        log.warning("CLIP reads only the first %d tokens of the prompt", length)


@dataclass(frozen=True)
class ClipScorer:
    """A loaded CLIP model. Images are scored on the device of `module`.

    Args:
        module: the model.
        tokenizer: cleans the prompt if the model is open_clip's.
        scale: factor of the cosine.
        pixels: images (B, H, W, 3) in [0, 1] and a size -> pixels (B, 3, size, size).
        texts: cache of the embeddings of prompts.
    """

    module: "CLIPModel"
    tokenizer: "CLIPTokenizerFast | CleaningTokenizer"
    scale: float = 1.0
    pixels: Callable[[torch.Tensor, int], torch.Tensor] = clip_pixels
    texts: Memo[torch.Tensor] = field(default_factory=Memo)

    def check(self, prompt: str) -> None:
        check_prompt(prompt, self.tokenizer, self._length)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        weight = self.module.logit_scale
        size = self.module.config.vision_config.image_size
        pixels = self.pixels(images.to(weight.device, torch.float32), size)
        image = features_of(self.module.get_image_features(pixel_values=pixels.to(weight.dtype)))
        text = torch.stack([self.texts(prompt, self._text) for prompt in prompts])
        cosine = F.cosine_similarity(image.float(), text.to(weight.device), dim=-1)
        return nan_where_not_finite(self.scale * cosine, images)

    @property
    def _length(self) -> int:
        return self.module.config.text_config.max_position_embeddings

    def _text(self, prompt: str) -> torch.Tensor:
        """Embedding (D,) of one prompt. It is encoded alone, so that no padding is needed."""
        tokens = self.tokenizer(
            prompt, truncation=True, max_length=self._length, return_tensors="pt"
        )
        ids = tokens["input_ids"].to(self.module.logit_scale.device)
        return features_of(self.module.get_text_features(input_ids=ids))[0].float().cpu()


@dataclass(frozen=True)
class ClipScore:
    """Settings of the CLIP score."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder or file of the CLIP model under models/rewards.",
            "checkpoint": FileFilter(CLIP.fits, CLIP.expected),
        },
    )
    scale: str = field(
        default="cosine",
        metadata={
            "tooltip": "cosine is between -1 and 1. logit_scale multiplies it by the model's "
            "scale, about 100, as is usual for PickScore.",
            "choices": ("cosine", "logit_scale"),
        },
    )
    activation: str = activation_field()

    def load(self, files: Files | None = None) -> ClipScorer:
        """Load model and tokenizer; `files.tokenizers["clip"]` if the model has none."""
        files = files or Files()
        path = files.find(self.checkpoint)
        model, open_clip = load_model(path, self.activation)
        scale = model.logit_scale.exp().item() if self.scale == "logit_scale" else 1.0
        tokenizer = load_tokenizer(path, files.tokenizers.get("clip"))
        tokenizer = CleaningTokenizer(tokenizer) if open_clip else tokenizer
        return ClipScorer(model.to(files.dtype(torch.float16)), tokenizer, scale)
