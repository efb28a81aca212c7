"""Pages that a test run generates: the committed text has to be what the run saw."""

import difflib
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def table(heads, rows):
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def check_section(page, heading, text):
    """The section of a page in benchmarks/ is `text`; with FLOW_SEARCH_WRITE it is made so."""
    path = ROOT / "benchmarks" / page
    whole = path.read_text("utf-8") if path.exists() else f"{heading}\n"
    before, found, rest = whole.partition(heading + "\n")
    assert found, f"{page} has no heading {heading!r}"
    old, follows, after = rest.partition("\n## ")
    if os.environ.get("FLOW_SEARCH_WRITE"):
        path.write_text(f"{before}{found}\n{text}\n{follows}{after}", "utf-8", newline="\n")
        return
    changes = difflib.unified_diff(old.strip().split("\n"), text.strip().split("\n"), lineterm="")
    assert not list(changes), f"{page} differs: run once with FLOW_SEARCH_WRITE=1"
