"""Latents for training: scenes are rendered and encoded once, then shuffled cell by cell without
end.

The encoder is linear on 8 x 8 patches, which no shape's cell shares with its neighbour:
exchanging whole cells of the latent gives exactly the latent of the scene with these cells
exchanged, so every draw is a new layout.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .scenes import GRID, draw_kinds, draw_pictures
from .taesd import Decoder, Encoder
from .text import embed

HERE = Path(__file__).resolve().parent


def to_cells(latents: Tensor) -> Tensor:
    """(n, 16, 16, 16) -> (n, 16 cells, 256)."""
    return (
        latents.view(-1, 16, GRID, 4, GRID, 4).permute(0, 2, 4, 1, 3, 5).reshape(-1, GRID**2, 256)
    )


def from_cells(cells: Tensor) -> Tensor:
    """The inverse of `to_cells`."""
    return cells.view(-1, GRID, GRID, 16, 4, 4).permute(0, 3, 1, 4, 2, 5).reshape(-1, 16, 16, 16)


def couple(x0: Tensor, eps: Tensor) -> Tensor:
    """Move the cells of each x0 to where they are nearest to its noise: optimal assignment.

    The noise does not change, and a random layout stays random because noise knows no cell from
    another: both keep their law, only their coupling becomes that of optimal transport.
    """
    cells, gain = to_cells(x0), to_cells(eps) @ to_cells(x0).mT
    order = [linear_sum_assignment(rows, maximize=True)[1] for rows in gain.numpy()]
    return from_cells(cells[torch.arange(len(cells))[:, None], torch.from_numpy(np.stack(order))])


def load_encoder() -> Encoder:
    """The shipped encoder."""
    net = Encoder().requires_grad_(False)
    net.load_state_dict(
        {k: v.float() for k, v in load_file(HERE / "taef1_encoder.safetensors").items()}
    )
    return net


def load_decoder() -> Decoder:
    """The shipped decoder."""
    net = Decoder().requires_grad_(False)
    net.load_state_dict(
        {k: v.float() for k, v in load_file(HERE / "taef1_decoder.safetensors").items()}
    )
    return net


def patch_projection(encoder: Encoder) -> tuple[Tensor, Tensor]:
    """The linear map the encoder computes, read off its answers: matrix (192, 16), bias (16,)."""
    basis = torch.cat((torch.zeros(1, 192), torch.eye(192))).view(193, 3, 8, 8)
    answers = encoder(basis).flatten(1)
    return answers[1:] - answers[0], answers[0]


class Pool:
    """`size` encoded training scenes; `draw(n)` gives n new layouts of them with their text."""

    def __init__(self, size: int, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        matrix, bias = patch_projection(load_encoder())
        self.kinds, latents = draw_kinds(size, self.generator), []
        for kinds in self.kinds.split(256):
            patches = draw_pictures(kinds, self.generator).unfold(2, 8, 8).unfold(3, 8, 8)
            latents.append((patches.permute(0, 2, 3, 1, 4, 5).flatten(3) @ matrix + bias).half())
        self.cells = to_cells(torch.cat(latents).permute(0, 3, 1, 2).contiguous())

    def draw(self, n: int, empty: float = 0.1) -> tuple[Tensor, Tensor, Tensor]:
        """Latents (n, 16, 16, 16), tokens (n, 3, 64), pooled (n, 64); some `empty`."""
        row = torch.randint(len(self.kinds), (n,), generator=self.generator)
        order = torch.rand(n, GRID * GRID, generator=self.generator).argsort(1)
        cells = self.cells[row[:, None], order].float()
        keep = (torch.rand(n, generator=self.generator) >= empty)[:, None, None]
        tokens, pooled = embed(self.kinds[row] * keep)
        return from_cells(cells), tokens, pooled
