"""Antialiased resizing in torch, which passes gradients."""

import torch
import torch.nn.functional as F


def resized(planes: torch.Tensor, size: tuple[int, int], mode: str) -> torch.Tensor:
    """Resize with antialiasing.

    Args:
        planes: (B, C, H, W).
        size: height and width of the result, in pixels.
        mode: "bilinear" or "bicubic".
    """
    if size == tuple(planes.shape[-2:]):
        return planes
    result = F.interpolate(resizable(planes), size, mode=mode, antialias=True)
    return result.to(planes.device)


def resizable(pixels: torch.Tensor) -> torch.Tensor:
    """`pixels`, moved to the CPU if they are on MPS.

    MPS has no gradient for antialiased interpolation, and no bicubic one before torch 2.8.
    """
    return pixels.cpu() if pixels.device.type == "mps" else pixels
