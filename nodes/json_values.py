"""Reading JSON of unknown origin within limits, and the values that this pack writes as JSON.

A report may come from a stranger, so its text, nesting, numbers and strings are limited before
anything uses them. The pack writes within the same limits, so that it can read its own reports.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

CHARACTERS = 1 << 26  # of a text: about 350,000 rows of a trace
COMMAS = 1 << 22  # in a text
STRING = 1 << 20  # characters of one string
NAME = 256  # characters of one key
NESTED = 12  # levels of nesting
WHOLE = (1 << 64) - 1  # the host's largest seed
DIGITS = 20  # of WHOLE


def short(value: Any) -> str:
    """A value in one line, for an error."""
    if isinstance(value, int) and abs(value) > WHOLE:
        return f"a number of {value.bit_length()} bits"
    text = repr(value[:80] if isinstance(value, str | list | tuple) else value)
    return text if len(text) < 60 else f"{text[:50]}…"


def at(name: str, key: Any) -> str:
    """The name of the entry `key` of `name`, for an error."""
    plain = isinstance(key, str) and len(key) <= 60 and key.isprintable()
    return f"{name}.{key if plain else short(key)}".lstrip(".")


def parse(text: Any) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: the text is no JSON, or exceeds the limits of this module.
    """
    if not isinstance(text, str):
        raise ValueError(
            f"The report is not a text: got a {type(text).__name__}, expected the report of a "
            "search node."
        )
    if len(text) > CHARACTERS or text.count(",") > COMMAS:
        raise ValueError(
            f"The report is too long: got {len(text)} characters and {text.count(',')} commas, "
            f"expected at most {CHARACTERS} and {COMMAS}."
        )
    try:
        return json.loads(
            text, parse_constant=_constant, parse_int=_whole, object_pairs_hook=_object
        )
    except RecursionError:
        raise ValueError(
            "The report is nested too deep: got more levels than Python can read, expected at most "
            f"{NESTED}."
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"The report is not JSON: got {short(text)} ({error}), expected the report of a search "
            "node."
        ) from error


def _constant(word: str) -> Any:
    raise ValueError(
        f"The report has a number that is not finite: got {word}, expected a finite number."
    )


def _whole(digits: str) -> int:
    if len(digits) > DIGITS + 1:
        raise ValueError(
            f"The report has a number that is too long: got {len(digits)} digits, expected at "
            f"most {DIGITS}."
        )
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for key, value in pairs:
        if key in entries:
            raise ValueError(
                f"The report has the same entry twice: got a second {short(key)}, expected one."
            )
        entries[key] = value
    return entries


def written(value: Any, name: str, levels: int = NESTED) -> Any:
    """A value in the form of JSON: scalars of NumPy and torch become Python's, tuples become lists.

    Args:
        value: a setting, or an entry of a report.
        name: of the value in an error.
        levels: of nesting that are still allowed.

    Raises:
        ValueError: JSON cannot hold the value, or it exceeds the limits of this module.
    """
    if isinstance(value, np.generic | np.ndarray | Tensor) and value.ndim == 0:
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _string(value, name)
    if isinstance(value, int | float):
        return _number(value, name)
    if not isinstance(value, list | tuple | Mapping):
        raise ValueError(
            f"{name} cannot go into a report: got a {type(value).__name__}, expected a number, a "
            "text, or a list of them."
        )
    if levels == 0:
        raise ValueError(
            f"{name} is nested too deep: got more than {NESTED} levels, expected {NESTED} or fewer."
        )
    if isinstance(value, Mapping):
        entries = {_key(key, name): entry for key, entry in value.items()}
        return {key: written(entry, at(name, key), levels - 1) for key, entry in entries.items()}
    return [written(entry, f"{name}[{i}]", levels - 1) for i, entry in enumerate(value)]


def _string(value: str, name: str) -> str:
    if len(value) > STRING:
        raise ValueError(
            f"{name} is too long: got {len(value)} characters, expected at most {STRING}."
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} has half of a character: got {short(value[error.start])} at position "
            f"{error.start}, expected whole characters."
        ) from None
    return value


def _number(value: float, name: str) -> float:
    if isinstance(value, int):
        if abs(value) > WHOLE:
            raise ValueError(f"{name} is too large: got {short(value)}, expected at most 64 bits.")
    elif not math.isfinite(value):
        raise ValueError(f"{name} is not finite: got {value}, expected a finite number.")
    return value


def _key(key: Any, name: str) -> str:
    if not isinstance(key, str) or len(key) > NAME:
        raise ValueError(
            f"{name} has an entry without a valid name: got {short(key)}, expected a text of at "
            f"most {NAME} characters."
        )
    return _string(key, f"A name in {name}")
