"""`python dev.py write`: what tests recorded, written to the files."""

import json
import xml.etree.ElementTree as ElementTree

import pytest
from pack.tools import writing
from pack.tools.sections import put, section

PAGE = """# Page

<!-- t -->
| a |
| --- |
| old |
<!-- end of t -->

<!-- u -->
x
<!-- end of u -->
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "ROOT", tmp_path)
    file = tmp_path / "page.md"
    file.write_text(PAGE, "utf-8")
    return file


def case(*recorded, failure=None):
    """A test in pytest's results."""
    element = ElementTree.Element("testcase", classname="tests.x", name="test_y")
    properties = ElementTree.SubElement(element, "properties")
    for record in recorded:
        name, value = writing.record(**record)
        ElementTree.SubElement(properties, "property", name=name, value=value)
    if failure:
        ElementTree.SubElement(element, "failure", message=failure)
    return ElementTree.fromstring(ElementTree.tostring(element))


def test_files_and_sections(page):
    whole = {"file": "new.json", "text": '{\n "é": 1\n}\n'}
    part = {"file": "page.md", "section": "u", "text": "y\n\nz"}
    cases = [case(whole, part), case()]
    assert writing.write_records(writing.records(cases)) == ["new.json", "page.md"]
    text = PAGE.replace("\nx\n", "\ny\n\nz\n")
    assert page.read_text("utf-8") == text
    assert page.with_name("new.json").read_text("utf-8") == whole["text"]
    assert writing.write_records(writing.records(cases)) == []


def test_a_test_that_failed_for_another_reason_is_named():
    part = {"file": "page.md", "section": "u", "text": "y"}
    differs = case(part, failure=f"AssertionError: page.md differs: {writing.COMMAND}")
    assert list(writing.broken([case(), differs])) == []
    assert list(writing.broken([case(failure="KeyError: 1")])) == ["tests.x.test_y"]


def test_a_section_without_marks_is_one_sentence(page):
    assert section(page, "u") == "x"
    put(page, "u", r"\1")
    assert section(page, "u") == r"\1"
    with pytest.raises(ValueError, match="lacks a section: got no 'v', expected <!-- v -->"):
        section(page, "v")


def test_what_is_recorded_is_json():
    name, value = writing.record("a.md", "text")
    entry = {"file": "a.md", "section": None, "text": "text"}
    assert (name, json.loads(value)) == (writing.PROPERTY, entry)


def test_an_unknown_part_is_one_sentence(dev, fake_host):
    with pytest.raises(dev.Fail, match="got everything, expected one of help, events"):
        dev.write(fake_host, ["everything"])


def test_models_are_written_by_their_benchmark(dev, fake_host, monkeypatch):
    commands = []
    monkeypatch.setattr(dev, "foreground", lambda command, host: commands.append(command) or 3)
    assert dev.write(fake_host, [writing.MODELS]) == 3
    ((_, program, option),) = commands
    assert program == str(dev.ROOT / "benchmarks" / "models.py") and option == "--write"
