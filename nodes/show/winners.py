"""The best image of each search of a batch: for the panel, and for the metadata of saved images."""

from __future__ import annotations

import base64
import uuid
from itertools import accumulate
from typing import Any

from comfy_api.latest import ui
from torch import Tensor

from ..host.guard import guard
from ..host.image_bytes import shrink
from .gallery import RESULT, jpeg, stored

THUMBNAILS = 12  # at most in the metadata of a saved image


def best_clips(images: Tensor, report: dict[str, Any]) -> Tensor:
    """The best video (B,T,H,W,3) of each search, from the frames (N,H,W,3) of all that it returned.

    Still images are videos of one frame.
    """
    tops = [len(entry["top"]) for entry in report.get("batch", [report])]
    best = list(accumulate([0, *tops[:-1]]))
    return images.unflatten(0, (sum(tops), -1))[best]


def winners(images: Tensor, report: dict[str, Any], cls: type | None) -> list[dict]:
    """References to the best image or small video of each search, in the temp folder.

    Args:
        images: (N,H,W,3) that the searches returned.
        report: of the node.
        cls: the node; None in a script.
    """
    with guard("store the result for the panel"):
        clips = best_clips(images, report)
        if clips.shape[1] == 1:
            return ui.PreviewImage(clips[:, 0], cls=cls).as_dict()["images"]
        return [stored(f"clip_{uuid.uuid4().hex}", shrink(clip)) for clip in clips]
    return []


def thumbnails(images: Tensor, report: dict[str, Any]) -> list[str]:
    """Small JPEGs of the best image of each search, in base64."""
    small = [jpeg(shrink(clip), RESULT, 75) for clip in best_clips(images, report)[:THUMBNAILS]]
    return [base64.b64encode(data).decode("ascii") for data in small]
