"""Predictors of how good an image looks: an image tower with linear layers on its embedding.

    score = head(e / |e|),        e = the tower's embedding of the image.

The prompt is not read. Differentiable in the images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ..files.state_dict import building, read_state
from ..files.weights import Source, weights_file
from ..likeness.clip_pixels import nan_where_not_finite
from ..types import check_batch
from .linear_head import head_keys, linear_head

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class AestheticModel(torch.nn.Module):
    """An image tower and a head on its embedding. The head stays in float32.

    Args:
        tower: the model of the images.
        output: the name of the embedding in the tower's output.
        pixels: images (B, H, W, 3) in [0, 1] and a size -> pixels (B, 3, size, size).
        head: embedding (B, D) -> score (B, 1).
    """

    def __init__(
        self,
        tower: "PreTrainedModel",
        output: str,
        pixels: Callable[[torch.Tensor, int], torch.Tensor],
        head: torch.nn.Sequential,
    ) -> None:
        super().__init__()
        self.tower, self.head, self.output, self.pixels = tower, head, output, pixels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, H, W, 3) in [0, 1] on any device -> (B,) float32."""
        return self.head(self.embedding(images))[:, 0]

    def embedding(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, H, W, 3) in [0, 1] on any device -> (B, D) float32, of length 1."""
        images = images.to(self.tower.device, torch.float32)
        pixels = self.pixels(images, self.tower.config.image_size).to(self.tower.dtype)
        embedding = getattr(self.tower(pixel_values=pixels), self.output)
        return F.normalize(embedding.float(), dim=-1)


@dataclass(frozen=True)
class AestheticScorer:
    """A loaded predictor. Images are scored on the device of `module`."""

    module: AestheticModel

    def check(self, prompt: str) -> None:
        """Accept any prompt: it is not read."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        return nan_where_not_finite(self.module(images), images)


def load_head(
    path: Path, expected: Source, name: str, places: tuple[int, ...], width: int
) -> torch.nn.Sequential:
    """Load the head of a predictor.

    Args:
        path: the file with the head.
        expected: what it should hold, for errors.
        name: the name of the sequence of layers in the file.
        places: the numbers of its linear layers.
        width: channels of the tower's embedding.
    """
    state = read_state(weights_file(path, expected), expected, *head_keys(name, places))
    with building(path, expected):
        head = linear_head(state, name, places)
    if head[0].in_features != width:
        reads = f"reads {head[0].in_features} channels, but the image tower gives {width}"
        raise expected.error(path, reads)
    return head
