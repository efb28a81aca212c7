"""Images of any number of channels as RGB, with a line in the log."""

from __future__ import annotations

import functools
import logging

from torch import Tensor

from ...rewards import KINDS, rgb

log = logging.getLogger("flow_search")


def to_rgb(images: Tensor, subject: str) -> Tensor:
    """Images (…,C) as (…,3). The log says once what happens to other channels.

    `subject` begins that sentence in the log.
    """
    if images.shape[-1] in KINDS:
        log_once(f"{subject} {KINDS[images.shape[-1]]}")
    return rgb(images)


@functools.lru_cache(maxsize=64)
def log_once(sentence: str) -> None:
    log.info("%s.", sentence)
