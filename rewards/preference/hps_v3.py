"""HPSv3: how much people would like the image for its prompt, by a Qwen2-VL with a reward head.

    score = mu,    (mu, s) = head(h),    h = the trunk's last hidden state at the token <|Reward|>

Ma et al., arXiv 2508.03789. About -5 to 15; the uncertainty s is not used. The trunk reads the
authors' rating instructions and the image, resized to about 256 * 28 * 28 pixels. Images are scored
one by one, so nothing is padded. Differentiable in the images.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.file_filter import FileFilter
from ..files.small_memory import memory_field
from ..likeness.clip_pixels import nan_where_not_finite
from ..question.qwen_pixels import qwen_patches
from ..question.qwen_trunk import (
    BEFORE,
    TextCache,
    check_text,
    ids_of,
    qwen_tokenizer,
    reward_tokens,
    shrink_trunk,
)
from ..types import Files, check_batch
from .hps_v3_model import SOURCE, HpsV3Trunk, is_hps_v3, load_trunk
from .hps_v3_prompt import AFTER, instruction

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

AREA = 256 * 28 * 28


@dataclass(frozen=True)
class HpsV3Scorer:
    """A loaded HPSv3. Images are scored on the device of `module`.

    Args:
        module: trunk and head.
        tokenizer: Qwen's tokenizer.
        reward: id of the token <|Reward|>.
        texts: cache of the token ids of prompts.
    """

    module: HpsV3Trunk
    tokenizer: "PreTrainedTokenizerBase"
    reward: int
    texts: TextCache = field(default_factory=TextCache)

    def check(self, prompt: str) -> None:
        check_text(prompt, self.tokenizer, "HPSv3")

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        scores = [self._score(*pair) for pair in zip(images, prompts, strict=True)]
        if not scores:
            return images.new_zeros(0, dtype=torch.float32)
        return nan_where_not_finite(torch.stack(scores), images)

    def _score(self, image: torch.Tensor, prompt: str) -> torch.Tensor:
        device = self.module.visual.device
        patches, grid = qwen_patches(image.to(device, torch.float32), AREA)
        return self.module(patches, grid, self.texts(prompt, self._text))[0]

    def _text(self, prompt: str) -> tuple[torch.Tensor, ...]:
        """Token ids before the image, between it and the reward token, and from there on."""
        before, between, after = (
            ids_of(self.tokenizer, text) for text in (BEFORE, instruction(prompt), AFTER)
        )
        return tuple(torch.tensor(ids) for ids in (before, between, [self.reward, *after]))


@dataclass(frozen=True)
class HpsV3:
    """Settings of HPSv3."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "HPSv3.safetensors under models/rewards.",
            "checkpoint": FileFilter(is_hps_v3, SOURCE),
        },
    )
    memory: str = memory_field()

    def load(self, files: Files | None = None) -> HpsV3Scorer:
        """Uses `files.tokenizers["qwen"]`. The trunk is bfloat16 as published, if supported."""
        files = files or Files()
        tokenizer = qwen_tokenizer(files, "HPSv3")
        path = files.find(self.checkpoint)
        trunk = load_trunk(path, files.dtype(torch.bfloat16))
        shrink_trunk(trunk, self.memory, files)
        words = trunk.model.get_input_embeddings().num_embeddings
        (reward,) = reward_tokens(tokenizer, ["<|Reward|>"], path, words, SOURCE)
        return HpsV3Scorer(trunk, tokenizer, reward)
