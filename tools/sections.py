"""Sections of generated pages: the text between `<!-- name -->` and `<!-- end of name -->`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path


def section(page: Path, name: str) -> str:
    """The text that stands between the marks of `name`.

    Raises:
        ValueError: the page has no such marks.
    """
    return _find(page.read_text("utf-8"), page, name)[1]


def put(page: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of `name`.

    Args:
        page: the page, which has the marks.
        name: the section.
        text: the new section, without marks.

    Raises:
        ValueError: the page has no such marks.
    """
    whole = page.read_text("utf-8")
    start, end = _find(whole, page, name).span(1)
    page.write_text(whole[:start] + text + whole[end:], "utf-8", newline="\n")


def _find(whole: str, page: Path, name: str) -> re.Match[str]:
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    match = re.search(f"{re.escape(begin)}\n(.*?)\n{re.escape(end)}", whole, re.DOTALL)
    if not match:
        raise ValueError(f"{page.name} lacks a section: got no {name!r}, expected {begin} … {end}.")
    return match


def row(cells: Iterable[object]) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"


def table(heads: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    return "\n".join(map(row, [heads, ["---"] * len(heads), *rows]))
