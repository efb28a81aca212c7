"""Any value as JSON. Parts that JSON cannot hold are replaced, so that the rest is not lost."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from ..host.guard import guard

DEPTH = 32  # levels of lists and dictionaries; deeper values become null
LARGEST = 1 << 1024  # limit of integers: Python refuses to print more than 4300 digits


def writable(value: Any, name: str = "report", logged: set[str] | None = None) -> tuple[Any, str]:
    """A value and its JSON. If JSON cannot hold it, both are of `plain(value)`, with a log line.

    Args:
        value: to write.
        name: of the value in the log.
        logged: tasks whose failure has been logged and is not logged again.
    """
    try:
        return value, json.dumps(value, allow_nan=False)
    except Exception:
        with guard(f"write all of the {name} as JSON", logged):
            raise
        reduced = plain(value)
        return reduced, json.dumps(reduced, allow_nan=False)


def plain(value: Any, depth: int = DEPTH) -> Any:
    """The parts of a value that JSON can hold.

    A number that is not finite becomes null. An object becomes the name of its class. A scalar of
    NumPy or torch becomes a Python number.
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
        return {str(key): plain(entry, depth - 1) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(entry, depth - 1) for entry in value]
    if getattr(value, "ndim", None) == 0 and callable(getattr(value, "item", None)):
        return plain(value.item(), depth - 1)
    return f"<{type(value).__name__}>"
