"""The image side of Qwen2-VL preprocessing at a fixed area, in torch, so that gradients pass."""

import math

import torch

from ..likeness.clip_pixels import MEAN, STD
from ..resize import resized

PATCH = 14  # pixels to a side of a patch
MERGE = 2  # patches to a side of a token
FRAMES = 2  # of which each patch holds as many copies
FACTOR = PATCH * MERGE


def fit(height: int, width: int, area: int) -> tuple[int, int]:
    """The size nearest in shape whose sides are multiples of ``FACTOR``, of about ``area``.

    It is rounded to the area's side that it was on: down from above, up from below.
    """
    if max(height, width) > 200 * min(height, width):
        raise ValueError(f"picture of {width}x{height}: a side is over 200 times the other")
    sides = [max(FACTOR, round(side / FACTOR) * FACTOR) for side in (height, width)]
    if sides[0] * sides[1] > area:
        shrink = math.sqrt(height * width / area)
        sides = [math.floor(side / shrink / FACTOR) * FACTOR for side in (height, width)]
    elif sides[0] * sides[1] < area:
        grow = math.sqrt(area / (height * width))
        sides = [math.ceil(side * grow / FACTOR) * FACTOR for side in (height, width)]
    return sides[0], sides[1]


def qwen_patches(image: torch.Tensor, area: int) -> tuple[torch.Tensor, tuple[int, int]]:
    """Image (H, W, 3) in [0, 1] -> patches (N, 3 * FRAMES * PATCH^2), and how many down and across.

    Antialiased bicubic interpolation, cut to [0, 1], normalised as CLIP's. The patches of a token
    follow each other. Differs from the 8-bit reference by its rounding.
    """
    planes = image.permute(2, 0, 1)[None]
    size = fit(*planes.shape[-2:], area)
    planes = resized(planes, size, "bicubic")
    mean, std = (planes.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    planes = ((planes.clamp(0.0, 1.0) - mean) / std)[0]
    down, across = size[0] // PATCH, size[1] // PATCH
    cells = planes.reshape(3, down // MERGE, MERGE, PATCH, across // MERGE, MERGE, PATCH)
    cells = cells.permute(1, 4, 2, 5, 0, 3, 6)[:, :, :, :, :, None]
    cells = cells.expand(-1, -1, -1, -1, -1, FRAMES, -1, -1)
    return cells.reshape(down * across, -1), (down, across)
