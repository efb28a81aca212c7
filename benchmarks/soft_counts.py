"""A reward with a gradient for the demo model: soft counts, areas of colours over a shape's area.

    r = -sum_c (count_c - area_c/A)^2,    area_c = sum_p softmax_c(-|pixel_p - colour_c|^2 / 2w^2)

with the ground as one more colour. Larger shapes instead of more shapes fool it.
"""

import torch
from torch import Tensor

from ..demo.scenes import COLOURS
from ..demo.text import parse

AREA, WIDTH, GROUND = 225.0, 0.15, (0.94, 0.94, 0.94)


def soft_counts(pictures: Tensor, prompt: str) -> Tensor:
    """The reward (K,) of images (K,H,W,3), differentiable.

    Args:
        pictures: in [0, 1].
        prompt: with what counts are compared.
    """
    counts = torch.zeros(len(COLOURS))
    for count, colour, _ in parse(prompt):
        counts[colour] += count
    palette = torch.tensor([*COLOURS.values(), GROUND])
    distance = (pictures[..., None, :] - palette).square().sum(-1)
    area = torch.softmax(-distance / (2 * WIDTH**2), -1)[..., :-1].sum((1, 2))
    return -(counts - area / AREA).square().sum(1)
