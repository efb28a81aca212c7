"""VideoReward: how people would judge a video for its prompt, by a Qwen2-VL with a reward head.

    VQ, MQ, TA = (head(h_k) - mean_k) / deviation_k,    h_k = the last hidden state at token k
    overall    = VQ + MQ + TA

VQ is visual quality, MQ motion quality, TA agreement with the text, each by the mean and deviation
that the authors publish: 0 is their average. Any number. Liu et al., arXiv 2501.13918. The trunk
reads 2 frames a second, at least 4, and the authors' instructions. A frame has up to 448 * 448
pixels. Videos are scored one by one. An image is a video of two equal frames. Differentiable in the
frames.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.file_filter import FileFilter
from ..files.small_memory import memory_field
from ..likeness.clip_pixels import nan_where_not_finite
from ..question.qwen_pixels import FRAMES, clip_patches
from ..question.qwen_trunk import (
    BEFORE,
    TextCache,
    check_text,
    ids_of,
    qwen_tokenizer,
    reward_tokens,
    shrink_trunk,
)
from ..types import Files
from .frames import as_clips
from .video_reward_model import (
    SOURCE,
    VideoConfig,
    VideoRewardTrunk,
    is_video_reward,
    load_trunk,
    read_file,
)
from .video_reward_prompt import questions

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LEAST_AREA = 128 * 28 * 28  # of a frame, in pixels
LEAST, MOST = 4, 768  # frames
TOKENS = ("<|VQ_reward|>", "<|MQ_reward|>", "<|TA_reward|>")
ASPECTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {  # normalised scores (3,) -> ()
    "overall": torch.sum,
    "visual_quality": lambda scores: scores[0],
    "motion_quality": lambda scores: scores[1],
    "text_alignment": lambda scores: scores[2],
}


def sampled(length: int, fps: float, rate: float) -> list[int]:
    """The frames to read of a video, as the authors choose them: an even number, evenly spaced.

    Args:
        length: frames of the video.
        fps: frames of the video in a second.
        rate: frames to read of each second.
    """
    most = min(MOST, length) // FRAMES * FRAMES
    count = min(max(length / fps * rate, LEAST), most)
    count = round(count / FRAMES) * FRAMES
    if count == 0:
        return [0] * FRAMES
    return torch.linspace(0, length - 1, count).round().long().tolist()


@dataclass(frozen=True)
class VideoRewardScorer:
    """A loaded VideoReward. Videos are scored on the device of `module`.

    Args:
        module: trunk and head.
        tokenizer: Qwen's tokenizer.
        rewards: ids of the three reward tokens.
        config: what model_config.json says.
        score_of: which of the scores, a key of `ASPECTS`.
        fps: frames of the videos in a second.
        texts: cache of the token ids of prompts.
    """

    clips: ClassVar[bool] = True

    module: VideoRewardTrunk
    tokenizer: "PreTrainedTokenizerBase"
    rewards: list[int]
    config: VideoConfig
    score_of: str
    fps: float
    texts: TextCache = field(default_factory=TextCache)

    def check(self, prompt: str) -> None:
        check_text(prompt, self.tokenizer, "VideoReward")

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Videos (B, T, H, W, 3) or images (B, H, W, 3) -> (B,) float32."""
        videos = as_clips(images, prompts)
        scores = [
            ASPECTS[self.score_of](self._scores(*pair))
            for pair in zip(videos, prompts, strict=True)
        ]
        if not scores:
            return images.new_zeros(0, dtype=torch.float32)
        return nan_where_not_finite(torch.stack(scores), videos)

    def _scores(self, video: torch.Tensor, prompt: str) -> torch.Tensor:
        """Normalised scores (3,) of a video (T, H, W, 3)."""
        frames = video[sampled(len(video), self.fps, self.config.fps)]
        frames = frames.to(self.module.visual.device, torch.float32)
        patches, grid = clip_patches(frames, LEAST_AREA, self.config.area)
        raw = self.module(patches, grid, self.texts(prompt, self._text))
        means, deviations = (
            raw.new_tensor(row) for row in (self.config.means, self.config.deviations)
        )
        return (raw - means) / deviations

    def _text(self, prompt: str) -> tuple[torch.Tensor, ...]:
        """Token ids before the video, and of each question with its reward token."""
        pairs = zip(questions(prompt), self.rewards, strict=True)
        parts = [[*ids_of(self.tokenizer, text), token] for text, token in pairs]
        return tuple(torch.tensor(ids) for ids in (ids_of(self.tokenizer, BEFORE), *parts))


@dataclass(frozen=True)
class VideoReward:
    """Settings of VideoReward."""

    gradient: ClassVar[bool] = True

    checkpoint: str = field(
        default="",
        metadata={
            "tooltip": "checkpoint-11352/model.pth of VideoReward, under models/rewards. Keep "
            "model_config.json in the folder above.",
            "checkpoint": FileFilter(is_video_reward, SOURCE),
        },
    )
    score: str = field(
        default="overall",
        metadata={
            "tooltip": "overall is the sum of visual_quality, motion_quality and text_alignment.",
            "choices": tuple(ASPECTS),
        },
    )
    fps: float = field(
        default=16.0,
        metadata={
            "tooltip": "Frames per second of the video. VideoReward reads 2 frames of each second, "
            "at least 4.",
            "min": 1.0,
            "max": 240.0,
            "step": 0.5,
        },
    )
    memory: str = memory_field()

    def load(self, files: Files | None = None) -> VideoRewardScorer:
        """Uses `files.tokenizers["qwen"]`. The trunk is bfloat16 as published, if supported."""
        files = files or Files()
        tokenizer = qwen_tokenizer(files, "VideoReward")
        file = read_file(files.find(self.checkpoint))
        trunk = load_trunk(file, files.dtype(torch.bfloat16))
        shrink_trunk(trunk, self.memory, files)
        words = trunk.model.get_input_embeddings().num_embeddings
        tokens = reward_tokens(tokenizer, TOKENS, file.path, words, SOURCE)
        return VideoRewardScorer(trunk, tokenizer, tokens, file.config, self.score, self.fps)
