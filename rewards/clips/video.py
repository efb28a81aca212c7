"""Video: scores a video by a reward for images, applied to its frames and pooled.

    mean       m = (1/K) sum_t r_t
    minimum    min_t r_t
    steady     m - lambda sqrt((1/K) sum_t (r_t - m)^2)

r_t is the connected reward's score of frame t of K evenly spaced frames. Range, unit and direction
are those of that reward; only steady can fall below its lowest score. An image is a video of one
frame. Differentiable in the frames where the connected reward is.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch

from ..types import Files, Group, Scorer, blames, itemised, maximum_of
from .frames import (
    as_clips,
    blame_any,
    evenly_spaced,
    frame_scores,
    frames_setting,
    fresh,
    items_any,
    learned,
    learns,
    reads_clips,
    taught,
)

MEAN, MINIMUM, STEADY = "mean", "minimum", "steady"


def pooled(scores: torch.Tensor, pooling: str, weight: float) -> torch.Tensor:
    """Scores of frames -> scores of videos; a NaN among them gives NaN.

    Args:
        scores: (B, K).
        pooling: "mean", "minimum" or "steady".
        weight: factor of the standard deviation, only for "steady".

    Returns: (B,).
    """
    if pooling == MINIMUM:
        return scores.amin(1)
    mean = scores.mean(1)
    if pooling == MEAN:
        return mean
    # Unlike the root of a variance, a norm has a gradient (0) where all frames score the same.
    deviation = torch.linalg.vector_norm(scores - mean[:, None], dim=1) / scores.shape[1] ** 0.5
    return mean - weight * deviation


@dataclass(frozen=True)
class VideoScorer:
    """Scores videos frame by frame.

    Args:
        scorer: a scorer of images.
        frames: evenly spaced frames to score, 0 for all.
        pooling: "mean", "minimum" or "steady".
        weight: factor of the standard deviation, only for "steady".
    """

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

    @property
    def itemised(self) -> bool:
        return itemised(self.scorer)

    @property
    def learns(self) -> bool:
        return learns(self.scorer)

    @property
    def learned(self) -> Any:
        return learned(self.scorer)

    def fresh(self) -> "VideoScorer":
        return replace(self, scorer=fresh(self.scorer))

    def taught(self, learned: Any) -> "VideoScorer":
        return replace(self, scorer=taught(self.scorer, learned))

    def check(self, prompt: str) -> None:
        self.scorer.check(prompt)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Videos (B, T, H, W, 3) or images (B, H, W, 3) -> (B,)."""
        return self.score_groups([(images, prompts)])

    def score_groups(self, groups: Collection[Group]) -> torch.Tensor:
        """As `score`, for videos of several sizes: the groups are one call."""
        videos = [(as_clips(images, prompts), prompts) for images, prompts in groups]
        frames = [(evenly_spaced(clips, self.frames), prompts) for clips, prompts in videos]
        scores = [
            # A NaN in a frame that is not scored must still give NaN.
            pooled(rows, self.pooling, self.weight).masked_fill(
                ~torch.isfinite(clips).flatten(1).all(1).to(rows.device), float("nan")
            )
            for rows, (clips, _) in zip(frame_scores(self.scorer, frames), videos, strict=True)
        ]
        return torch.cat(scores)

    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Where the frames of videos, or images, are wrong by the connected reward."""
        return blame_any(self.scorer, images, prompts)

    def items(self, images: torch.Tensor, prompts: list[str]) -> list[list[dict[str, Any]]]:
        """What holds in the middle frame of videos, or in images, by the connected reward."""
        return items_any(self.scorer, images, prompts)


@dataclass(frozen=True)
class Video:
    """Settings of Video."""

    gradient: ClassVar[bool] = True

    frame_reward: Scorer | None = field(
        default=None,
        metadata={
            "tooltip": "The reward that scores each frame as an image, from a Reward Model Loader "
            "or Combine Rewards.",
            "socket": "reward",
        },
    )
    frames: int = frames_setting()
    pooling: str = field(
        default=MEAN,
        metadata={
            "tooltip": "How frame scores become one: mean, minimum (the worst frame), or steady "
            "(mean minus spread_weight times the standard deviation).",
            "choices": (MEAN, MINIMUM, STEADY),
        },
    )
    spread_weight: float = field(
        default=1.0,
        metadata={
            "tooltip": "Only for pooling steady: factor of the standard deviation that is "
            "subtracted from the mean.",
            "min": 0.0,
            "max": 1000.0,
            "step": 0.05,
        },
    )

    def load(self, files: Files | None = None) -> VideoScorer:
        """ValueError unless a reward for images is connected."""
        if self.frame_reward is None:
            raise ValueError(
                "`frame_reward` is not connected: got nothing, expected a reward for images."
            )
        if reads_clips(self.frame_reward):
            raise ValueError(
                "`frame_reward` cannot score single frames: got a reward for whole videos, "
                "expected one for images. Use Combine Rewards to use both."
            )
        return VideoScorer(self.frame_reward, self.frames, self.pooling, self.spread_weight)
