"""Regional searches of images, videos, masks and pixel space, through the HTTP API."""

import json

import pytest
from pack.tools.probing.graphs import CAPTION, particles, search, with_input
from pack.tools.probing.runs import Runs, assert_counted
from pack.tools.probing.wiring import CLIP, IMAGE, masked, some_frames

BUDGET = 30
PIXELS = "Chroma Radiance"  # latents are images of three channels
METHODS = ("regional", "regional_paths")


def run(runs, name, method="regional", reward=None, **inputs):
    """Add a regional search of one model, by a reward that blames."""
    count = reward or runs.node(
        "FlowSearchRewardLoader", reward="colour_count", **{"reward.counts": "red: 9"}
    )
    return runs.particles(name, method, budget=BUDGET, reward=count, **inputs)


def boxes_of(report):
    return [origin["box"] for origin in report.get("lineage", []) if "box" in origin]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("key", "wire", "axes"),
    [
        (IMAGE, None, 2),
        (IMAGE, masked, 2),
        (PIXELS, None, 2),
        (CLIP, None, 3),
        (CLIP, some_frames, 3),
    ],
    ids=["image", "image, mask", "pixel space", "video", "video, mask by frame"],
)
def test_whatever_is_searched_is_searched_by_regions(host, method, key, wire, axes):
    runs = Runs(key)
    if wire:
        wire(runs)
    run(runs, "search", method, finish_steps=0, top_k=2, lookahead=0)
    shown = runs.show(host)
    report = shown["search"]["report"]
    assert report["spent"]["nfe"] == shown["search"]["counts"]["rows"] <= BUDGET
    kinds = {row["kind"] for row in report["trace"]}
    assert kinds <= {"born", "propose"} and len(report["trace"]) >= BUDGET // 4
    for box in boxes_of(report):
        assert len(box) == 2 * axes
        if wire is some_frames:
            assert box[0] >= 1  # the first frame stays


def test_a_batch_is_searched_image_by_image(host):
    graph = particles(search(name="regional batch", seed=61), "regional", budget=40)
    graph["latent"]["inputs"]["batch_size"] = 2
    report = host.probe(graph)["report"]
    assert len(report["batch"]) == 2
    ids = [one["best"]["id"] for one in report["batch"]]
    second = with_input(graph, "search", "replay", json.dumps(report))
    assert [one["best"]["id"] for one in host.probe(second)["report"]["batch"]] == ids


@pytest.mark.parametrize("reward", ["shape_count", "colour_count"])
def test_blame_says_where(host, reward):
    """A proposal that it guides lies elsewhere than one by chance."""
    graph = particles(search(CAPTION, name=f"blame {reward}", seed=62), "regional", budget=40)
    graph = with_input(graph, "reward", "reward", reward)
    guided = host.probe(graph)["report"]
    assert guided["settings"]["reward"] == reward and guided["maximum"] == 0
    other = with_input(graph, "search", "method.follow_blame", False)
    other = with_input(with_input(other, "count", "name", "chance"), "probe", "name", "chance")
    blind = host.probe(other)["report"]
    assert (
        guided["settings"]["method.follow_blame"] and not blind["settings"]["method.follow_blame"]
    )
    starts = [
        [row["reward"] for row in r["trace"] if row["parent"] is None] for r in (guided, blind)
    ]
    assert starts[0] == starts[1]
    assert guided["spent"]["decodes"] >= guided["spent"]["rewards"]


def test_a_reward_that_blames_nothing_costs_no_decode(host):
    graph = particles(search(name="blameless", seed=63), "regional", budget=40)
    graph["reward"]["inputs"] = {"reward": "brightness"}
    spent = host.probe(graph)["report"]["spent"]
    assert spent["decodes"] == spent["rewards"]


def test_nfe_are_those_of_the_network(host):
    runs = Runs(IMAGE)
    run(runs, "search", finish_steps=0, lookahead=0)
    assert_counted(runs.show(host)["search"], BUDGET)
