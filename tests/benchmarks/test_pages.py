"""The pages of quality.py are made from the rows in benchmarks/results/."""

import json
from pathlib import Path

import pytest
from pack.benchmarks import plans, quality_tables

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("weights", ["fast", "base"])
def test_the_page_is_made_from_the_rows(weights):
    kept = json.loads((ROOT / "benchmarks" / "results" / f"quality_{weights}.json").read_text())
    text, drawn = quality_tables.page(weights, kept["about"], plans.plan(weights), kept["rows"])
    assert text == (ROOT / "docs" / f"quality_{weights}.md").read_text("utf-8")
    assert drawn == (ROOT / "docs" / "plots" / f"quality-{weights}.svg").read_text("utf-8")
