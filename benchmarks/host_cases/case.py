"""A case: one row of a table, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]  # its cells by name
WORKS: Row = {"search": "works"}


@dataclass(frozen=True)
class Case:
    """One row of a table.

    Args:
        what: what is wired, or the trick. Empty in the table of models.
        model: the key of a small model, or `demo`.
        measure: runs it in a `Host`, checks it, and gives the cells that are results. A check that
            fails raises AssertionError. The cases of `simulated` read what a script measured.
        newest: whether older ComfyUIs lack what it needs.
    """

    what: str
    model: str
    measure: Callable[[Any], Row]
    newest: bool = False

    @property
    def names(self) -> Row:
        """The cells that tell the row from the others of its table."""
        return ({"what": self.what} if self.what else {}) | {"model": self.model}

    def row(self, source: Any) -> Row:
        return self.names | self.measure(source)


def rewards_of(shown: dict) -> list[float]:
    """Rewards of a search in the order of their evaluation, by its report."""
    return [row["reward"] for row in shown["report"]["trace"]]


def near(values: list[float], references: list[float], most: float) -> bool:
    """Whether two lists differ nowhere by more.

    Args:
        values: the one.
        references: the other.
        most: the bound.
    """
    pairs = zip(values, references, strict=True)
    return all(abs(a - b) <= most for a, b in pairs)
