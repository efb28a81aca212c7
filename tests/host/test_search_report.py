"""Search Report: its picture shows the search, its table is the trace.

Field 31: a report may be somebody else's; tests/nodes has all that can be wrong with one.
"""

import csv
import io
import json

import pytest
from pack.demo.client import ComfyError
from PIL import Image

from .graphs import node, search, with_input

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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a cat", "A text that is not JSON"),
        ("[1, 2]", "version None was given, wanted the report of a search node, version 1"),
        ('{"version": 9, "trace": []}', "A text of version 9 was given"),
        ('{"version": 1, "trace": []}', "A report without method, seed, settings, sigmas, spent"),
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
    "many searches": (lambda r: r.update(batch=[dict(r)] * 70), "at most 64 searches: got 70"),
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
    assert text.startswith("csv_prefix ") and "wanted a name" in text and "\n" not in text


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
