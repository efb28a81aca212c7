"""Search Report: its picture shows the search, its table is the trace.

Field 31: a report may be somebody else's; tests/nodes has all that can be wrong with one.
"""

import csv
import importlib
import io
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import node, particles, search, with_input
from PIL import Image

WHITE, RED, BLUE = (255, 255, 255), (194, 59, 34), (59, 117, 175)


def reported(batch=1, prefix="flow_search/report", **inputs):
    graph = search(**inputs)
    graph["latent"]["inputs"]["batch_size"] = batch
    graph["chart"] = node("FlowSearchReport", report=["search", 2], csv_prefix=prefix)
    return graph


def drawn(host, outputs):
    """The pictures of the node."""
    for image in outputs["chart"]["images"]:
        yield Image.open(host.base / "temp" / image["subfolder"] / image["filename"])


def count(picture, colour, box):
    return sum(n for n, c in picture.crop(box).convert("RGB").getcolors(1 << 20) if c == colour)


def test_its_table_is_the_trace(host):
    for file in host.base.glob("output/tables/*.csv"):
        file.unlink()
    outputs = host.run(reported(batch=2, prefix="tables/of a search", seed=21))
    report = json.loads(outputs["probe"]["probe"][0])["report"]
    (file,) = host.base.glob("output/tables/*.csv")
    rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))
    traced = [(i, row) for i, each in enumerate(report["batch"]) for row in each["trace"]]
    assert len(rows) == len(traced) == sum(len(each["trace"]) for each in report["batch"])
    for row, (image, told) in zip(rows, traced, strict=True):
        assert int(row["image"]) == image
        assert int(row["id"]) == told["id"]
        assert row["parent"] == ("" if told["parent"] is None else str(told["parent"]))
        assert float(row["reward"]) == told["reward"]
        assert row["accepted"] == str(told["accepted"])
    host.run(reported(batch=2, prefix="tables/of a search", seed=22))
    assert len(list(host.base.glob("output/tables/*.csv"))) == 2


def test_its_picture_shows_every_panel(host):
    outputs = host.run(reported(batch=2, prefix="", seed=23))
    assert not list(host.base.glob("output/*.csv"))
    pictures = list(drawn(host, outputs))
    assert [picture.size for picture in pictures] == [(1200, 1000)] * 2
    assert pictures[0].tobytes() != pictures[1].tobytes()
    for picture in pictures:
        rewards, budget, tree = (90, 130, 690, 450), (800, 130, 1140, 450), (90, 580, 1140, 920)
        assert count(picture, RED, rewards) > 300  # the best line
        assert count(picture, BLUE, rewards) > 300  # 20 particles
        assert count(picture, BLUE, budget) > 5000  # bars
        assert count(picture, RED, tree) > 300  # the winner's ancestors
        assert count(picture, WHITE, (0, 0, 1200, 15)) == 1200 * 15


@pytest.mark.parametrize("method", ["best_of_n", "rbf"])
def test_field_27_what_says_nothing_is_left_out(host, method):
    """Best of N has no tree and scores at one step: its rewards have the whole sheet."""
    graph = reported(prefix="", seed=25, name=f"sheet {method}", budget=30)
    (picture,) = drawn(host, host.run(particles(graph, method)))
    assert picture.size == (1200, 1000)
    bars, line = (count(picture, colour, (800, 130, 1140, 450)) for colour in (BLUE, RED))
    below = [count(picture, colour, (90, 580, 1140, 920)) for colour in (BLUE, RED)]
    if method == "rbf":
        assert bars > 5000 and below[1] > 100
    else:
        assert 0 < bars < 1000 and line > 100  # dots and the best line, no bars
        assert picture.getpixel((90, 550)) == WHITE  # no title there
        assert any(below)


@pytest.mark.parametrize("method", ["best_of_n", "rbf"])
def test_field_27_the_pictures_returned_are_on_the_sheet(host, method):
    graph = particles(
        reported(batch=2, prefix="", seed=26, name=f"shown {method}", budget=30, top_k=2), method
    )
    graph["chart"]["inputs"]["images"] = ["search", 1]
    graph["saved"] = node("SaveImage", images=["search", 1], filename_prefix=f"shown_{method}")
    outputs = host.run(graph)
    files = [
        Image.open(host.base / "output" / image["filename"]) for image in outputs["saved"]["images"]
    ]
    for i, picture in enumerate(drawn(host, outputs)):
        top = picture.height - 340  # of the pictures, each 256 px wide
        for k in range(2):
            box = (90 + k * 268, top, 90 + k * 268 + 256, top + 256)
            shown, file = picture.crop(box), files[2 * i + k].resize((256, 256))
            worth = np.abs(np.asarray(shown, float) - np.asarray(file.convert("RGB"), float)).mean()
            assert worth < 6.0, (i, k, worth)


