"""Identifies what a search ran with beyond its settings, in a few entries of the report.

A replay compares these entries: size and CFG exactly, conditioning and start latent by a hash of
their bits. These bits may differ between devices, because devices round differently.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ..host.packed import Latents, parts, pictures

log = logging.getLogger("flow_search")
LEVELS = 6  # of lists in lists


def identity(guider: Any, samples: Latents, mask: Latents | None) -> dict[str, Any]:
    """Report entries that identify what a search ran with.

    Args:
        guider: the host's guider. Its conditioning and CFG are identified.
        samples: (1,*D) latent, as the network takes it, or its parts.
        mask: its part of the noise mask.
    """
    made_with: dict[str, Any] = {
        "shape": list(pictures(samples).shape[1:]),
        **_fingerprint_entry("conditioning", guider.original_conds),
        **_fingerprint_entry("latent", [tensors(samples), tensors(mask)]),
    }
    cfg = getattr(guider, "cfg", None)  # a guider of another pack may have any
    if type(cfg) in (int, float) and math.isfinite(cfg):
        made_with["cfg"] = cfg
    return made_with


def _fingerprint_entry(name: str, value: Any) -> dict[str, str]:
    """A fingerprint under its name; no entry, and a line in the log, if the value has none."""
    try:
        return {name: fingerprint(value)}
    except Exception as error:
        log.warning("The report has no fingerprint of %s: %s", name, error)
        return {}


def tensors(latents: Latents | None) -> Tensor | list[Tensor] | None:
    """A tensor as it is, and a packed latent as the list of its parts."""
    return parts(latents) if latents is not None and latents.is_nested else latents


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
        for entry in value:
            yield from _parts(entry, levels - 1)
