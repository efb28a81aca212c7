"""Headings and sentences of docs/results.md, from rows whose truth is known."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from pack.benchmarks import interval_chart
from pack.benchmarks import multiplier_claims as claims
from pack.benchmarks.multiplier_runs import COLUMNS
from pack.benchmarks.multiplier_tables import Estimate, Measured

from .test_multiplier import cell_of


def named(method, numbers, budget=100, **changes):
    return replace(cell_of(budget, numbers), method=method, **changes)


def few(cell):
    return replace(cell, runs=cell.runs[cell.column("prompt") < claims.ENOUGH - 1], curves={})


@pytest.fixture(scope="module")
def result():
    """Best of N has 50 samples at 100 NFE: so many more or fewer are ahead or behind."""
    cells = [
        named("auto", 400), named("as good", 50), named("poor", 8), few(named("begun", 400)),
        named("auto", 25, budget=50), few(named("poor", 25, budget=50)),
    ]  # fmt: skip
    return Measured("fast", "hard", [""] * 60, 70, {}, cells[0].draws, cells)


def test_a_claim_needs_the_whole_interval_and_enough_prompts(result):
    found = [claims.verdict(cell) for cell in result.cells]
    assert found[:4] == [claims.AHEAD, claims.LEVEL, claims.BEHIND, claims.FEW]
    assert claims.verdicts(result) == [
        ("50", "–", "`auto`", "–", "`poor`"),
        ("100", "`auto`", "`as good`", "`poor`", "`begun`"),
    ]


def test_what_is_above_the_end_of_the_curve_is_no_more_than_that():
    cell = named("x", 50)
    for end, said in ((0.5, claims.LEVEL), (2.0, claims.AHEAD)):
        above = Estimate(np.inf, np.inf, np.inf, end)
        assert claims.verdict(cell, lambda _, above=above: above) == said
    assert Estimate(3.0, 1.0, np.inf, 2.0).capped() == (2.0, 1.0, 2.0, True)


def test_headings_name_what_is_ahead_and_what_is_not(result):
    assert claims.heading(result) == (
        "`fast`, hard prompts: at 100 NFE `auto` is ahead of best of N"
    )
    none = replace(result, cells=result.cells[1:2])
    assert claims.heading(none).endswith("no method is clearly ahead of best of N")
    empty = replace(result, cells=result.cells[3:4])
    assert claims.heading(empty).endswith("too few were run to say anything")
    (heading, worth) = claims.method_claim(result, "auto")
    assert heading == "### `auto`, the default: ahead of best of N at 100 NFE, level at 50 NFE"
    assert worth.startswith("At 100 NFE it is worth ")
    assert claims.method_claim(empty, "auto") == []


def test_a_lead_is_paired_on_the_shared_prompts(result):
    auto, level, _, begun = result.cells[:4]
    found, shared = claims.lead(auto, level)
    assert shared == 60 and 0 < found.low < found.value < found.high
    assert found.value == pytest.approx(float((auto.success() - level.success()).mean()))
    assert claims.lead(begun, auto)[0].value == 0.0  # the same runs, of fewer prompts
    assert claims.lead(begun, auto)[1] == claims.ENOUGH - 1
    assert (
        claims.lead_claim(result)[0] == "### The lead of `auto` over `as good` is clear of chance"
    )


def test_the_regret_is_what_the_best_other_method_is_ahead(result):
    (row,) = claims.regrets(result)  # at 50 NFE the other one has too few prompts
    auto, level = result.cells[:2]
    expected = float((level.success() - auto.success()).mean())
    assert row[:2] == ("100", "`as good`") and row[3] == "60"
    assert row[2].startswith(f"{expected:+.2f} (") and expected < 0
    assert claims.regrets(replace(result, cells=result.cells[1:])) == []


def test_what_does_not_hold_is_said(result):
    text = claims.doubts(result)
    assert "- 60 prompts at most, and 3 runs for each." in text
    assert "- Not clearly better than best of N at 100 NFE: `as good` and `poor`." in text
    assert "- Clearly worse than best of N: `poor` at 100 NFE." in text


def test_a_lead_that_is_lost_in_seconds_is_said(result):
    dear = result.cells[0].runs.copy()
    dear[:, COLUMNS.index("seconds")] *= 4
    heading, text = claims.seconds_claim(replace(result, cells=[named("auto", 400, runs=dear)]))
    assert heading == "### In CPU seconds no method is clearly ahead"
    assert text.startswith("The lead is lost by `auto`. At the prices of FLUX (full VAE, ")


def test_intervals_that_go_on_have_an_arrow():
    rows = {"a": [(2.0, 1.0, 4.0, False)], "b": [(8.0, 3.0, 8.0, True)]}
    drawn = ElementTree.fromstring(interval_chart.chart("t", ["NFE"], rows))
    arrows = [e for e in drawn if "l6 3" in e.get("d", "")]
    assert len(arrows) == 1 and len([e for e in drawn if e.tag.endswith("circle")]) == 3
