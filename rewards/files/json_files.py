"""The small files beside weights: JSON that is read within limits, whatever lies there."""

import codecs
import contextlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .broken_files import BrokenFile, problem

CONFIG, TOKENIZER = 8_000_000, 64_000_000  # bytes: far more than any that is published
DEEPEST = 40
MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
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
    found = problem(file) or _too_long(file, most)
    if found:
        raise BrokenFile(found)
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


def check_beside(folder: Path) -> None:
    """Raise ValueError of a file in ``folder`` that transformers would read, but that is broken."""
    for file in (folder / name for name in READ):
        if os.path.lexists(file):
            found = problem(file) or _too_long(file, TOKENIZER)
            if found:
                raise BrokenFile(f"{file.name}: {found}")


def _too_long(file: Path, most: int) -> str | None:
    size = file.stat().st_size
    return f"it has {size:,} bytes, expected at most {most:,}" if size > most else None


def is_plain(file: Path) -> bool:
    """Whether a text begins as others than `read_json` can read it, without a byte order mark."""
    with open(file, "rb") as opened:
        return not opened.read(4).startswith(MARKS)


@contextlib.contextmanager
def plain(folder: Path) -> Iterator[Path]:
    """``folder``, or where JSON in it has a byte order mark, a copy of its small files without."""
    texts = [file for name in ("config.json", *READ) if (file := folder / name).is_file()]
    marked = [file for file in texts if file.suffix == ".json" and not is_plain(file)]
    if not marked:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="flow-search-") as copy:
        for file in texts:
            shutil.copy(file, copy)
        for file in marked:
            told = json.dumps(read_json(file, TOKENIZER))
            Path(copy, file.name).write_text(told, "utf-8")
        yield Path(copy)


def _values(told: object) -> Iterator[tuple[int, object]]:
    """All lists, objects and plain values in ``told``, with their depth."""
    waiting = [(0, told)]
    while waiting:
        depth, value = waiting.pop()
        yield depth, value
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list):
            waiting += [(depth + 1, each) for each in inner]
