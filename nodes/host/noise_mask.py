"""Noise masks of the host: which part of a latent may change."""

from __future__ import annotations

from torch import Tensor


def mask_of(mask: Tensor | None, samples: Tensor, i: int) -> Tensor | None:
    """The part of a noise mask that belongs to entry i of a latent; None without a mask.

    The first axis of a video's mask is time, and is kept whole.

    Args:
        mask: the latent's noise_mask, (…,H,W), or a video's (T,…,H,W).
        samples: the latent, (B,C,H,W) or (B,C,T,H,W).
        i: entry of the latent's batch, from 0.
    """
    if mask is None:
        return None
    if samples.ndim == 5 and mask.ndim < 5 and (samples.shape[2] > 1 or len(mask) == 1):
        return mask
    if samples.ndim == 4:
        mask = mask.reshape(-1, 1, *mask.shape[-2:])
    return mask[i % len(mask)][None]


def check_mask(mask: Tensor | None, samples: Tensor) -> None:
    """Refuse a noise mask that keeps all of a latent: every particle would be the same image."""
    for i in range(len(samples)):
        part = mask_of(mask, samples, i)
        if part is not None and not (part > 0).any():
            raise ValueError(
                f"The noise mask is empty for latent {i + 1} of {len(samples)}: got no value above "
                "0, expected a mask of what to draw. For image to image, bypass Set Latent Noise "
                "Mask."
            )


def changing_cells(mask: Tensor | None) -> Tensor | None:
    """(*S) bool on the CPU: the cells of a latent that a mask lets change; None: all.

    Args:
        mask: (1,*D), the denoise_mask that the host gives its samplers. S are the axes of D in
            space and time.
    """
    cells = None if mask is None else (mask[0] > 0).any(0).cpu()
    return cells if cells is not None and cells.any() else None  # a speck may be lost in resizing
