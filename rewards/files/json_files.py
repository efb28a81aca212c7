"""The small files beside weights: JSON, read within limits, as anything may lie there."""

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

CONFIG, TOKENIZER = 8_000_000, 64_000_000  # bytes: far more than any published file has
DEEPEST = 40  # levels of nesting
MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
READ = (  # the names that transformers and tokenizers read
    "tokenizer.json", "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tokenizer.model",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.json",
    "chat_template.jinja", "preprocessor_config.json", "processor_config.json",
    "generation_config.json",
)  # fmt: skip


def read_json(file: Path, most: int = CONFIG) -> object:
    """The value in `file`, in UTF-8 or UTF-16, with or without a byte order mark.

    Raises:
        ValueError: it is no JSON, has more than `most` bytes, is nested deeper than `DEEPEST`
            levels, or holds a number that is not finite.
    """
    trouble = problem(file) or _too_long(file, most)
    if trouble:
        raise BrokenFile(trouble)
    try:
        content = json.loads(file.read_bytes())
    except RecursionError as error:
        raise BrokenFile("it is nested too deep") from error
    for depth, value in _values(content):
        if depth > DEEPEST:
            raise BrokenFile("it is nested too deep")
        if isinstance(value, float) and not math.isfinite(value):
            raise BrokenFile(f"it holds the number {value}")
    return content


def check_beside(folder: Path) -> None:
    """Raise ValueError if a file in `folder` that transformers reads is broken."""
    for file in (folder / name for name in READ):
        if os.path.lexists(file):
            trouble = problem(file) or _too_long(file, TOKENIZER)
            if trouble:
                raise BrokenFile(f"{file.name}: {trouble}")


def _too_long(file: Path, most: int) -> str | None:
    size = file.stat().st_size
    return f"it has {size:,} bytes, expected at most {most:,}" if size > most else None


def is_plain(file: Path) -> bool:
    """Whether a text begins without a byte order mark, as readers other than `read_json` need."""
    with open(file, "rb") as opened:
        return not opened.read(4).startswith(MARKS)


@contextlib.contextmanager
def plain(folder: Path) -> Iterator[Path]:
    """`folder` itself, or a copy of its small files if some of its JSON has byte order marks."""
    texts = [file for name in ("config.json", *READ) if (file := folder / name).is_file()]
    marked = [file for file in texts if file.suffix == ".json" and not is_plain(file)]
    if not marked:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="flow-search-") as copy:
        for file in texts:
            shutil.copy(file, copy)
        for file in marked:
            text = json.dumps(read_json(file, TOKENIZER))
            Path(copy, file.name).write_text(text, "utf-8")
        yield Path(copy)


def _values(content: object) -> Iterator[tuple[int, object]]:
    """(depth, value) of all lists, objects and plain values in `content`."""
    waiting = [(0, content)]
    while waiting:
        depth, value = waiting.pop()
        yield depth, value
        inner = value.values() if isinstance(value, dict) else value
        if isinstance(value, dict | list):
            waiting += [(depth + 1, each) for each in inner]
