"""Video by a reward of pictures: scores of a clip's frames, pooled.

    mean       m = (1/K) sum_t r_t
    minimum    min_t r_t
    steady     m - lambda sqrt((1/K) sum_t (r_t - m)^2)

r_t is what the connected reward gives frame t of K evenly spaced ones. Range, units and direction
are that reward's, but that steady may fall below its least score. A picture is a clip of one frame.
Differentiable in the frames where the connected reward is.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from ..combine import fresh
from ..types import Files, Scorer, blames, maximum_of
from .frames import as_clips, blame_any, evenly_spaced, frame_scores, frames_setting, reads_clips

MEAN, MINIMUM, STEADY = "mean", "minimum", "steady"


def pooled(scores: torch.Tensor, pooling: str, weight: float) -> torch.Tensor:
    """Scores (B, K) of frames -> (B,); a NaN among them gives NaN."""
    if pooling == MINIMUM:
        return scores.amin(1)
    mean = scores.mean(1)
    if pooling == MEAN:
        return mean
    # A norm, unlike the root of a variance, has a gradient (0) where all frames score the same.
    deviation = torch.linalg.vector_norm(scores - mean[:, None], dim=1) / scores.shape[1] ** 0.5
    return mean - weight * deviation


@dataclass(frozen=True)
class VideoScorer:
    """Scores clips frame by frame with ``scorer``, which is a reward of pictures."""

    scorer: Scorer
    frames: int
    pooling: str
    weight: float
    module: ClassVar[None] = None
    clips: ClassVar[bool] = True

    @property
    def maximum(self) -> float | None:
        return maximum_of(self.scorer)

    @property
    def blames(self) -> bool:
        return blames(self.scorer)

    def fresh(self) -> "VideoScorer":
        return replace(self, scorer=fresh(self.scorer))

    def check(self, prompt: str) -> None:
        self.scorer.check(prompt)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Clips (B, T, H, W, 3) or pictures (B, H, W, 3) -> (B,)."""
        clips = as_clips(images, prompts)
        seen = evenly_spaced(clips, self.frames)
        scores = pooled(frame_scores(self.scorer, seen, prompts), self.pooling, self.weight)
        # A NaN in a frame that was left out must show all the same.
        finite = torch.isfinite(clips).flatten(1).all(1)
        return scores.masked_fill(~finite.to(scores.device), float("nan"))

    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Where all frames of clips or pictures are wrong, by the connected reward."""
        return blame_any(self.scorer, images, prompts)


@dataclass(frozen=True)
class Video:
    """Settings of the reward of clips by a reward of pictures."""

    title: ClassVar[str] = "Video (frames by another reward)"
    description: ClassVar[str] = (
        "A clip by any reward of pictures: the mean, the minimum or the steadiness of the scores "
        "of its frames."
    )
    gradient: ClassVar[bool] = True

    frame_reward: Scorer | None = field(
        default=None,
        metadata={
            "tooltip": "From another Reward Model Loader or Combine Rewards: scores the frames as "
            "pictures.",
            "socket": "reward",
        },
    )
    frames: int = frames_setting()
    pooling: str = field(
        default=MEAN,
        metadata={
            "tooltip": "How the frames' scores become one: mean, minimum (the worst frame "
            "decides), or steady (the mean less spread_weight times their standard deviation).",
            "choices": (MEAN, MINIMUM, STEADY),
        },
    )
    spread_weight: float = field(
        default=1.0,
        metadata={
            "tooltip": "Times the standard deviation of the frames' scores, taken off their mean. "
            "Only for pooling steady.",
            "min": 0.0,
            "max": 1000.0,
            "step": 0.05,
        },
    )

    def load(self, files: Files | None = None) -> VideoScorer:
        """ValueError unless a reward of pictures is connected."""
        if self.frame_reward is None:
            raise ValueError(
                "video has nothing to score frames with: a reward of pictures wanted at its input "
                "frame_reward."
            )
        if reads_clips(self.frame_reward):
            raise ValueError(
                "video was given a reward that reads whole clips as its frame_reward: one of "
                "pictures wanted there, the two go together through Combine Rewards."
            )
        return VideoScorer(self.frame_reward, self.frames, self.pooling, self.spread_weight)
