"""Clips, (B, T, H, W, 3) in [0, 1]: their frames, and how a reward of pictures scores them."""

from dataclasses import field

import torch

from ..types import ReadsClips, Scorer, check_batch


def frames_setting() -> int:
    """The setting ``frames`` of a reward of clips."""
    tooltip = (
        "Frames looked at, evenly spaced, the first and the last among them (1: the middle one). "
        "More cost more; 0 takes all."
    )
    return field(default=8, metadata={"min": 0, "max": 10_000, "step": 1, "tooltip": tooltip})


def reads_clips(scorer: Scorer) -> bool:
    """Whether ``scorer`` takes whole clips."""
    return isinstance(scorer, ReadsClips) and scorer.clips


def as_clips(images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
    """Clips as they are, pictures (B, H, W, 3) as clips of one frame; ValueError if neither."""
    if images.ndim != 5:
        check_batch(images, prompts)
        return images[:, None]
    if images.shape[1] == 0:
        raise ValueError(f"clips of shape {tuple(images.shape)}: at least one frame wanted")
    check_batch(images[:, 0], prompts)
    return images


def evenly_spaced(clips: torch.Tensor, count: int) -> torch.Tensor:
    """``count`` frames of each clip, evenly spaced; all of them if it has no more, or for 0."""
    length = clips.shape[1]
    if count == 0 or count >= length:
        return clips
    if count == 1:
        return clips[:, length // 2 : length // 2 + 1]
    return clips[:, [round(i * (length - 1) / (count - 1)) for i in range(count)]]


def frame_scores(scorer: Scorer, clips: torch.Tensor, prompts: list[str]) -> torch.Tensor:
    """(B, T) scores of single frames."""
    count, length = clips.shape[:2]
    asked = [prompt for prompt in prompts for _ in range(length)]
    return scorer.score(clips.flatten(0, 1), asked).view(count, length)


def score_any(scorer: Scorer, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
    """(B,) scores of pictures or clips; a reward of pictures scores a clip by its frames' mean."""
    if images.ndim == 5 and not reads_clips(scorer):
        return frame_scores(scorer, as_clips(images, prompts), prompts).mean(1)
    return scorer.score(images, prompts)


def blame_any(scorer: Scorer, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
    """Where pictures (B, H, W, 3) are wrong, (B, H, W), or clips, (B, T, H, W), by a scorer that
    blames. One of pictures blames the frames of a clip one by one."""
    if images.ndim == 5 and not reads_clips(scorer):
        clips = as_clips(images, prompts)
        asked = [prompt for prompt in prompts for _ in range(clips.shape[1])]
        return scorer.blame(clips.flatten(0, 1), asked).view(clips.shape[:-1])
    return scorer.blame(images, prompts)
