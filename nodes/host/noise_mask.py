"""Noise masks of the host: which part of a latent may change."""

from __future__ import annotations

from comfy.nested_tensor import NestedTensor
from torch import Tensor

from ...samplers.regions import Shape, part_of
from .packed import Latents, batch_size, parts, pictures


def mask_of(mask: Latents | None, samples: Latents, i: int) -> Latents | None:
    """The part of a noise mask that belongs to entry i of a latent; None without a mask.

    The first axis of a video's mask is time, and is kept whole.

    Args:
        mask: the latent's noise_mask, (…,H,W), or a video's (T,…,H,W). One that is not packed is
            of the video of a packed latent.
        samples: the latent, (B,C,H,W) or (B,C,T,H,W), or its parts.
        i: entry of the latent's batch, from 0.
    """
    if mask is None:
        return None
    if mask.is_nested:
        of_video, *rest = parts(mask)
        rest = [part[i % len(part)][None] for part in rest]
        return NestedTensor([mask_of(of_video, pictures(samples), i), *rest])
    samples = pictures(samples)
    if samples.ndim == 5 and mask.ndim < 5 and (samples.shape[2] > 1 or len(mask) == 1):
        return mask
    if samples.ndim == 4:
        mask = mask.reshape(-1, 1, *mask.shape[-2:])
    return mask[i % len(mask)][None]


def check_mask(mask: Latents | None, samples: Latents) -> None:
    """Refuse a noise mask that keeps all of an image: every particle would be the same one."""
    count = batch_size(samples)
    for i in range(count):
        part = mask_of(mask, samples, i)
        if part is not None and not (pictures(part) > 0).any():
            raise ValueError(
                f"The noise mask is empty for latent {i + 1} of {count}: got no value above "
                "0, expected a mask of what to draw. For image to image, bypass Set Latent Noise "
                "Mask."
            )


def changing_cells(mask: Tensor | None, part: Shape = ()) -> Tensor | None:
    """(*S) bool on the CPU: the cells of a latent that a mask lets change; None: all.

    Args:
        mask: (1,*D), the denoise_mask that the host gives its samplers. S are the axes of D in
            space and time.
        part: the shape *P of the images in rows with other parts. S are its axes then.
    """
    cells = None if mask is None else (part_of(mask, part)[0] > 0).any(0).cpu()
    return cells if cells is not None and cells.any() else None  # a speck may be lost in resizing
