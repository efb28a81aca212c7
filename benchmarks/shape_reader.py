"""Reads coloured shapes out of an image, for judging what a search returns.

It shares no code with the rewards. A pixel p is a mixture of the background b, the image's median,
with one colour c of the palette: p = b + a (c - b). The colour with the least residual has it if
a > 1/2. Connected pixels of one colour are a thing. Circle, square and triangle of its area are
laid over its centre, at the best angle. The thing has the name of the form that covers most of it.
A thing that no form covers well is unclear: two shapes in one, or a broken shape.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import torch
from scipy import ndimage

from ..demo.scenes import COLOURS, SHAPES
from ..demo.text import parse

SPECK = 30  # pixels of 128 x 128 below which a thing is not counted; a drawn shape has 177 or more
COVERED = 0.86  # of a thing by its form; below it the thing is unclear
ANGLES = 16  # that a form is laid over a thing at
UNCLEAR = "unclear"
Pairs = Counter[tuple[str, str]]  # how often each (colour, form) is there


def pairs_in(image: torch.Tensor) -> Pairs:
    """How often each (colour, form) is in an image (128,128,3) with values in [0, 1]."""
    colours, pairs = colour_of_pixels(image.numpy().astype(np.float64)), Counter()
    for index, colour in enumerate(COLOURS):
        labels, count = ndimage.label(colours == index)
        for number in range(1, count + 1):
            at = np.argwhere(labels == number).astype(np.float64)
            if len(at) >= SPECK:
                pairs[colour, form_of(at)] += 1
    return pairs


def colour_of_pixels(image: np.ndarray) -> np.ndarray:
    """Index (H,W) into COLOURS of each pixel of an image (H,W,3), -1 for the background."""
    ground = np.median(image.reshape(-1, 3), axis=0)
    ways = np.array(list(COLOURS.values())) - ground  # (6, 3)
    offset = image - ground
    amount = offset @ ways.T / np.square(ways).sum(1)  # (H, W, 6)
    rest = np.linalg.norm(offset[..., None, :] - amount[..., None] * ways, axis=-1)
    rest = np.where(amount > 0.0, rest, np.inf)
    nearest = rest.argmin(-1)
    chosen = np.take_along_axis(amount, nearest[..., None], -1)[..., 0]
    return np.where(chosen > 0.5, nearest, -1)


def form_of(at: np.ndarray) -> str:
    """The form of a thing whose pixels are at (n, 2), or UNCLEAR."""
    where = (at - at.mean(0)) / math.sqrt(len(at))  # of area 1
    covered = {name: _covered(where, corners) for name, corners in SHAPES.items()}
    form = max(covered, key=covered.get)
    return form if covered[form] >= COVERED else UNCLEAR


def _covered(where: np.ndarray, corners: int) -> float:
    """The share of pixels inside a disc or regular polygon of area 1, at the best angle."""
    if not corners:
        return float((np.square(where).sum(1) <= 1 / math.pi).mean())
    inner = 1 / math.sqrt(corners * math.tan(math.pi / corners))  # radius of the inscribed circle
    turns = 2 * math.pi / corners
    angles = turns * (np.arange(ANGLES)[:, None] / ANGLES + np.arange(corners))
    reach = np.cos(angles)[..., None] * where[:, 1] + np.sin(angles)[..., None] * where[:, 0]
    return float((reach.max(1) <= inner).mean(1).max())


def target_pairs(prompt: str) -> Pairs:
    """How often a prompt names each (colour, form)."""
    pairs: Pairs = Counter()
    for count, colour, shape in parse(prompt):
        pairs[list(COLOURS)[colour], list(SHAPES)[shape]] += count
    return pairs


def is_right(image: torch.Tensor, prompt: str) -> bool:
    """Whether an image (128,128,3) has exactly what the prompt names, and nothing unclear."""
    return pairs_in(image) == target_pairs(prompt)
