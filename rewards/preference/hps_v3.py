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
from ..likeness.clip_pixels import nan_where_not_finite
from ..memo import Memo
from ..question.qwen_pixels import qwen_patches
from ..types import Files, check_batch, check_characters
from .hps_v3_model import SOURCE, HpsV3Trunk, is_hps_v3, load_trunk
from .hps_v3_prompt import AFTER, BEFORE, instruction

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
    texts: Memo[tuple[torch.Tensor, ...]] = field(default_factory=Memo)

    def check(self, prompt: str) -> None:
        check_characters(prompt)
        if not prompt.strip():
            raise ValueError(
                "HPSv3 needs a prompt: got an empty prompt, expected text to judge the image by."
            )
        if commands := [token for token in self.tokenizer.get_added_vocab() if token in prompt]:
            raise ValueError(
                f"The model reads part of the prompt as a command: got {commands[0]!r}, expected "
                "plain text."
            )

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
            self.tokenizer(text, add_special_tokens=False)["input_ids"]
            for text in (BEFORE, instruction(prompt), AFTER)
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

    def load(self, files: Files | None = None) -> HpsV3Scorer:
        """Uses `files.tokenizers["qwen"]`. The trunk is bfloat16 as published, if supported."""
        from transformers import AutoTokenizer

        files = files or Files()
        if "qwen" not in files.tokenizers:
            raise ValueError("HPSv3 has no tokenizer: got none, expected the tokenizer of Qwen.")
        tokenizer = AutoTokenizer.from_pretrained(
            files.tokenizers["qwen"], local_files_only=True, trust_remote_code=False
        )
        path = files.find(self.checkpoint)
        trunk = load_trunk(path, files.dtype(torch.bfloat16))
        # Qwen2-VL has no token after this one, so the authors added <|Reward|> there. Later Qwen
        # tokenizers have more tokens.
        reward = tokenizer.convert_tokens_to_ids("<|video_pad|>") + 1
        rows = trunk.model.get_input_embeddings().num_embeddings
        if rows <= reward:
            problem = f"has {rows} tokens, too few for <|Reward|>, which is number {reward}"
            raise SOURCE.error(path, problem)
        return HpsV3Scorer(trunk, tokenizer, reward)
