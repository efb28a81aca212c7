"""The image preprocessing of Qwen2-VL at a fixed area, in torch, which passes gradients."""

import math

import torch

from ..likeness.clip_pixels import MEAN, STD
from ..pixels.resize import resized

PATCH = 14  # side of a patch, in pixels
MERGE = 2  # side of a token, in patches
FRAMES = 2  # copies of the image in each patch
FACTOR = PATCH * MERGE


def fit(height: int, width: int, area: int) -> tuple[int, int]:
    """The size (height, width) nearest in shape, with sides that are multiples of `FACTOR`.

    A larger image shrinks to at most `area`, a smaller one grows to at least `area`.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        area: wished for, in pixels.
    """
    if max(height, width) > 200 * min(height, width):
        raise ValueError(
            f"The image is too narrow: got {width}x{height}, expected sides within 200 times of "
            "each other."
        )
    sides = [max(FACTOR, round(side / FACTOR) * FACTOR) for side in (height, width)]
    if sides[0] * sides[1] > area:
        shrink = math.sqrt(height * width / area)
        sides = [math.floor(side / shrink / FACTOR) * FACTOR for side in (height, width)]
    elif sides[0] * sides[1] < area:
        grow = math.sqrt(area / (height * width))
        sides = [math.ceil(side * grow / FACTOR) * FACTOR for side in (height, width)]
    return sides[0], sides[1]


def qwen_patches(image: torch.Tensor, area: int) -> tuple[torch.Tensor, tuple[int, int]]:
    """Image (H, W, 3) in [0, 1] -> patches (N, 3 * FRAMES * PATCH^2), and (rows, columns) of them.

    Antialiased bicubic interpolation, clamped to [0, 1], normalised as CLIP's. The patches of one
    token follow each other. Differs from the 8-bit reference only by the rounding there.
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
