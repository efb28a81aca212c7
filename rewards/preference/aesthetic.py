"""Predictors of how good a picture looks: an image tower, and linear layers on its embedding.

    score = head(e / |e|),        e = the tower's embedding of the picture.

No prompt is read. Differentiable in the images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from ..files.state_dict import building, read_state
from ..files.weights import Source, weights_file
from ..likeness.clip_pixels import nan_shows
from ..types import check_batch
from .linear_head import head_keys, linear_head

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class AestheticModel(torch.nn.Module):
    """``tower`` gives the embedding as ``output`` of what ``pixels`` makes of the pictures.

    The head stays in float32.
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
        shown = images.to(self.tower.device, torch.float32)
        pixels = self.pixels(shown, self.tower.config.image_size).to(self.tower.dtype)
        found = getattr(self.tower(pixel_values=pixels), self.output)
        return self.head(F.normalize(found.float(), dim=-1))[:, 0]


@dataclass(frozen=True)
class AestheticScorer:
    """A loaded predictor. Pictures are scored on whatever device ``module`` is."""

    module: AestheticModel

    def check(self, prompt: str) -> None:
        """Any prompt will do: it is not read."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        return nan_shows(self.module(images), images)


def load_head(
    path: Path, source: Source, name: str, places: tuple[int, ...], width: int
) -> torch.nn.Sequential:
    """The layers ``places`` of ``name``, for embeddings of ``width`` channels."""
    state = read_state(weights_file(path, source), source, *head_keys(name, places))
    with building(path, source):
        head = linear_head(state, name, places)
    if head[0].in_features != width:
        reads = f"reads {head[0].in_features} channels where the image tower gives {width}"
        raise source.error(path, reads)
    return head
