"""Regions of a latent: rectangles of its height and width, and of a video's frames too.

The axes of a latent (*D) in space and time are all but its channels, D[1:]; of a latent with a
single axis it is that one. A row may hold several parts one after the other, as of a video and its
sound. Then regions are those of the first part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Box = tuple[int, ...]  # low and high end of each axis in turn, high excluded; (): the whole latent
Shape = tuple[int, ...]
Boxes = Sequence[Box]  # one for each row; (): none


def axes(shape: Sequence[int]) -> tuple[int, ...]:
    """The sizes of a latent's axes in space and time, `shape` being its *D."""
    return tuple(shape[1:] or shape)


def part_of(x: Tensor, part: Shape) -> Tensor:
    """The first part (K,*P) of rows (K,*D) that hold several; a view of contiguous ones.

    Args:
        x: rows.
        part: its shape *P; (): the rows have one part.
    """
    return x.flatten(1)[:, : math.prod(part)].unflatten(1, part) if part else x


def patched(old: Tensor, new: Tensor, boxes: Boxes, part: Shape = ()) -> Tensor:
    """Latents (K,*D) that are new inside their boxes, and old outside.

    Args:
        old: (K,*D), or (1,*D) for all of them.
        new: (K,*D).
        boxes: K boxes.
        part: as in `part_of`. All else is old, unless the box is the whole latent.

    Raises:
        ValueError: a box has another number of axes than the latents.
    """
    count = len(axes(part or new.shape[1:]))
    rows = old.expand_as(new).clone(memory_format=torch.contiguous_format)
    inside, source = part_of(rows, part), part_of(new, part)
    for row, box in enumerate(boxes):
        if len(box) not in (0, 2 * count):
            raise ValueError(
                f"The region has the wrong axes: got {len(box) // 2}, expected {count}, as many "
                "as the latent has."
            )
        if not box:
            rows[row] = new[row]
            continue
        where = tuple(slice(*box[i : i + 2]) for i in range(0, len(box), 2))
        inside[(row, ..., *where)] = source[(row, ..., *where)]
    return rows


@dataclass(frozen=True)
class Regions:
    """A law of random regions inside the part of a latent that can change.

    A centre is drawn from the cells in proportion to their weight. Each side is uniform between
    `smallest` and `largest` of that part's extent along its axis. A region that would leave the
    part is moved inside.

    Args:
        smallest, largest: sides of a region as shares of the changing part's, in (0, 1].
        changing: (*S) bool, the cells that can change.
    """

    smallest: float
    largest: float
    changing: Tensor

    @property
    def uniforms(self) -> int:
        """Uniforms that one region takes."""
        return 1 + self.changing.ndim

    def bounds(self) -> list[tuple[int, int]]:
        """Low and high end of the changing part along each axis."""
        cells = self.changing.nonzero()
        low, high = cells.amin(0).tolist(), cells.amax(0).tolist()
        return [(a, b + 1) for a, b in zip(low, high, strict=True)]

    def draw(self, uniforms: Tensor, blame: Tensor | None = None) -> Box:
        """A region from `uniforms` in [0, 1); () if it is all that can change.

        Args:
            uniforms: (1 + number of axes,) float64.
            blame: (*S) weights of the centres, at least 0. None, or 0 in every cell that can
                change: all of these cells weigh the same.
        """
        place, *sides = uniforms.tolist()
        bounds, box = self.bounds(), []
        centre = self._centre(place, blame)
        for (low, high), middle, u in zip(bounds, centre, sides, strict=True):
            share = self.smallest + u * (self.largest - self.smallest)
            side = min(high - low, max(1, round(share * (high - low))))
            begin = min(max(low, middle - side // 2), high - side)
            box += [begin, begin + side]
        return () if box == [end for pair in bounds for end in pair] else tuple(box)

    def _centre(self, place: float, blame: Tensor | None) -> list[int]:
        weights = self.changing.double()
        if blame is not None and (weights * blame).any():
            weights = weights * blame
        ladder = weights.flatten().cumsum(0)
        cell = int(torch.searchsorted(ladder, place * float(ladder[-1]), right=True))
        cell = min(cell, int(weights.flatten().nonzero().max()))  # rounding must not pass the last
        centre = []
        for size in reversed(weights.shape):
            cell, place_on_axis = divmod(cell, size)
            centre.append(place_on_axis)
        return centre[::-1]
