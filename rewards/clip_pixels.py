"""The image side of CLIP preprocessing, in torch, so that gradients pass."""

import torch
import torch.nn.functional as F

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def clip_pixels(images: torch.Tensor, size: int = 224) -> torch.Tensor:
    """Images (B, H, W, 3) in [0, 1] -> normalised pixels (B, 3, size, size).

    Shortest edge to ``size`` by antialiased bicubic interpolation, cut to [0, 1] (the cubic kernel
    overshoots), centre crop (an odd margin is wider below and to the right, as in transformers;
    torchvision rounds half to even), minus mean over deviation per channel. Differs from the 8-bit
    reference by its rounding, about a third of a level on average.
    """
    planes = images.permute(0, 3, 1, 2)
    height, width = planes.shape[-2:]
    short = min(height, width)
    resized = (int(size * height / short), int(size * width / short))
    if resized != (height, width):
        planes = F.interpolate(planes, resized, mode="bicubic", antialias=True)
    planes = planes.clamp(0.0, 1.0)
    top, left = ((edge - size) // 2 for edge in resized)
    planes = planes[..., top : top + size, left : left + size]
    mean, std = (planes.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (planes - mean) / std
