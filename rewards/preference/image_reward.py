"""ImageReward v1.0: how much people would like the picture for its prompt.

    score = (MLP(h) - 0.16717362830052426) / 1.0333394966054072,

h the state of BLIP's text encoder at [CLS], which reads the prompt and, by cross attention, the
picture; the MLP is linear. Xu et al., arXiv 2304.05977. Standardised over the authors' pictures,
about -2.3 to 2; higher is better. Differentiable in the images. A batch changes a score by rounding
only. The text cannot be encoded without the picture: the Memo keeps its tokens.
"""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.file_filter import FileFilter
from ..likeness.clip_pixels import clip_pixels, nan_shows
from ..memo import Memo
from ..types import Files, check_batch, check_characters
from .image_reward_checkpoint import SOURCE, is_image_reward, load_parts, load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import BlipTextModel, BlipVisionModel

log = logging.getLogger("flow_search")
MEAN, STD = 0.16717362830052426, 1.0333394966054072
LENGTH = 35


class ImageRewardModel(torch.nn.Module):
    """Pixels (B, 3, S, S), token ids and their mask (B, L) -> scores (B,) float32."""

    def __init__(
        self, vision: "BlipVisionModel", text: "BlipTextModel", head: torch.nn.Sequential
    ) -> None:
        super().__init__()
        self.vision, self.text, self.head = vision, text, head

    def forward(self, pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        seen = self.vision(pixel_values=pixels.to(self.vision.dtype)).last_hidden_state
        # The configuration says decoder for the sake of the cross attention; every token sees all.
        read = self.text(
            input_ids=ids, attention_mask=mask, encoder_hidden_states=seen, is_decoder=False
        )
        return (self.head(read.last_hidden_state[:, 0].float())[:, 0] - MEAN) / STD


@dataclass(frozen=True)
class ImageRewardScorer:
    """A loaded ImageReward. Pictures are scored on whatever device ``module`` is."""

    module: ImageRewardModel
    tokenizer: "Tokenizer"
    tokens: Memo[torch.Tensor] = field(default_factory=Memo)

    def check(self, prompt: str) -> None:
        check_characters(prompt)
        if not prompt.strip():
            raise ValueError("ImageReward needs a prompt to judge the picture by: got none")
        if self.tokenizer.encode(prompt).overflowing:
            log.warning("ImageReward reads the first %d tokens of the prompt only", LENGTH - 2)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        vision = self.module.vision
        pixels = clip_pixels(images.to(vision.device, torch.float32), vision.config.image_size)
        tokens = torch.stack([self.tokens(prompt, self._tokens) for prompt in prompts])
        scores = self.module(pixels, *tokens.to(vision.device).unbind(1))
        return nan_shows(scores, images)

    def _tokens(self, prompt: str) -> torch.Tensor:
        """Ids and mask (2, LENGTH) of one prompt."""
        found = self.tokenizer.encode(prompt)
        return torch.tensor([found.ids, found.attention_mask])


@dataclass(frozen=True)
class ImageReward:
    """Settings of ImageReward."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "ImageReward.pt, or its tensors as safetensors, under models/rewards, with "
            "the vocab.txt of bert-base-uncased beside it.",
            "checkpoint": FileFilter(is_image_reward, SOURCE),
        },
    )

    def load(self, files: Files | None = None) -> ImageRewardScorer:
        """The tokenizer is made of the vocab.txt beside the weights."""
        files = files or Files()
        path = files.find(self.checkpoint)
        vision, text, head = load_parts(path)
        tokenizer = load_tokenizer(path, text.config.vocab_size, LENGTH)
        dtype = files.dtype(torch.float16)
        return ImageRewardScorer(
            ImageRewardModel(vision.to(dtype), text.to(dtype), head).eval(), tokenizer
        )
