"""Rows of a help page's tables: one for each entry of a registry.

A new entry gets a row with the first sentence of its description, below the rows of its kind.
`python dev.py write help` writes it. Polish it by hand: an existing row is never changed.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping


def completed(page: str, registry: Mapping[str, type]) -> str:
    """The page with a row for each entry that has none. A page without such rows stays as it is."""
    lines = page.split("\n")
    for name, entry in registry.items():
        rows = {n: i for i, line in enumerate(lines) for n in names_of(line) if n in registry}
        if name in rows or not rows:
            continue
        siblings = [n for n in rows if room(registry[n]) == room(entry)] or list(rows)
        above = rows[siblings[-1]]
        lines.insert(end_of_table(lines, above), new_row(lines[above], name, first_sentence(entry)))
    return "\n".join(lines)


def names_of(line: str) -> list[str]:
    """The names in the first cell of a table row: "| a, `b` | … |" has a and b."""
    cells = cells_of(line)
    return re.findall(r"[a-z][a-z0-9_]*", cells[1]) if len(cells) > 3 and not cells[0] else []


def cells_of(line: str) -> list[str]:
    """The cells of a row, and what is left and right of it; `\\|` is no border."""
    return re.split(r"(?<!\\)\|", line)


def room(entry: type) -> str:
    """The package of an entry: entries of one kind share it."""
    return entry.__module__.rpartition(".")[0]


def end_of_table(lines: list[str], row: int) -> int:
    """The line after the table that has this row."""
    while row < len(lines) and lines[row].startswith("|"):
        row += 1
    return row


def new_row(above: str, name: str, text: str) -> str:
    """A row with the columns and the marks of the row above it.

    Args:
        above: that row.
        name: the entry.
        text: the second cell.
    """
    cells = cells_of(above)
    mark = "`" if "`" in cells[1] else ""
    return f"| {mark}{name}{mark} | {text} |" + "  |" * (len(cells) - 4)


def first_sentence(entry: type) -> str:
    """Of the entry's `description`, or of its docstring."""
    text = getattr(entry, "description", None) or inspect.getdoc(entry) or ""
    sentence = re.split(r"(?<=[.!?])\s|\n\n", text.strip(), maxsplit=1)[0]
    return " ".join(sentence.split()).replace("|", r"\|")
