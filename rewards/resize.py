"""Antialiased resizing in torch, so that gradients pass."""

import torch
import torch.nn.functional as F


def resized(planes: torch.Tensor, size: tuple[int, int], mode: str) -> torch.Tensor:
    """Planes (B, C, H, W) at ``size``, by "bilinear" or "bicubic" interpolation, antialiased."""
    if size == tuple(planes.shape[-2:]):
        return planes
    found = F.interpolate(resizable(planes), size, mode=mode, antialias=True)
    return found.to(planes.device)


def resizable(pixels: torch.Tensor) -> torch.Tensor:
    """``pixels``, but on the CPU those of MPS: it has no gradient of antialiased interpolation, and
    no bicubic one before torch 2.8.
    """
    return pixels.cpu() if pixels.device.type == "mps" else pixels
