"""What a search was made with beyond its settings, short enough for the report.

A replay compares it: size and CFG exactly, the conditioning and the given latent by a hash of their
bits, which another device may round in another way.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .replay import SAME, agree, differences

if TYPE_CHECKING:
    from .request import Request

log = logging.getLogger("flow_search")
LEVELS = 6  # of lists in lists


def recognised(request: Request, samples: Tensor, mask: Tensor | None) -> Request:
    """The request with what it is made with; a replay of anything else is refused or warned of.

    Args:
        request: of one latent.
        samples: that latent (1,*D), as the network takes it.
        mask: its part of the noise mask.
    """
    guider = request.guider
    made_with: dict[str, Any] = {
        "shape": list(samples.shape[1:]),
        **_named("conditioning", guider.original_conds),
        **_named("latent", [samples, mask]),
    }
    cfg = getattr(guider, "cfg", None)  # a guider of another pack may have any
    if type(cfg) in (int, float) and math.isfinite(cfg):
        made_with["cfg"] = cfg
    warnings: list[str] = []
    if request.replayed:
        agree(request.replayed, {name: made_with[name] for name in SAME if name in made_with})
        warnings = differences(request.replayed, made_with)
    return replace(request, made_with=made_with, warnings=tuple(warnings))


def _named(name: str, value: Any) -> dict[str, str]:
    """The entry of a fingerprint; none, and a line in the log, where a tensor has no bits."""
    try:
        return {name: fingerprint(value)}
    except Exception as error:
        log.warning("The report goes without the fingerprint of %s: %s", name, error)
        return {}


def fingerprint(value: Any) -> str:
    """16 hexadecimal digits of all tensors, numbers and texts in a value."""
    digest = hashlib.sha256()
    for part in _parts(value, LEVELS):
        digest.update(part)
    return digest.hexdigest()[:16]


def _parts(value: Any, levels: int) -> Iterator[bytes]:
    if isinstance(value, Tensor):
        yield f"{value.dtype}{tuple(value.shape)}".encode()
        yield value.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().tobytes()
    elif isinstance(value, str | int | float | bool | None):
        yield repr(value).encode("utf-8", "backslashreplace")
    elif isinstance(value, Mapping) and levels:
        yield b"{"
        for key in sorted(key for key in value if isinstance(key, str)):
            yield repr(key).encode("utf-8", "backslashreplace")
            yield from _parts(value[key], levels - 1)
    elif isinstance(value, list | tuple) and levels:
        yield f"[{len(value)}".encode()
        for one in value:
            yield from _parts(one, levels - 1)
