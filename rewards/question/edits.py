"""Edits: a source image that a judge sees before the image to score.

The question is then about both: was what the prompt asks for changed, and the rest kept?
"""

from dataclasses import field

import torch

from ..pixels.channels import has_alpha, rgb
from ..types import check_batch
from .yes_no import QUESTION

EDIT_QUESTION = (
    'The second image is an edit of the first. Was exactly this done: "{}", and everything else '
    "kept as it was? Please answer Yes or No."
)


def source_field() -> "torch.Tensor | None":
    """The setting `source`."""
    return field(
        default=None,
        metadata={
            "tooltip": "Optional: the image before the edit. The model sees it first, and judges "
            "whether only the edit was made.",
            "socket": "image",
        },
    )


def question_for(question: str, source: torch.Tensor | None) -> str:
    """`question`, or in place of the default one the question about an edit."""
    return EDIT_QUESTION if source is not None and question == QUESTION else question


def checked_source(source: torch.Tensor | None) -> torch.Tensor | None:
    """The source (1, H, W, 3) in [0, 1] on the CPU; its alpha is dropped.

    Args:
        source: (1, H, W, C) in [0, 1], None without one.

    Raises:
        ValueError: it is not a single finite image.
    """
    if source is None:
        return None
    colours = source[..., :-1] if has_alpha(source) else source
    image = rgb(colours.detach().float().cpu())
    check_batch(image, [""] * len(image))
    if len(image) != 1 or not image.isfinite().all():
        raise ValueError(
            f"`source` cannot be used: got {len(image)} images, expected a single finite one."
        )
    return image.clamp(0.0, 1.0)
