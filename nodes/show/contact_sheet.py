"""A contact sheet: images with their scores, best first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from ...rewards import rgb
from ..host.image_bytes import pil_image
from .report_chart import BEST, INK, PAPER, figure

SIDE, GAP = 256, 16  # px: longer side of an image whatever its size, and space around it
HEAD, CAPTION = 68, 62  # px: heights of the title and of the lines below an image
SHOWN = 100  # images, as many as fit on a sheet of 2736 px


@dataclass(frozen=True)
class Cell:
    """What the sheet shows of an image.

    Args:
        image: (H,W,C) or a video (T,H,W,C), in [0,1].
        position: in the input, from 0.
        score: a number; what is not finite has failed.
        kept: whether the image was kept.
    """

    image: Tensor
    position: int
    score: float
    kept: bool


def contact_sheet(cells: Sequence[Cell], note: str) -> Tensor:
    """The sheet as an image (1,H,W,3) in [0,1]. Rejected images have a red border.

    Args:
        cells: of all images, best first; the first SHOWN are drawn.
        note: the line below the title.
    """
    shown = cells[:SHOWN]
    columns = math.ceil(math.sqrt(len(shown)))
    pictures = [small(cell.image) for cell in shown]
    heights = [
        max(picture.height for picture in pictures[first : first + columns])
        for first in range(0, len(shown), columns)
    ]
    width, below = GAP + columns * (SIDE + GAP), CAPTION + GAP
    sheet = Image.new("RGB", (width, HEAD + sum(height + below for height in heights)), PAPER)
    _title(ImageDraw.Draw(sheet), cells, note)
    y = HEAD
    for row, height in enumerate(heights):
        for column in range(columns):
            i = row * columns + column
            if i < len(shown):
                at = GAP + column * (SIDE + GAP), y
                _cell(sheet, f"{i + 1}.", shown[i], pictures[i], at, height)
        y += height + below
    return torch.from_numpy(np.asarray(sheet, np.float32) / 255.0)[None]


def small(image: Tensor) -> Image.Image:
    """An image, or the first frame of a video, SIDE px on its longer side."""
    frame = rgb(image[0] if image.ndim == 4 else image)
    scale = SIDE / max(frame.shape[:2])
    size = [max(1, round(side * scale)) for side in frame.shape[:2]]
    mode = "area" if scale < 1 else "bicubic"
    rows = frame.movedim(-1, 0)[None].float().cpu()  # MPS averages over equal parts only
    return pil_image(interpolate(rows, size, mode=mode)[0].movedim(0, -1).nan_to_num())


def _title(draw: ImageDraw.ImageDraw, cells: Sequence[Cell], note: str) -> None:
    kept = sum(cell.kept for cell in cells)
    more = f", first {SHOWN} shown" if len(cells) > SHOWN else ""
    draw.text((GAP, 12), f"{kept} of {len(cells)} kept{more}", INK, ImageFont.load_default(24))
    draw.text((GAP, 42), note, INK, ImageFont.load_default(16))


def _cell(
    sheet: Image.Image,
    rank: str,
    cell: Cell,
    picture: Image.Image,
    at: tuple[int, int],
    height: int,
) -> None:
    """Draw an image in the middle of its place, and its captions below."""
    draw, (x, y), colour = ImageDraw.Draw(sheet), at, INK if cell.kept else BEST
    left, top = x + (SIDE - picture.width) // 2, y + (height - picture.height) // 2
    sheet.paste(picture, (left, top))
    if not cell.kept:
        right, bottom = left + picture.width, top + picture.height
        draw.rectangle((left - 4, top - 4, right + 3, bottom + 3), outline=BEST, width=4)
    score = figure(cell.score) if math.isfinite(cell.score) else "no score"
    draw.text((x, y + height + 6), f"{rank} {score}", colour, ImageFont.load_default(28))
    words = f"image {cell.position}" + ("" if cell.kept else ", rejected")
    draw.text((x, y + height + 39), words, colour, ImageFont.load_default(17))
