"""ImageReward v1.0: how much people would like the image for its prompt.

    score = (MLP(h) - 0.16717362830052426) / 1.0333394966054072

h is the state of BLIP's text encoder at [CLS]. The encoder reads the prompt and, by cross
attention, the image. The MLP is linear. Xu et al., arXiv 2304.05977. Standardised over the authors'
images: about -2.3 to 2, higher is better. Differentiable in the images. The rest of a batch changes
a score only by rounding. Only tokens are cached, because text features depend on the image.
"""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.file_filter import FileFilter
from ..likeness.clip_pixels import clip_pixels, nan_where_not_finite
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
    """Pixels, token ids and their mask -> scores.

    Args:
        vision: BLIP's vision tower.
        text: BLIP's text encoder.
        head: state (B, D) -> (B, 1).
    """

    def __init__(
        self, vision: "BlipVisionModel", text: "BlipTextModel", head: torch.nn.Sequential
    ) -> None:
        super().__init__()
        self.vision, self.text, self.head = vision, text, head

    def forward(self, pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Score a batch.

        Args:
            pixels: (B, 3, S, S), normalised.
            ids: token ids (B, L).
            mask: attention mask (B, L).

        Returns: (B,) float32.
        """
        image = self.vision(pixel_values=pixels.to(self.vision.dtype)).last_hidden_state
        # Only cross attention needs the configuration of a decoder; attention is not causal.
        text = self.text(
            input_ids=ids, attention_mask=mask, encoder_hidden_states=image, is_decoder=False
        )
        return (self.head(text.last_hidden_state[:, 0].float())[:, 0] - MEAN) / STD


@dataclass(frozen=True)
class ImageRewardScorer:
    """A loaded ImageReward. Images are scored on the device of `module`.

    Args:
        module: the model.
        tokenizer: BERT's tokenizer.
        tokens: cache of the token ids and masks of prompts.
    """

    module: ImageRewardModel
    tokenizer: "Tokenizer"
    tokens: Memo[torch.Tensor] = field(default_factory=Memo)

    def check(self, prompt: str) -> None:
        check_characters(prompt)
        if not prompt.strip():
            raise ValueError(
                "ImageReward needs a prompt: got an empty prompt, expected text to judge the "
                "image by."
            )
        if self.tokenizer.encode(prompt).overflowing:
            log.warning("ImageReward reads only the first %d tokens of the prompt", LENGTH - 2)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        vision = self.module.vision
        pixels = clip_pixels(images.to(vision.device, torch.float32), vision.config.image_size)
        tokens = torch.stack([self.tokens(prompt, self._tokens) for prompt in prompts])
        scores = self.module(pixels, *tokens.to(vision.device).unbind(1))
        return nan_where_not_finite(scores, images)

    def _tokens(self, prompt: str) -> torch.Tensor:
        """Ids and mask (2, LENGTH) of one prompt."""
        encoding = self.tokenizer.encode(prompt)
        return torch.tensor([encoding.ids, encoding.attention_mask])


@dataclass(frozen=True)
class ImageReward:
    """Settings of ImageReward."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "ImageReward.pt or its safetensors version under models/rewards, next to "
            "the vocab.txt of bert-base-uncased.",
            "checkpoint": FileFilter(is_image_reward, SOURCE),
        },
    )

    def load(self, files: Files | None = None) -> ImageRewardScorer:
        """Load the model, and the tokenizer from the vocab.txt next to it."""
        files = files or Files()
        path = files.find(self.checkpoint)
        vision, text, head = load_parts(path)
        tokenizer = load_tokenizer(path, text.config.vocab_size, LENGTH)
        dtype = files.dtype(torch.float16)
        return ImageRewardScorer(
            ImageRewardModel(vision.to(dtype), text.to(dtype), head).eval(), tokenizer
        )
