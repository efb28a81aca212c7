"""`python dev.py write`: make the generated files anew.

Tests compare generated files and never write them. Each of these tests records the new text as a
property of its result. `write` runs the tests, reads the properties and writes the files.
benchmarks/models.py writes docs/models.md itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from . import sections
from .installing import NEWEST, Host
from .processes import Fail, say

ROOT = Path(__file__).resolve().parent.parent
COMMAND = "run `python dev.py write`"
PROPERTY = "generated"
TESTS = {  # what is written, and the tests that record it
    "help": ("tests/test_help_rows.py",),
    "events": ("tests/web/test_golden.py",),
    "workflows": (
        "tests/host/test_workflow.py", "tests/host/test_blueprint.py",
        "-k", "test_the_file_is_the_one",
    ),
}  # fmt: skip
MODELS, PICTURES, THUMBNAILS = "models", "pictures", "thumbnails"
PARTS = (*TESTS, MODELS, PICTURES, THUMBNAILS)


def record(file: str, text: str, section: str | None = None) -> tuple[str, str]:
    """The property, name and value, that a test records.

    Args:
        file: the generated file, from the root of the checkout.
        text: its new text, or that of the section.
        section: the section of `file`; None if the whole file is generated.
    """
    return PROPERTY, json.dumps({"file": file, "section": section, "text": text})


def write(host: Host, parts: list[str]) -> int:
    """Write the texts of these parts; 1 if a test failed before it recorded its text, else 0."""
    code = 0
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="flow-search-") as folder:
            results = Path(folder) / "results.xml"
            say(f"{part}: running {' '.join(TESTS[part])} ...")
            output = run_tests(host, part, results)
            if not results.exists():
                raise Fail(f"The tests of {part} did not run:\n{output[-3000:]}")
            cases = list(ElementTree.parse(results).iter("testcase"))
        recorded = list(records(cases))
        if not recorded:
            say(f"  nothing recorded: these files are made with ComfyUI {NEWEST}")
        for file in write_records(recorded):
            say(f"  wrote {file}")
        for name in broken(cases):
            say(f"  {name} failed: see `python dev.py test`")
            code = 1
    return code


def run_tests(host: Host, part: str, results: Path) -> str:
    """Run the tests of a part and return their output.

    Args:
        host: the ComfyUI to run them with.
        part: a key of `TESTS`.
        results: the file for pytest's results.
    """
    output = ["-o", "junit_family=xunit1", f"--junitxml={results}"]  # which has properties
    command = [str(host.python), "-m", "pytest", *TESTS[part], *output]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"COMFYUI_PATH": str(host.path)},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    return done.stdout + done.stderr


def records(cases: list[ElementTree.Element]) -> Iterator[dict[str, Any]]:
    """What the tests recorded, in their order."""
    for case in cases:
        for entry in case.iterfind("properties/property"):
            if entry.get("name") == PROPERTY:
                yield json.loads(entry.get("value", ""))


def broken(cases: list[ElementTree.Element]) -> Iterator[str]:
    """The tests that failed for another reason than a generated file that differs."""
    for case in cases:
        failure = next((e for e in case if e.tag in ("failure", "error")), None)
        if failure is not None and COMMAND not in (failure.get("message") or ""):
            yield f"{case.get('classname')}.{case.get('name')}"


def write_records(recorded: Iterable[dict[str, Any]]) -> list[str]:
    """Write the files, and return those that changed."""
    before: dict[str, str] = {}
    for entry in recorded:
        file, path = entry["file"], ROOT / entry["file"]
        before.setdefault(file, path.read_text("utf-8") if path.exists() else "")
        if entry["section"]:
            sections.put(path, entry["section"], entry["text"])
        else:
            path.write_text(entry["text"], "utf-8", newline="\n")
    return [file for file, text in before.items() if (ROOT / file).read_text("utf-8") != text]
