"""A small net that names what each cell of a latent holds, and the likelihood of counts in it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .scenes import COLOURS, SHAPES

KINDS = len(COLOURS) * len(SHAPES)


class Reader(nn.Sequential):
    """Latents (n, 16, 16, 16) -> chance of nothing and of each kind in each cell, (n, 16, 19)."""

    def __init__(self, width: int = 128) -> None:
        super().__init__(
            nn.Conv2d(16, width, 6, stride=4, padding=1), nn.GELU(),
            nn.Conv2d(width, width, 1), nn.GELU(),
            nn.Conv2d(width, 1 + KINDS, 1),
        )  # fmt: skip

    def forward(self, latents: Tensor) -> Tensor:
        return super().forward(latents).flatten(2).mT.softmax(-1)


def count_loss(chance: Tensor, count: Tensor, least: float = 1e-5) -> Tensor:
    """-log P(count), summed over kinds: chance (n, cells, k) of independent cells, count (n, k).

    `least` is added to the likelihood: what cannot be explained is not pursued without end.
    """
    law = torch.zeros(*count.shape, chance.shape[1] + 1, dtype=torch.float64)
    law[..., 0] = 1.0
    for p in chance.double().unbind(1):
        law = law * (1 - p[..., None]) + F.pad(law, (1, -1)) * p[..., None]
    likelihood = law.gather(-1, count[..., None])[..., 0]
    return -(likelihood + least).log().sum(1).mean().float()


def asked(kinds: Tensor) -> Tensor:
    """Counts asked of each (colour, shape), (n, 18), from kinds (n, 3, 3)."""
    index = kinds[..., 1] * len(SHAPES) + kinds[..., 2]
    return torch.zeros(len(kinds), KINDS, dtype=torch.long).scatter_add_(1, index, kinds[..., 0])


def by_colour(chance: Tensor) -> Tensor:
    """(..., 19) -> (..., 6): the chance of each colour, whatever the shape."""
    return chance[..., 1:].unflatten(-1, (len(COLOURS), len(SHAPES))).sum(-1)
