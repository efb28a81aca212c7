"""The preprocessing of images and videos of Qwen2-VL, in torch, which passes gradients."""

import math

import torch

from ..likeness.clip_pixels import MEAN, STD
from ..pixels.resize import resized

PATCH = 14  # side of a patch, in pixels
MERGE = 2  # side of a token, in patches
FRAMES = 2  # frames in each patch; an image counts as two equal ones
FACTOR = PATCH * MERGE


def fit(height: int, width: int, least: int, most: int | None = None) -> tuple[int, int]:
    """The size (height, width) nearest in shape, with sides that are multiples of `FACTOR`.

    A larger image shrinks to at most `most`, a smaller one grows to at least `least`.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        least: smallest area, in pixels.
        most: largest area, in pixels; None if it is `least`.
    """
    if max(height, width) > 200 * min(height, width):
        raise ValueError(
            f"The image is too narrow: got {width}x{height}, expected sides within 200 times of "
            "each other."
        )
    most = least if most is None else most
    sides = [max(FACTOR, round(side / FACTOR) * FACTOR) for side in (height, width)]
    if sides[0] * sides[1] > most:
        shrink = math.sqrt(height * width / most)
        sides = [math.floor(side / shrink / FACTOR) * FACTOR for side in (height, width)]
    elif sides[0] * sides[1] < least:
        grow = math.sqrt(least / (height * width))
        sides = [math.ceil(side * grow / FACTOR) * FACTOR for side in (height, width)]
    return sides[0], sides[1]


def qwen_patches(image: torch.Tensor, area: int) -> tuple[torch.Tensor, tuple[int, int, int]]:
    """Image (H, W, 3) in [0, 1], resized to about `area` pixels -> as `clip_patches`."""
    planes = _normalised(image[None], fit(*image.shape[:2], area))
    return _patches(planes.expand(FRAMES, -1, -1, -1))


def clip_patches(
    frames: torch.Tensor, least: int, most: int
) -> tuple[torch.Tensor, tuple[int, int, int]]:
    """Frames (T, H, W, 3) in [0, 1], T even -> patches, and how they lie.

    Antialiased bicubic interpolation, clamped to [0, 1], normalised as CLIP's. The patches of one
    token follow each other. Differs from the 8-bit reference only by the rounding there.

    Args:
        frames: of the video.
        least: smallest area of a frame, in pixels.
        most: largest area of a frame, in pixels.

    Returns: patches (N, 3 * FRAMES * PATCH^2), and (pairs of frames, rows, columns) of them.
    """
    return _patches(_normalised(frames, fit(*frames.shape[1:3], least, most)))


def _normalised(frames: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Frames (T, H, W, 3) -> planes (T, 3, *size)."""
    planes = resized(frames.permute(0, 3, 1, 2), size, "bicubic").clamp(0.0, 1.0)
    mean, std = (planes.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (planes - mean) / std


def _patches(planes: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int, int]]:
    count, (down, across) = len(planes) // FRAMES, (side // PATCH for side in planes.shape[-2:])
    cells = planes.reshape(
        count, FRAMES, 3, down // MERGE, MERGE, PATCH, across // MERGE, MERGE, PATCH
    )
    cells = cells.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return cells.reshape(count * down * across, -1), (count, down, across)
