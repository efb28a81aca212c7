"""Measures that no search optimises: do shapes and colours agree, and how different are results?

They share no code with the rewards. Here a shape is what differs from the ground, the image's
median, and its colour is the nearest of the demo's palette.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from ..demo.scenes import COLOURS, SHAPES
from ..demo.text import parse

GROUND = 0.45  # distance in RGB up to which a pixel is the ground
LEAST_AREA = 40  # pixels of 128 x 128; a drawn shape has 177 or more
# Area over that of the circumscribed circle: circle 1, square 2/pi, triangle 3 sqrt(3)/(4 pi).
FULLNESS = {"circle": 1.0, "square": 2 / math.pi, "triangle": 3 * math.sqrt(3) / (4 * math.pi)}


def shapes_in(picture: torch.Tensor) -> Counter[tuple[str, str]]:
    """How often each (colour, shape) is in an image (H,W,3) with values in [0, 1]."""
    counts: Counter[tuple[str, str]] = Counter()
    pixels, palette = picture.numpy(), np.array(list(COLOURS.values()))
    ground = np.median(pixels.reshape(-1, 3), axis=0)
    labels, count = ndimage.label(np.linalg.norm(pixels - ground, axis=-1) > GROUND)
    for number in range(1, count + 1):
        at = np.argwhere(labels == number)
        if len(at) >= LEAST_AREA:
            reach = np.linalg.norm(at - at.mean(0), axis=1).max() + 0.5
            full = len(at) / (math.pi * reach**2)
            shape = min(FULLNESS, key=lambda name: abs(FULLNESS[name] - full))
            apart = np.linalg.norm(palette - np.median(pixels[labels == number], axis=0), axis=1)
            counts[list(COLOURS)[apart.argmin()], shape] += 1
    return counts


def agreement(picture: torch.Tensor, prompt: str) -> float:
    """2 |prompt and image| / (|prompt| + |image|) over (colour, shape) counts, from 0 to 1."""
    expected: Counter[tuple[str, str]] = Counter()
    for count, colour, shape in parse(prompt):
        expected[list(COLOURS)[colour], list(SHAPES)[shape]] += count
    shown = shapes_in(picture)
    return 2 * (expected & shown).total() / (expected.total() + shown.total())


def diversity(pictures: list[torch.Tensor]) -> float:
    """Mean distance between images (H,W,3) of one prompt: root mean square at 16 x 16 pixels."""
    small = [F.adaptive_avg_pool2d(p.permute(2, 0, 1), 16) for p in pictures]
    pairs = itertools.combinations(small, 2)
    return float(np.mean([(a - b).square().mean().sqrt() for a, b in pairs]))
