"""Any value as JSON: what cannot be written is left out, the rest is not lost with it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ..host.guard import guard

DEPTH = 32  # of lists and dictionaries; what is deeper is left out
LARGEST = 1 << 1024  # of integers; Python refuses to print one of more than 4300 digits


def writable(value: Any, name: str = "report", logged: set[str] | None = None) -> tuple[Any, str]:
    """A value and its JSON. One that JSON cannot hold comes back reduced, with a line in the log.

    Args:
        value: what is to be written.
        name: what the log calls it.
        logged: what was logged already, and is not again.
    """
    try:
        return value, json.dumps(value, allow_nan=False)
    except Exception:
        with guard(f"write all of the {name} as JSON", logged):
            raise
        reduced = plain(value)
        return reduced, json.dumps(reduced, allow_nan=False)


def plain(value: Any, depth: int = DEPTH) -> Any:
    """What JSON can hold of a value: null for a number that is not finite, a class for its object.

    A single number of NumPy or torch is that number.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < LARGEST else None
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if depth == 0:
        return None
    if isinstance(value, Mapping):
        return {str(key): plain(each, depth - 1) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each, depth - 1) for each in value]
    if getattr(value, "ndim", None) == 0 and callable(getattr(value, "item", None)):
        return plain(value.item(), depth - 1)
    return f"<{type(value).__name__}>"
