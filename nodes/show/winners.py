"""The pictures of the best of each search of a batch: for the panel, and for a saved picture."""

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

THUMBNAILS = 12  # at most go into a saved picture


def best_clips(images: Tensor, report: dict[str, Any]) -> Tensor:
    """The best (B,T,H,W,3) of each search, of all its returned frames (N,H,W,3)."""
    tops = [len(one["top"]) for one in report.get("batch", [report])]
    best = list(accumulate([0, *tops[:-1]]))
    return images.unflatten(0, (sum(tops), -1))[best]


def winners(images: Tensor, report: dict[str, Any], cls: type | None) -> list[dict]:
    """References to the picture, or small clip, of the best of each search, in the temp folder."""
    with guard("store the result for the panel"):
        clips = best_clips(images, report)
        if clips.shape[1] == 1:
            return ui.PreviewImage(clips[:, 0], cls=cls).as_dict()["images"]
        return [stored(f"clip_{uuid.uuid4().hex}", shrink(clip)) for clip in clips]
    return []


def thumbnails(images: Tensor, report: dict[str, Any]) -> list[str]:
    """Small JPEGs in base64 of the best of each search."""
    small = [jpeg(shrink(clip), RESULT, 75) for clip in best_clips(images, report)[:THUMBNAILS]]
    return [base64.b64encode(each).decode("ascii") for each in small]
