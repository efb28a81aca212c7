"""A small network that classifies the cells of a latent, and the likelihood of counts in it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .scenes import COLOURS, SHAPES

KINDS = len(COLOURS) * len(SHAPES)


class Reader(nn.Sequential):
    """Latents (n, 16, 16, 16) -> probabilities per cell, (n, 16, 19): empty, then each kind."""

    def __init__(self, width: int = 128) -> None:
        super().__init__(
            nn.Conv2d(16, width, 6, stride=4, padding=1), nn.GELU(),
            nn.Conv2d(width, width, 1), nn.GELU(),
            nn.Conv2d(width, 1 + KINDS, 1),
        )  # fmt: skip

    def forward(self, latents: Tensor) -> Tensor:
        return super().forward(latents).flatten(2).mT.softmax(-1)


def count_loss(probability: Tensor, count: Tensor, least: float = 1e-5) -> Tensor:
    """-log P(count), summed over kinds and averaged over rows; cells are independent.

    Args:
        probability: of each kind in each cell, (n, cells, k).
        count: (n, k).
        least: added to the likelihood, so that an impossible count does not dominate the loss.

    Returns: a scalar.
    """
    law = torch.zeros(*count.shape, probability.shape[1] + 1, dtype=torch.float64)
    law[..., 0] = 1.0
    for p in probability.double().unbind(1):
        law = law * (1 - p[..., None]) + F.pad(law, (1, -1)) * p[..., None]
    likelihood = law.gather(-1, count[..., None])[..., 0]
    return -(likelihood + least).log().sum(1).mean().float()


def target_counts(kinds: Tensor) -> Tensor:
    """Target count of each (colour, shape), (n, 18), from kinds (n, 3, 3)."""
    index = kinds[..., 1] * len(SHAPES) + kinds[..., 2]
    return torch.zeros(len(kinds), KINDS, dtype=torch.long).scatter_add_(1, index, kinds[..., 0])


def by_colour(probability: Tensor) -> Tensor:
    """(..., 19) -> (..., 6): the probability of each colour, whatever the shape."""
    return probability[..., 1:].unflatten(-1, (len(COLOURS), len(SHAPES))).sum(-1)
