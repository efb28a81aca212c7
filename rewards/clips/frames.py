"""Videos (B, T, H, W, 3) in [0, 1]: their frames, and how a reward for images scores them."""

from collections.abc import Collection
from dataclasses import field
from typing import Any

import torch

from ..types import Group, Itemised, Learns, ReadsClips, Scorer, ScoresGroups, check_batch


def frames_setting() -> int:
    """The setting `frames` of a reward for videos."""
    tooltip = (
        "Evenly spaced frames to score, first and last included. 1 is the middle frame, 0 is all."
    )
    return field(default=8, metadata={"min": 0, "max": 10_000, "step": 1, "tooltip": tooltip})


def reads_clips(scorer: Scorer) -> bool:
    """Whether `scorer` scores whole videos."""
    return isinstance(scorer, ReadsClips) and scorer.clips


def as_clips(images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
    """Videos unchanged, images (B, H, W, 3) as videos of one frame; ValueError for other shapes."""
    if images.ndim != 5:
        check_batch(images, prompts)
        return images[:, None]
    if images.shape[1] == 0:
        raise ValueError(
            f"The video has no frames: got shape {tuple(images.shape)}, expected at least one "
            "frame."
        )
    check_batch(images[:, 0], prompts)
    return images


def evenly_spaced(videos: torch.Tensor, count: int) -> torch.Tensor:
    """`count` evenly spaced frames of each video; all frames if `count` is 0 or too large."""
    length = videos.shape[1]
    if count == 0 or count >= length:
        return videos
    if count == 1:
        return videos[:, length // 2 : length // 2 + 1]
    return videos[:, [round(i * (length - 1) / (count - 1)) for i in range(count)]]


def frame_scores(scorer: Scorer, groups: Collection[Group]) -> list[torch.Tensor]:
    """Score each frame as an image.

    Args:
        scorer: a scorer of images.
        groups: videos (B, T, H, W, 3) in [0, 1] and their B prompts.

    Returns: scores (B, T) of each group.
    """
    shapes = [videos.shape[:2] for videos, _ in groups]
    frames = [
        (videos.flatten(0, 1), [prompt for prompt in prompts for _ in range(videos.shape[1])])
        for videos, prompts in groups
    ]
    scores = score_groups(scorer, frames).split([count * length for count, length in shapes])
    return [rows.view(shape) for rows, shape in zip(scores, shapes, strict=True)]


def score_any(scorer: Scorer, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
    """Score images or videos. A reward for images scores a video by the mean over its frames.

    Args:
        scorer: a scorer of images or videos.
        images: (B, H, W, 3) or (B, T, H, W, 3) in [0, 1].
        prompts: B prompts.

    Returns: scores (B,).
    """
    return score_groups(scorer, [(images, prompts)])


def score_groups(scorer: Scorer, groups: Collection[Group]) -> torch.Tensor:
    """Score images or videos of several sizes. Their scores compare as those of one call do.

    Args:
        scorer: a scorer of images or videos.
        groups: images (B, H, W, 3) with their B prompts, or videos (B, T, H, W, 3) in every group.

    Returns: scores of all groups, one after the other.
    """
    if not reads_clips(scorer) and any(images.ndim == 5 for images, _ in groups):
        videos = [(as_clips(images, prompts), prompts) for images, prompts in groups]
        return torch.cat([scores.mean(1) for scores in frame_scores(scorer, videos)])
    if isinstance(scorer, ScoresGroups):
        return scorer.score_groups(groups)
    return torch.cat([scorer.score(images, prompts) for images, prompts in groups])


def blame_any(scorer: Scorer, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
    """Where images (B, H, W, 3) are wrong, (B, H, W), or videos, (B, T, H, W).

    A scorer of images blames the frames of a video one by one.

    Args:
        scorer: one that blames.
        images: (B, H, W, 3) or (B, T, H, W, 3) in [0, 1].
        prompts: B prompts.
    """
    if images.ndim == 5 and not reads_clips(scorer):
        videos = as_clips(images, prompts)
        repeated = [prompt for prompt in prompts for _ in range(videos.shape[1])]
        return scorer.blame(videos.flatten(0, 1), repeated).view(videos.shape[:-1])
    return scorer.blame(images, prompts)


def items_any(
    scorer: Itemised, images: torch.Tensor, prompts: list[str]
) -> list[list[dict[str, Any]]]:
    """What holds in images (B, H, W, 3) or videos (B, T, H, W, 3), by a scorer that is itemised.

    A scorer of images says it of the middle frame of a video.

    Args:
        scorer: one that is itemised.
        images: in [0, 1].
        prompts: B prompts.
    """
    if images.ndim == 5 and not reads_clips(scorer):
        images = evenly_spaced(as_clips(images, prompts), 1)[:, 0]
    return scorer.items(images, prompts)


def fresh(scorer: Scorer) -> Scorer:
    """The scorer for a new run; a scorer that learns nothing is its own."""
    return scorer.fresh() if isinstance(scorer, Learns) else scorer


def learns(scorer: Scorer) -> bool:
    """Whether a score depends on earlier images of the run."""
    return isinstance(scorer, Learns) and scorer.learns


def learned(scorer: Scorer) -> Any:
    """What it has learned, as lists of numbers; None while it still learns."""
    return scorer.learned if isinstance(scorer, Learns) else []


def taught(scorer: Scorer, learned: Any) -> Scorer:
    """The scorer for a run in which `learned` has been learned elsewhere."""
    return scorer.taught(learned) if isinstance(scorer, Learns) else scorer
