"""The user's cancel, inside a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import comfy.model_management as mm
import torch
from torch import Tensor

NOISE_ROWS = 1024  # rows of noise between two checks for a cancel


def draw(source: Callable[[Sequence[int]], Tensor], ids: Sequence[int]) -> Tensor:
    """`source(ids)` in parts, so that a cancel need not wait for thousands of rows."""
    rows = []
    for first in range(0, len(ids), NOISE_ROWS):
        stop_if_interrupted()
        rows.append(source(ids[first : first + NOISE_ROWS]))
    return torch.cat(rows)


def stop_if_interrupted() -> None:
    """Raise the host's exception if the user has cancelled."""
    mm.throw_exception_if_processing_interrupted()
