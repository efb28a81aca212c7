"""CLIP's preprocessing of images, in torch, so that it has a gradient.

Both functions resize by antialiased bicubic interpolation. In the end they subtract CLIP's mean and
divide by its standard deviation, per channel.
"""

import torch
import torch.nn.functional as F

from ..pixels.resize import resized

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
GREY = (122 / 255, 116 / 255, 104 / 255)  # CLIP's mean colour, in whole levels


def clip_pixels(images: torch.Tensor, size: int = 224) -> torch.Tensor:
    """Images (B, H, W, 3) in [0, 1] -> normalised pixels (B, 3, size, size).

    The shortest edge becomes `size`. Values are clamped to [0, 1], because the cubic kernel
    overshoots. Then the centre is cut out. An odd margin is wider below and to the right, as in
    transformers (torchvision rounds half to even). The result differs from the 8-bit reference only
    by its rounding, about a third of a level on average.
    """
    planes = images.permute(0, 3, 1, 2)
    height, width = planes.shape[-2:]
    short = min(height, width)
    edges = (int(size * height / short), int(size * width / short))
    planes = resized(planes, edges, "bicubic").clamp(0.0, 1.0)
    top, left = ((edge - size) // 2 for edge in edges)
    return _normalised(planes[..., top : top + size, left : left + size])


def pad_square(images: torch.Tensor) -> torch.Tensor:
    """Centre images (B, H, W, 3) in a square of CLIP's mean colour.

    An odd row or column of padding is last.
    """
    batch, height, width, _ = images.shape
    edge = max(height, width)
    top, left = (edge - height) // 2, (edge - width) // 2
    square = images.new_tensor(GREY).repeat(batch, edge, edge, 1)
    square[:, top : top + height, left : left + width] = images
    return square


def padded_pixels(images: torch.Tensor, size: int = 224) -> torch.Tensor:
    """Images (B, H, W, 3) in [0, 1] -> normalised pixels (B, 3, size, size), as for HPS v2.

    The longest edge becomes `size`. Values are not clamped. The image is centred on black.
    """
    planes = images.permute(0, 3, 1, 2)
    scale = size / max(planes.shape[-2:])
    height, width = (max(1, round(edge * scale)) for edge in planes.shape[-2:])
    top, left = (size - height) // 2, (size - width) // 2
    edges = (left, size - width - left, top, size - height - top)
    return _normalised(F.pad(resized(planes, (height, width), "bicubic"), edges))


def _normalised(planes: torch.Tensor) -> torch.Tensor:
    mean, std = (planes.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (planes - mean) / std


def nan_where_not_finite(scores: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """`scores` on the images' device, NaN for an image with a pixel that is not finite.

    Without this a crop could remove that pixel.
    """
    finite = torch.isfinite(images).flatten(1).all(1)
    return scores.to(images.device).masked_fill(~finite, float("nan"))
