"""Latents that hold several parts, such as a video and its sound.

The host gives them as a `NestedTensor` (comfy/nested_tensor.py). Its `guider.sample` packs the
parts (B,*P) into rows (B,1,N), one part after the other, and a search works on these. The first
part is the video. It is decoded and scored; the others come along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import comfy.model_base
import torch
from comfy.nested_tensor import NestedTensor
from torch import Tensor

from ...samplers.regions import Shape

Latents = Tensor | NestedTensor


def parts(latents: Latents) -> list[Tensor]:
    """The parts of a latent, the images or the video first."""
    return list(latents.unbind()) if latents.is_nested else [latents]


def pictures(latents: Latents) -> Tensor:
    """The part (B,*P) with the images or the video."""
    return parts(latents)[0]


def batch_size(latents: Latents) -> int:
    """How many latents a batch holds."""
    return len(pictures(latents))


def cat(latents: Sequence[Latents]) -> Latents:
    """Latents as one batch, in order."""
    if not latents[0].is_nested:
        return torch.cat(list(latents))
    return NestedTensor([torch.cat(rows) for rows in zip(*map(parts, latents), strict=True)])


def shapes_of(guider: Any) -> list[Shape]:
    """The shapes (B,*P) that a guider's rows are packed from, while it samples.

    The host puts them into the conditions of models that take several parts. Empty for others.
    """
    for cond in (cond for conds in guider.conds.values() for cond in conds):
        shapes = cond.get("model_conds", {}).get("latent_shapes")
        if shapes is not None and len(shapes.cond) > 1:
            return [tuple(shape) for shape in shapes.cond]
    return []


def check_packed(guider: Any, latents: Latents) -> None:
    """Refuse a packed latent for a model that takes no such latents.

    Args:
        guider: while it samples.
        latents: of the search.
    """
    if latents.is_nested and not shapes_of(guider):
        raise ValueError(
            f"This model takes latents of one part: got {len(parts(latents))}, such as video and "
            "sound, expected 1. Connect the latent of one image or video."
        )


def first_shape(guider: Any) -> Shape:
    """The shape *P of the images or videos in rows with other parts; () for rows of one part."""
    return next(iter(shapes_of(guider)), ())[1:]


def has_own_sigmas(base: Any) -> bool:
    """Whether the sound has other sigmas than the video (comfy/ldm/minimax/model.py:9).

    A sampler without random steps does not notice. The noise of a random step would be too much
    for the sound, or too little.
    """
    return isinstance(base, getattr(comfy.model_base, "MiniMaxH3", ()))
