"""JSON of unknown origin, read within bounds, and the values that this pack writes as JSON.

A report may be somebody else's: text, nesting, numbers and strings are bounded here, before
anything is drawn or searched. What the pack writes is held to the same bounds: it can read it.
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
NESTED = 12  # values in values
WHOLE = (1 << 64) - 1  # the host's largest seed
DIGITS = 20  # of that


def short(value: Any) -> str:
    """A value in one line, as an error quotes it."""
    if isinstance(value, int) and abs(value) > WHOLE:
        return f"a number of {value.bit_length()} bits"
    text = repr(value[:80] if isinstance(value, str | list | tuple) else value)
    return text if len(text) < 60 else f"{text[:50]}…"


def at(name: str, key: Any) -> str:
    """What an error calls the entry `key` of `name`."""
    plain = isinstance(key, str) and len(key) <= 60 and key.isprintable()
    return f"{name}.{key if plain else short(key)}".lstrip(".")


def parse(text: Any) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: one sentence, for a text that is no JSON or is beyond the bounds of this module.
    """
    if not isinstance(text, str):
        raise ValueError(f"A {type(text).__name__} was given, wanted the report of a search node.")
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
            f"The report is nested too deep: expected at most {NESTED} levels."
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"A text that is not JSON ({error}) was given, wanted the report of a search node."
        ) from error


def _constant(word: str) -> Any:
    raise ValueError(f"The report holds a value that is no JSON: got {word}, expected a number.")


def _whole(digits: str) -> int:
    if len(digits) > DIGITS + 1:
        raise ValueError(
            f"The report holds a number that is too long: got {len(digits)} digits, expected at "
            f"most {DIGITS}."
        )
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"The report holds one entry twice: got {short(key)} a second time.")
        found[key] = value
    return found


def written(value: Any, name: str, levels: int = NESTED) -> Any:
    """A value as JSON has it: scalars of numpy and torch as Python's, tuples as lists.

    Args:
        value: a setting, or an entry of a report.
        name: what an error calls it.
        levels: how deep it may still be nested.

    Raises:
        ValueError: one sentence, for what JSON cannot say and for what is out of bounds.
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
        raise ValueError(f"{name} is nested too deep: expected at most {NESTED} levels.")
    if isinstance(value, Mapping):
        own = {_key(key, name): one for key, one in value.items()}
        return {key: written(one, at(name, key), levels - 1) for key, one in own.items()}
    return [written(one, f"{name}[{i}]", levels - 1) for i, one in enumerate(value)]


def _string(value: str, name: str) -> str:
    if len(value) > STRING:
        raise ValueError(
            f"{name} is too long: got {len(value)} characters, expected at most {STRING}."
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} holds half of a character: got {short(value[error.start])} at position "
            f"{error.start}, expected a whole one."
        ) from None
    return value


def _number(value: float, name: str) -> float:
    if isinstance(value, int):
        if abs(value) > WHOLE:
            raise ValueError(f"{name} is too large: got {short(value)}, expected at most 64 bits.")
    elif not math.isfinite(value):
        raise ValueError(f"{name} {value} given, wanted a finite number.")
    return value


def _key(key: Any, name: str) -> str:
    if not isinstance(key, str) or len(key) > NAME:
        raise ValueError(
            f"{name} has an entry without a proper name: got {short(key)}, expected a text of at "
            f"most {NAME} characters."
        )
    return _string(key, f"A name in {name}")
