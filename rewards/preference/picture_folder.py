"""The images in a folder of the user's."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from ..files.broken_files import reason

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
FEWEST, MOST = 5, 1000  # images in a folder


def picture_files(folder: Path) -> list[Path]:
    """The image files in `folder`, by name; ValueError if it is none, or for too few or many."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: expected a folder with images.")
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not FEWEST <= len(files) <= MOST:
        kinds = ", ".join(suffix[1:] for suffix in SUFFIXES)
        raise ValueError(
            f"{folder} has the wrong number of images: got {len(files)}, expected {FEWEST} to "
            f"{MOST} ({kinds})."
        )
    return files


def pictures(files: list[Path]) -> Iterator[torch.Tensor]:
    """Each image, upright and over white, as (1, H, W, 3) in [0, 1]."""
    for file in files:
        try:
            with Image.open(file) as opened:
                image = ImageOps.exif_transpose(opened).convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            pixels = np.asarray(Image.alpha_composite(white, image).convert("RGB"))
        except Exception as error:  # a file of any kind may lie there
            why = f"cannot be read as an image ({reason(file, error)})"
            raise ValueError(f"{file} {why}: expected a whole one. Remove it.") from error
        yield torch.tensor(pixels).float()[None] / 255
