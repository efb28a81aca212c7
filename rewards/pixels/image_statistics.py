"""Rewards computed from pixels: brightness, colourfulness, sharpness. Differentiable, no weights.

Each measure is a function of one image (H, W, 3) in [0, 1] and returns a scalar of its dtype. A
batch is scored image by image, so a score does not depend on the rest of the batch.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ..types import Files, check_batch


def mean_luma(image: torch.Tensor) -> torch.Tensor:
    """Mean of .299 R + .587 G + .114 B (ITU-R BT.601), in [0, 1]."""
    return luma(image).mean()


def luma(image: torch.Tensor) -> torch.Tensor:
    """(H, W, 3) -> (H, W), with the weights of BT.601."""
    return 0.299 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]


def colourfulness(image: torch.Tensor) -> torch.Tensor:
    """sqrt(var rg + var yb) + 0.3 sqrt(mean(rg)^2 + mean(yb)^2) on 0..255, >= 0.

    rg = R - G, yb = (R + G) / 2 - B, both signed: Hasler and Suesstrunk, "Measuring colourfulness
    in natural images" (2003), metric M3. About 15 is slight, 45 average, 82 high. Both radicands
    are kept above 1e-12, where the gradient of the root is finite.
    """
    red, green, blue = (255.0 * image).unbind(-1)
    rg, yb = red - green, 0.5 * (red + green) - blue
    spread = rg.var(correction=0) + yb.var(correction=0)
    offset = rg.mean() ** 2 + yb.mean() ** 2
    return spread.clamp_min(1e-12).sqrt() + 0.3 * offset.clamp_min(1e-12).sqrt()


def sharpness(image: torch.Tensor) -> torch.Tensor:
    """log(1 + var(Laplacian of 255 luma)), >= 0; 4-neighbour Laplacian, inner pixels only.

    The variance of the Laplacian is the focus measure of Pech-Pacheco et al. (2000). It has no
    upper bound and rewards noise, so combine it with another reward. Needs 3 x 3 pixels or more.
    """
    grey = 255.0 * luma(image)
    if min(grey.shape) < 3:
        raise ValueError(
            f"The image is too small for sharpness: got shape {tuple(image.shape)}, expected at "
            "least 3 x 3 pixels."
        )
    inner = grey[1:-1, 1:-1]
    neighbours = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return torch.log1p((neighbours - 4.0 * inner).var(correction=0))


class ImageStatistic:
    """A reward that measures each image alone and ignores the prompt. It is also its scorer."""

    module: ClassVar[None] = None
    gradient: ClassVar[bool] = True

    def load(self, files: Files | None = None) -> "ImageStatistic":
        return self

    def check(self, prompt: str) -> None:
        """Accept any prompt: it is not read."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        scores = [self._finite(image) for image in images]
        return torch.stack(scores) if scores else images.new_zeros(0, dtype=torch.float32)

    def _finite(self, image: torch.Tensor) -> torch.Tensor:
        if torch.isfinite(image).all():
            return self.measure(image.float())  # in float16 a variance of 0..255 may overflow
        return image.new_full((), float("nan"), dtype=torch.float32)

    def measure(self, image: torch.Tensor) -> torch.Tensor:
        """Image (H, W, 3), finite, in [0, 1] -> scalar, higher is better."""
        raise NotImplementedError


@dataclass(frozen=True)
class Brightness(ImageStatistic):
    """-|mean luma - target|, in [-1, 0]."""

    maximum: ClassVar[float] = 0.0

    target: float = field(
        default=0.5,
        metadata={
            "tooltip": "Mean brightness that scores best: 0 is black, 1 is white.",
            "min": 0.0,
            "max": 1.0,
            "step": 0.01,
        },
    )

    def measure(self, image: torch.Tensor) -> torch.Tensor:
        return 0.0 - (mean_luma(image) - self.target).abs()


@dataclass(frozen=True)
class Colourfulness(ImageStatistic):
    """Hasler-Suesstrunk colourfulness, from 0 (grey) to about 110."""

    def measure(self, image: torch.Tensor) -> torch.Tensor:
        return colourfulness(image)


@dataclass(frozen=True)
class Sharpness(ImageStatistic):
    """Log variance of the Laplacian: 0 for a flat image, 5 to 9 for photographs."""

    def measure(self, image: torch.Tensor) -> torch.Tensor:
        return sharpness(image)
