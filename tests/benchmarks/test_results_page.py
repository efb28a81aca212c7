"""docs/results.md and its charts are made from the kept rows."""

import json
from xml.etree import ElementTree

from pack.benchmarks import multiplier_page
from pack.benchmarks.world import ROOT

FOLDER = ROOT / "benchmarks" / "results" / "multiplier"


def test_the_page_is_made_from_the_rows():
    accuracy = json.loads(multiplier_page.ACCURACY.read_text("utf-8"))
    text, charts = multiplier_page.page(FOLDER, accuracy)
    assert text == (ROOT / "docs" / "results.md").read_text("utf-8")
    for name, drawn in charts.items():
        assert ElementTree.fromstring(drawn).tag.endswith("svg")
        assert drawn == (ROOT / "docs" / "plots" / name).read_text("utf-8")
