"""The small files beside weights: JSON that is read within limits, whatever lies there."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

from .broken_files import BrokenFile, problem

CONFIG, TOKENIZER = 2_000_000, 64_000_000  # bytes: far more than any that is published
DEEPEST = 40
READ = (  # by transformers and tokenizers, by these names alone
    "tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tokenizer.model",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.json",
    "chat_template.jinja", "preprocessor_config.json", "processor_config.json",
    "generation_config.json",
)  # fmt: skip


def read_json(file: Path, most: int = CONFIG) -> object:
    """What ``file`` holds, in UTF-8 or UTF-16, with a byte order mark or without.

    Raises:
        ValueError: it is no JSON, or longer than ``most`` bytes, or nested deeper than `DEEPEST`,
            or holds a number that is not finite.
    """
    found = problem(file)
    if found:
        raise BrokenFile(found)
    check_length(file, most)
    try:
        told = json.loads(file.read_bytes())
    except RecursionError as error:
        raise BrokenFile("it is nested too deep") from error
    for depth, value in _values(told):
        if depth > DEEPEST:
            raise BrokenFile("it is nested too deep")
        if isinstance(value, float) and not math.isfinite(value):
            raise BrokenFile(f"it holds the number {value}")
    return told


def check_length(file: Path, most: int = TOKENIZER) -> None:
    """Raise ValueError of a file longer than ``most`` bytes."""
    size = file.stat().st_size
    if size > most:
        raise BrokenFile(f"it has {size:,} bytes, expected at most {most:,}")


def check_beside(folder: Path) -> None:
    """Raise ValueError of a file in ``folder`` that transformers would read, but that is broken."""
    for name in READ:
        file = folder / name
        if file.is_symlink() or file.exists():
            found = problem(file)
            if found:
                raise BrokenFile(f"{name}: {found}")
            check_length(file)


def _values(told: object) -> Iterator[tuple[int, object]]:
    """All lists, objects and plain values in ``told``, with their depth."""
    waiting = [(0, told)]
    while waiting:
        depth, value = waiting.pop()
        yield depth, value
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list):
            waiting += [(depth + 1, each) for each in inner]
