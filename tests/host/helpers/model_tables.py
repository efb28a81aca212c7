"""The tables of docs/models.md: each row is the result of one test."""

from pack.tools.probing.server import ROOT
from pack.tools.sections import section

PAGE = "docs/models.md"


def rows_of(name):
    """The rows of a table, without its head."""
    return section(ROOT / PAGE, name).splitlines()[2:]


def table_length(name):
    return len(rows_of(name))
