"""Rewards for the size of the image as a JPEG file. No gradient, no weights.

    kilobytes         size = bytes / 1000, as in DDPO (arXiv 2305.13301)
    bits_per_pixel    size = 8 bytes / (H W), comparable between resolutions

The file is written by Pillow's encoder (4:2:0) from round(255 image). Values outside [0, 1] are
clamped, as in any 8-bit file.
"""

import io
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from PIL import Image

from .image_statistics import ImageStatistic


def jpeg_bytes(image: torch.Tensor, quality: int) -> int:
    """Length of the JPEG file of `image` (H, W, 3), finite."""
    levels = image.detach().clamp(0.0, 1.0).mul(255.0).round().to(torch.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels.cpu().numpy()).save(buffer, "JPEG", quality=quality)
    return buffer.getbuffer().nbytes


@dataclass(frozen=True)
class JpegCompressibility(ImageStatistic):
    """-size: higher for plainer images."""

    gradient: ClassVar[bool] = False
    sign: ClassVar[float] = -1.0

    quality: int = field(
        default=95,
        metadata={"tooltip": "Quality of the JPEG file.", "min": 1, "max": 100, "step": 1},
    )
    unit: str = field(
        default="kilobytes",
        metadata={
            "tooltip": "kilobytes grow with the image's size; bits_per_pixel do not.",
            "choices": ("kilobytes", "bits_per_pixel"),
        },
    )

    def measure(self, image: torch.Tensor) -> torch.Tensor:
        size = jpeg_bytes(image, self.quality)
        if self.unit == "kilobytes":
            return image.new_tensor(self.sign * size / 1000.0)
        return image.new_tensor(self.sign * 8.0 * size / (image.shape[0] * image.shape[1]))


@dataclass(frozen=True)
class JpegIncompressibility(JpegCompressibility):
    """+size: higher for images full of detail."""

    sign: ClassVar[float] = 1.0
