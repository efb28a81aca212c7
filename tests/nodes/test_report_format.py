"""Field 31: a report is somebody else's input; one description of it serves writer and readers."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pack.samplers.purse import Prices
from pack.samplers.replay import Replay
from pack.samplers.rules import Finish
from pack.samplers.search import SEARCHES
from pack.samplers.search.rounds import minimum

from ..samplers.setups import EACH, NEVER, Setup, pinned, setups
from .reports import GOLDEN, NASTY, changed, lose, places, put, repeat, reported, text, within

SECONDS = 10.0  # for anything that a report leads to; some milliseconds are enough


def sentence(error):
    said = str(error)
    assert type(error) is ValueError, repr(error)[:300]
    assert "\n" not in said and 4 <= len(said.split()) <= 60 and len(said) < 600, said[:1000]
    return said


def taken(parts, report_text):
    """What a reader makes of a text: reports that lead to an end, or the sentence."""
    with within(SECONDS):
        try:
            reports = parts.report.read(report_text)
        except ValueError as error:
            return sentence(error)
        assert list(parts.search_report.table(reports))
        for report in reports:
            parts.report_chart.chart(report)
            try:
                replay = Replay.of(report.get("lineage", []), report["best"]["path"])
                minimum(replay, len(report["sigmas"]) - 1, Prices())
            except ValueError as error:
                sentence(error)
    return reports


@pytest.fixture(scope="module")
def base(parts):
    """A report with all that one can have: of guided pairs, failures, weights, and a finish."""
    report = reported(parts.report, "rbf", Setup(EACH["rbf"], 3, 12, finish=Finish(1, 2)))
    report["trace"][1] |= {"watchdog": None, "log_w": -0.5, "quota": 3}
    report["spent"] |= {"lookahead": 0, "micro_batch": 16}
    report |= {"image": 1, "shape": [16, 8, 8], "cfg": 1.0, "conditioning": "a1", "latent": "b2"}
    return report | {"warnings": ["The replay differs."], "unknown": {"a": [1, {"b": 2}]}}


@pytest.mark.parametrize("name", SEARCHES)
def test_what_a_search_writes_is_in_the_format(parts, name):
    @pinned(40)
    @given(setups(name))
    def check(setup):
        report = reported(parts.report, name, setup)
        assert parts.report.read(json.dumps(report, allow_nan=False)) == [report]

    check()


@pytest.mark.parametrize("name", GOLDEN)
def test_what_was_written_before_is_read(parts, name):
    """Without what later versions added: lineage, lookahead, frames, gradients, budget, top."""
    report = copy.deepcopy(GOLDEN[name]["report"])
    assert parts.report.read(json.dumps(report)) == [report]
    for key in ("frames", "gradients", "network_calls"):
        report["spent"].pop(key)
    for key in ("top", "budget"):
        report.pop(key)
    report["spent"]["seconds"] = {"total": 1.5}
    assert isinstance(taken(parts, json.dumps(report)), list)
    report |= {"a newer key": {"of": [1, 2]}, "settings": {"prompt": "é", "any": None}}
    assert isinstance(taken(parts, json.dumps(report)), list)


STUCK = {
    "a parent of itself": lambda r: r["trace"][3].update(parent=r["trace"][3]["id"]),
    "two parents of each other": lambda r: (
        r["trace"][2].update(parent=r["trace"][3]["id"]),
        r["trace"][3].update(parent=r["trace"][2]["id"]),
    ),
    "one id twice": lambda r: r["trace"][3].update(id=r["trace"][2]["id"]),
    "a birth twice in the lineage": lambda r: r["lineage"].insert(0, r["lineage"][0]),
    "a start of itself in the lineage": lambda r: r["lineage"].insert(
        0, {"id": r["lineage"][0]["id"], "kind": "start"}
    ),
    "an ancestor twice": lambda r: r["lineage"].insert(2, r["lineage"][1]),
    "a huge image": lambda r: r.update(image=10**30),
    "a large image": lambda r: r.update(image=10**9),
    "a huge step": lambda r: r["trace"][0].update(step=10**9),
    "a huge step of an origin": lambda r: r["lineage"][-1].update(step=10**9),
    "many rows of an origin": lambda r: r["lineage"][0].update(rows=10**9),
    "more rows than were paid for": lambda r: r["spent"].update(nfe=3),
    "more lineage than there are times": lambda r: r["lineage"][1].update(step=40),
    "a huge reward": lambda r: r["trace"][0].update(reward=1e308),
    "a best that is not in the trace": lambda r: r["best"].update(id=99_999),
    "a best of another reward": lambda r: r["best"].update(reward=1e200),
    "a million of names": lambda r: [row.update({f"x{i}": 1}) for i, row in enumerate(r["trace"])],
    "sigmas that rise": lambda r: r["sigmas"].reverse(),
    "no times": lambda r: r.update(sigmas=[]),
    "no rows": lambda r: r.update(trace=[]),
    "no batch": lambda r: r.update(batch=[]),
    "a batch of nothing": lambda r: r.update(batch=[None]),
    "a batch of thousands": lambda r: r.update(batch=[{}] * 5000),
    "a negative radius": lambda r: r["lineage"][0].update(radius=-1.0),
}


@pytest.mark.parametrize("case", STUCK)
def test_what_would_never_end_is_one_sentence(parts, base, case):
    report = copy.deepcopy(base)
    if case == "a million of names":
        rows = enumerate(100 * report["trace"])
        report["trace"] = [row | {"id": i, "parent": None} for i, row in rows]
        report["spent"]["nfe"] = len(report["trace"])
    STUCK[case](report)
    said = taken(parts, json.dumps(report))
    assert isinstance(said, str) and ("expected" in said or "wanted" in said), said


def test_the_sentence_names_the_entry_the_value_and_what_was_expected(parts, base):
    report = copy.deepcopy(base)
    report["trace"][3]["parent"] = report["trace"][3]["id"] = 400
    assert taken(parts, json.dumps(report)) == (
        "Report entry trace[3].parent: got 400, expected an id below 400, or null."
    )
    batch = {**base, "batch": [base, base | {"seed": "x" * 1000}]}
    said = taken(parts, json.dumps(batch))
    assert said.startswith("Report entry batch[1].seed: got 'xxx") and said.endswith(
        "expected a whole number from -18446744073709551615 to 18446744073709551615."
    )


def test_any_value_anywhere_is_taken_or_one_sentence(parts, base):
    """Each entry in turn made into each of many other values, lost, and doubled."""
    assert isinstance(taken(parts, json.dumps(base)), list)
    drawn, refused = 0, set()
    for way in places(base):
        for change in [*map(put, NASTY), lose, repeat]:
            report_text = text(changed(base, way, change))
            try:
                with within(SECONDS):
                    reports = parts.report.read(report_text)
            except ValueError as error:
                refused.add(sentence(error))
                continue
            drawn += 1
            if drawn % 40 == 0:
                assert list(parts.search_report.table(reports))
                parts.report_chart.chart(reports[0])
    assert drawn > 200 and len(refused) > 300


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@given(st.data())
def test_several_changes_are_taken_or_one_sentence(parts, base, data):
    report = base
    for _ in range(data.draw(st.integers(1, 4))):
        way = data.draw(st.sampled_from(list(places(report))))
        report = changed(report, way, data.draw(st.sampled_from([*map(put, NASTY), lose, repeat])))
    taken(parts, text(report))


@pytest.mark.parametrize(
    "given_text",
    [
        "", "{", "null", "7", '"a"', "[]", "{}", "\ufeff{}", "[" * 10**6, '{"a":' * 10**5,
        '{"version": NaN}', '{"version": 1, "version": 1}', "9" * 10**6, '{"version": 1e999}',
        '{"version": true, "trace": []}', '{"version": 1.0, "trace": []}', '{"version": [1]}',
        '{"version": 1, "trace": [], "batch": {}}', " " * (1 << 27), "[" + "0," * (1 << 23) + "0]",
        None, b"{}", 7, ["{}"],
    ],
    ids=lambda value: repr(value[:20] if hasattr(value, "__len__") else value),
)  # fmt: skip
def test_other_texts_are_one_sentence(parts, given_text):
    assert isinstance(taken(parts, given_text), str)


def test_a_large_report_of_a_real_search_is_read_and_drawn(parts):
    setup = Setup(EACH["threshold"], 4, 6_000)
    assert setup.search.threshold == NEVER
    report = reported(parts.report, "threshold", setup, lineage=False)
    assert len(report["trace"]) > 6_000
    with within(60.0):
        assert parts.report.read(json.dumps(report)) == [report]
        parts.report_chart.chart(report)


def test_rewards_of_any_size_are_drawn(parts, base):
    for low, high in [(1e300, 1e300), (-1e300, 1e300), (0.0, 5e-324), (1e17, 1e17), (-3.0, -3.0)]:
        report = copy.deepcopy(base)
        for i, row in enumerate(report["trace"]):
            row["reward"] = low if i % 2 else high
        for winner in (report["best"], *report["top"]):
            rows = {row["id"]: row for row in report["trace"]}
            winner["reward"] = rows[winner["id"]]["reward"]
        assert isinstance(taken(parts, json.dumps(report)), list)


def test_more_searches_than_memory_holds_pictures_of_are_one_sentence(parts, base):
    with pytest.raises(ValueError, match="got 65, expected at most 64") as caught:
        parts.search_report.charts([base] * 65)
    sentence(caught.value)


def test_a_table_holds_no_formula_of_somebody_elses_report(parts):
    report = copy.deepcopy(reported(parts.report, "rbf", Setup(EACH["rbf"], 3, 12)))
    report["trace"][0] |= {"=evil()": "=cmd()", "note": "@SUM(A1)", "reward": -1.0}
    first, second = parts.search_report.table([report]).splitlines()[:2]
    assert first.endswith(",'=evil(),note") and second.endswith(",'=cmd(),'@SUM(A1)")
    assert ",-1.0," in second
