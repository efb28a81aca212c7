"""Training latents: scenes are rendered and encoded once, then each draw shuffles their cells.

The encoder is linear on 8 x 8 patches, and two cells never share a patch. So shuffling the cells of
a latent gives exactly the latent of the shuffled scene, and each draw is a new layout.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .scenes import GRID, draw_images, draw_kinds
from .taesd import Decoder, Encoder
from .text import embed

HERE = Path(__file__).resolve().parent


def to_cells(latents: Tensor) -> Tensor:
    """Latents (n, 16, 16, 16) -> cells (n, 16, 256)."""
    return (
        latents.view(-1, 16, GRID, 4, GRID, 4).permute(0, 2, 4, 1, 3, 5).reshape(-1, GRID**2, 256)
    )


def from_cells(cells: Tensor) -> Tensor:
    """The inverse of `to_cells`."""
    return cells.view(-1, GRID, GRID, 16, 4, 4).permute(0, 3, 1, 4, 2, 5).reshape(-1, 16, 16, 16)


def couple(x0: Tensor, eps: Tensor) -> Tensor:
    """Reorder the cells of each x0 to be as close as possible to its noise (optimal assignment).

    The noise does not change. A random layout stays random, because the noise of all cells has the
    same law. So both keep their laws, and only their coupling becomes optimal transport.
    """
    cells, gain = to_cells(x0), to_cells(eps) @ to_cells(x0).mT
    order = [linear_sum_assignment(rows, maximize=True)[1] for rows in gain.numpy()]
    return from_cells(cells[torch.arange(len(cells))[:, None], torch.from_numpy(np.stack(order))])


def load_encoder() -> Encoder:
    """The encoder that comes with the pack."""
    net = Encoder().requires_grad_(False)
    net.load_state_dict(
        {k: v.float() for k, v in load_file(HERE / "taef1_encoder.safetensors").items()}
    )
    return net


def load_decoder() -> Decoder:
    """The decoder that comes with the pack."""
    net = Decoder().requires_grad_(False)
    net.load_state_dict(
        {k: v.float() for k, v in load_file(HERE / "taef1_decoder.safetensors").items()}
    )
    return net


def patch_projection(encoder: Encoder) -> tuple[Tensor, Tensor]:
    """The encoder's linear map of a patch: matrix (192, 16) and bias (16,), from unit patches."""
    basis = torch.cat((torch.zeros(1, 192), torch.eye(192))).view(193, 3, 8, 8)
    outputs = encoder(basis).flatten(1)
    return outputs[1:] - outputs[0], outputs[0]


class Pool:
    """`size` encoded training scenes. `draw(n)` returns n new layouts of them with their text."""

    def __init__(self, size: int, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        matrix, bias = patch_projection(load_encoder())
        self.kinds, latents = draw_kinds(size, self.generator), []
        for kinds in self.kinds.split(256):
            patches = draw_images(kinds, self.generator).unfold(2, 8, 8).unfold(3, 8, 8)
            latents.append((patches.permute(0, 2, 3, 1, 4, 5).flatten(3) @ matrix + bias).half())
        self.cells = to_cells(torch.cat(latents).permute(0, 3, 1, 2).contiguous())

    def draw(self, n: int, empty: float = 0.1) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (n, 16, 16, 16), tokens (n, 3, 64), pooled (n, 64).

        `empty` is the fraction of empty captions.
        """
        row = torch.randint(len(self.kinds), (n,), generator=self.generator)
        order = torch.rand(n, GRID * GRID, generator=self.generator).argsort(1)
        cells = self.cells[row[:, None], order].float()
        keep = (torch.rand(n, generator=self.generator) >= empty)[:, None, None]
        tokens, pooled = embed(self.kinds[row] * keep)
        return from_cells(cells), tokens, pooled