def test_field_27_pictures_of_another_search_are_refused(host):
    graph = reported(prefix="", seed=27, name="others", top_k=2)
    graph["one"] = node("ImageFromBatch", image=["search", 1], batch_index=0, length=1)
    graph["chart"]["inputs"]["images"] = ["one", 0]
    with pytest.raises(ComfyError) as caught:
        host.run(graph)
    text = str(caught.value)
    assert "got 1, expected 2" in text and "\n" not in text


def test_field_24_a_perfect_score_is_called_so(monkeypatch):
    """In the title of the sheet; what is left of rounding is 0."""
    package = ModuleType("pack.nodes")
    package.__path__ = [str(Path(__file__).resolve().parents[2] / "nodes")]
    monkeypatch.setitem(sys.modules, "pack.nodes", package)
    monkeypatch.delitem(sys.modules, "pack.nodes.show.report_chart", raising=False)
    chart = importlib.import_module("pack.nodes.show.report_chart")
    monkeypatch.delitem(sys.modules, "pack.nodes.show.report_chart")
    best = {"id": 0, "path": 0, "nfe": 1}
    report = {"method": "rbf", "seed": 1, "spent": {"nfe": 1, "seconds": {"total": 1.0}}}
    report |= {"stopped": "target", "budget": {"target_reward": None}, "maximum": 0.0}
    told = {
        w: chart.headline(report | {"best": best | {"reward": w}}) for w in (0.0, -4.9e-9, -1.5)
    }
    assert "reward 0 (perfect) with" in told[0.0] and told[-4.9e-9] == told[0.0]
    assert "reward -1.5 with" in told[-1.5] and told[0.0].endswith("stopped at the maximum")
    del report["maximum"]
    plain = chart.headline(report | {"best": best | {"reward": -4.9e-9}})
    assert "reward 0 with" in plain and plain.endswith("stopped by target")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a cat", "The report is not JSON: got 'a cat'"),
        ("[1, 2]", "not the report of a search node: got version None, expected version 1"),
        ('{"version": 9, "trace": []}', "not the report of a search node: got version 9"),
        ('{"version": 1, "trace": []}', "got none of method, seed, settings, sigmas, spent"),
    ],
)
def test_another_text_is_refused(host, text, said):
    graph = {"text": node("PrimitiveString", value=text)}
    graph["chart"] = node("FlowSearchReport", report=["text", 0], csv_prefix="")
    with pytest.raises(ComfyError, match=said.replace("[", r"\[")):
        host.run(graph)


def circle(report):
    a, b = report["trace"][2:4]
    a["parent"], b["parent"] = b["id"], a["id"]


STUCK = {
    "its own parent": (
        lambda r: r["trace"][3].update(parent=r["trace"][3]["id"]),
        r"Report entry trace\[3\].parent: got",
    ),
    "each other's parent": (circle, r"Report entry trace\[2\].parent: got"),
    "a step far away": (lambda r: r["trace"][3].update(step=10**5), "step: got 100000, expected"),
    "a large reward": (lambda r: r["trace"][3].update(reward=1e307), "reward: got 1e.307, exp"),
    "no best": (lambda r: r.update(best=None), "best: got None, expected an object"),
    "many searches": (lambda r: r.update(batch=[dict(r)] * 70), "got 70, expected at most 64"),
}


@pytest.mark.parametrize("case", STUCK)
def test_a_hostile_report_is_one_sentence(host, case):
    report = host.probe(search(name="hostile", seed=25))["report"]
    spoil, said = STUCK[case]
    spoil(report)
    graph = {"text": node("PrimitiveStringMultiline", value=json.dumps(report))}
    graph["chart"] = node("FlowSearchReport", report=["text", 0], csv_prefix="")
    with pytest.raises(ComfyError, match=said) as caught:
        host.run(graph)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["../outside", "x" * 300, "a\0b"])
def test_a_table_that_has_no_place_is_one_sentence(host, prefix):
    with pytest.raises(ComfyError) as caught:
        host.run(reported(prefix=prefix, seed=23, name="nowhere"))
    text = str(caught.value)
    assert text.startswith("csv_prefix ") and "expected a name" in text and "\n" not in text


def test_a_search_that_lost_candidates_is_drawn(host):
    graph = reported(prefix="", seed=24, name="lost")
    graph["trouble"] = node(
        "ProbeTroubledReward", reward=["reward", 0], kind="nan", first=0, count=4, name="lost"
    )
    outputs = host.run(with_input(graph, "search", "reward", ["trouble", 0]))
    trace = json.loads(outputs["probe"]["probe"][0])["report"]["trace"]
    assert [row["reward"] for row in trace[:3]] == [None] * 3
    (picture,) = drawn(host, outputs)
    assert count(picture, RED, (90, 130, 690, 450)) > 100
