"""EditReward: how good an edit of an image is, by a Qwen2.5-VL or MiMo-VL with two reward heads.

    score = (mu_1 + mu_2) / 2,    (mu_k, s_k) = head_k(h_k)

h_k is the trunk's last hidden state at the token <|Reward|> behind the k-th instruction: whether
the edit was done and the rest kept, and how real the image looks. Any number. Wu et al., arXiv
2509.26346. The prompt says what the edit should do. The uncertainties s_k are not used. Both images
are resized to about 256 * 28 * 28 pixels. Images are scored one by one. Differentiable in the
images.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ..files.file_filter import FileFilter
from ..files.small_memory import memory_field
from ..likeness.clip_pixels import nan_where_not_finite
from ..question.edits import checked_source
from ..question.qwen_pixels import qwen_patches
from ..question.qwen_trunk import TextCache, check_text, ids_of, shrink_trunk
from ..types import Files, check_batch
from .edit_reward_model import (
    SOURCE,
    EditChat,
    EditRewardTrunk,
    is_edit_reward,
    load_chat,
    load_trunk,
    reward_token,
)
from .edit_reward_prompt import instructions

AREA = 256 * 28 * 28


@dataclass(frozen=True)
class EditRewardScorer:
    """A loaded EditReward. Images are scored on the device of `module`.

    Args:
        module: trunk and heads.
        chat: tokenizer and chat template.
        reward: id of the token <|Reward|>.
        source: (1, H, W, 3) in [0, 1], the image before the edit.
        texts: cache of the token ids of prompts.
    """

    module: EditRewardTrunk
    chat: EditChat
    reward: int
    source: torch.Tensor
    texts: TextCache = field(default_factory=TextCache)

    def check(self, prompt: str) -> None:
        check_text(prompt, self.chat.tokenizer, "EditReward")

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        with torch.no_grad():
            source = self._tokens(self.source[0])
        scores = [
            self.module(source, self._tokens(image), self.texts(prompt, self._text))
            for image, prompt in zip(images, prompts, strict=True)
        ]
        return nan_where_not_finite(torch.stack(scores), images)

    def _tokens(self, image: torch.Tensor) -> torch.Tensor:
        """Tokens (N, D) of an image (H, W, 3)."""
        image = image.to(self.module.visual.device, torch.float32)
        return self.module.see(*qwen_patches(image, AREA))

    def _text(self, prompt: str) -> tuple[torch.Tensor, ...]:
        """Token ids before the images, between them, and after them for each head."""
        chats = [self.chat.parts(text) for text in instructions(prompt)]
        before, between, _ = chats[0]
        ids = [ids_of(self.chat.tokenizer, text) for text in (before, between)]
        ids += [[*ids_of(self.chat.tokenizer, after), self.reward] for *_, after in chats]
        return tuple(map(torch.tensor, ids))


@dataclass(frozen=True)
class EditReward:
    """Settings of EditReward."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "Folder of EditReward, with the config.json, tokenizer and chat template of "
            "its base model.",
            "checkpoint": FileFilter(is_edit_reward, SOURCE),
        },
    )
    source: "torch.Tensor | None" = field(
        default=None,
        metadata={
            "tooltip": "The image before the edit. The prompt says what the edit should do.",
            "socket": "image",
        },
    )
    memory: str = memory_field()

    def load(self, files: Files | None = None) -> EditRewardScorer:
        """The trunk is bfloat16 as published, if supported."""
        source, files = checked_source(self.source), files or Files()
        if source is None:
            raise ValueError(
                "`source` is not connected: got nothing, expected the image before the edit."
            )
        path = files.find(self.checkpoint)
        trunk = load_trunk(path, files.dtype(torch.bfloat16))
        chat = load_chat(path)
        shrink_trunk(trunk, self.memory, files)
        words = trunk.model.get_input_embeddings().num_embeddings
        return EditRewardScorer(trunk, chat, reward_token(chat, words, path), source)
