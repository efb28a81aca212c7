"""Every test imports the checkout as `pack`; generated files are compared, never written."""

import difflib
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
runpy.run_path(str(ROOT / "tools" / "checkout.py"))


@pytest.fixture
def generated(record_property):
    """Compare a text with the generated file, or with a section of it.

    The text is recorded in the result of the test, where `python dev.py write` reads it.
    """
    from pack.tools import sections, writing

    def compare(file, text, section=None):
        record_property(*writing.record(file, text, section))
        path = ROOT / file
        old = sections.section(path, section) if section else path.read_text("utf-8")
        changes = difflib.unified_diff(old.splitlines(), text.splitlines(), lineterm="")
        assert not list(changes), f"{file} differs: {writing.COMMAND}"

    return compare
