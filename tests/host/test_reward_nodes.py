"""Score Images and Combine Rewards, through the HTTP API of a running ComfyUI."""

import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import CAPTION, node, particles, search, with_input

from ..rewards.test_clip import build as build_clip
from .helpers.reward_graphs import brightness, combine, greys, loader, scoring


def test_best_first(host):
    shown = host.probe(scoring(greys(51, 204, 102) | brightness()))
    found = shown["scores"]
    keys = {"version", "prompt", "scores", "order", "best", "settings"}
    assert set(found) == keys | {"keep", "threshold", "kept", "rejected"}
    assert (found["version"], found["prompt"]) == (1, "anything")
    assert found["scores"] == pytest.approx([-0.8, -0.2, -0.6])
    assert (found["order"], found["best"]) == ([1, 2, 0], 1)
    assert found["settings"] == {"reward": "brightness", "reward.target": 1.0}
    assert shown["best_score"] == found["scores"][1]
    assert shown["means"] == pytest.approx([0.8, 0.4, 0.2])


def test_more_than_a_chunk_and_ties_in_input_order(host):
    found = host.probe(scoring(greys(51, 204, 102, copies=7) | brightness()))["scores"]
    assert found["order"] == [*range(7, 14), *range(14, 21), *range(7)]
    assert found["best"] == 7


def test_pictures_of_a_search(host):
    """The scores are the report's, and so is the order."""
    graph = search(top_k=2, budget=24)
    graph["pictures"] = node("RebatchImages", images=["search", 1], batch_size=8)
    report = host.probe(graph)["report"]
    shown = host.probe(scoring(graph, "pictures", prompt=CAPTION))
    kept = [row["reward"] for row in report["top"]]
    assert shown["scores"]["scores"] == pytest.approx(kept, abs=1e-4)
    assert shown["best_score"] == max(shown["scores"]["scores"])


def test_a_picture_that_fails_comes_last(host):
    graph = greys(204, 51, 102) | brightness()
    graph["bad"] = node("ProbeSpoilImage", images=["images", 0], count=1)
    shown = host.probe(scoring(graph, "bad"))
    assert shown["scores"]["scores"][0] is None
    assert shown["scores"]["order"] == [2, 1, 0]


def test_all_pictures_fail(host):
    graph = greys(204, 51) | brightness()
    graph["bad"] = node("ProbeSpoilImage", images=["images", 0], count=2)
    with pytest.raises(ComfyError, match="All 2 images failed: got no finite score, expected at"):
        host.run(scoring(graph, "bad"))


def two(mode, **settings):
    """Bright and dark against each other."""
    return {
        "bright": loader("brightness", target=1.0),
        "dark": loader("brightness", target=0.0),
        "reward": combine(mode, "bright", "dark", **settings),
    }


def test_a_weighted_sum_of_all_pictures_given(host):
    """-|l - 1| and -|l|, both standardised over the call, are opposite: the weights decide."""
    graph = greys(51, 204, 102, 153, copies=5) | two("weighted_sum", weight_2=0.25)
    found = host.probe(scoring(graph))["scores"]
    assert found["order"] == [*range(5, 10), *range(15, 20), *range(10, 15), *range(5)]
    assert sum(found["scores"]) == pytest.approx(0.0, abs=1e-5)
    assert found["settings"] == {
        "mode": "weighted_sum", "mode.weight_1": 1.0, "mode.weight_2": 0.25, "mode.weight_3": 1.0,
        "mode.weight_4": 1.0, "mode.standardise": True,
        "reward_1.reward": "brightness", "reward_1.reward.target": 1.0,
        "reward_2.reward": "brightness", "reward_2.reward.target": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "mode, settings, order",
    [
        ("minimum", {"standardise": False}, [2, 0, 1]),
        ("constraint", {"threshold_2": -0.5}, [2, 0, 1]),
        ("constraint", {"threshold_2": -0.1}, [0, 2, 1]),
        ("weighted_sum", {"weight_1": -1.0, "standardise": False}, [0, 2, 1]),
    ],
)
def test_modes(host, mode, settings, order):
    graph = greys(51, 230, 115) | two(mode, **settings)
    assert host.probe(scoring(graph))["scores"]["order"] == order


def test_a_combination_of_combinations_with_a_gap(host):
    graph = greys(51, 204, 102) | two("minimum", standardise=False)
    graph["sharp"] = loader("sharpness")
    graph["both"] = combine("constraint", "sharp", "reward", None, "bright", threshold_2=-0.65,
                            threshold_4=-0.7)  # fmt: skip
    found = host.probe(scoring(graph, reward="both"))["scores"]
    assert found["scores"][2] == 0.0
    assert found["scores"][:2] == pytest.approx([-2 - 0.25 / 1.25, -2 - 0.15 / 1.15], abs=1e-3)
    assert found["settings"]["reward_2.reward_1.reward.target"] == 1.0
    assert found["settings"]["reward_4.reward"] == "brightness"
    assert "reward_3.reward" not in found["settings"]


def combined_search(mode="weighted_sum", settings=None, **inputs):
    graph = search(**inputs)
    graph["count it"] = graph["reward"]
    graph["sharp"] = loader("sharpness")
    graph["reward"] = combine(mode, "count it", "sharp", **(settings or {}))
    return graph


def rewards(report):
    return [row["reward"] for row in report["trace"]]


def test_a_search_for_a_combination(host):
    report = host.probe(combined_search(settings={"weight_2": 0.1}))["report"]
    assert report["spent"]["nfe"] == 20
    assert report["settings"]["mode.weight_2"] == 0.1
    assert report["settings"]["reward_1.reward"] == "colour_count"
    assert report["settings"]["reward_2.reward"] == "sharpness"
    assert len(set(rewards(report))) > 10


def test_parts_with_weights_of_their_own(host):
    """Two CLIP models under the host's memory management, within a search and outside one."""
    for name in ("clip_a", "clip_b"):
        build_clip(host.base / "models" / "rewards" / name, dim=48 if name == "clip_a" else 32)
    graph = search(caption="two red circles")
    graph["a"] = loader("clip_score", checkpoint="clip_a")
    graph["b"] = loader("clip_score", checkpoint="clip_b")
    graph["reward"] = combine("weighted_sum", "a", "b", standardise=False)
    report = host.probe(graph)["report"]
    assert report["settings"]["reward_2.reward.checkpoint"] == "clip_b"
    graph["pictures"] = node("RebatchImages", images=["search", 1], batch_size=8)
    both, a, b = (
        host.probe(scoring(graph, "pictures", reward, "two red circles"))["best_score"]
        for reward in ("reward", "a", "b")
    )
    assert both == pytest.approx(a + b, abs=1e-6) and a != b
    assert both == pytest.approx(report["best"]["reward"], abs=1e-4)


def test_every_search_begins_anew(host):
    """The cached reward of the first run is used by the second: it must not remember anything."""
    first = host.probe(combined_search())["report"]
    again = with_input(combined_search(), "search", "time_limit", 1e6)
    assert rewards(host.probe(again)["report"]) == rewards(first)
    small = with_input(combined_search(), "search", "micro_batch", 1)
    assert rewards(host.probe(small)["report"]) == pytest.approx(rewards(first), abs=5e-3)


def test_a_search_under_a_constraint(host):
    """Feasible ones score above -1, the others below -2; the best is feasible if any is."""
    graph = combined_search("constraint", {"threshold_2": 4.0}, budget=30)
    seen = rewards(host.probe(graph)["report"])
    assert all(-3.0 <= r <= -2.0 or -1.0 <= r <= 1.0 for r in seen)
    graph = particles(combined_search("minimum"))
    assert host.probe(graph)["report"]["settings"]["mode.standardise"] is True


def landscape():
    return scoring(greys(51) | {"reward": loader("colour_count")}, prompt="a nice landscape")


def foreign():
    """Field 11."""
    graph = greys(51) | {"reward": loader("colour_count")}
    return scoring(graph, prompt="drei rote Bälle")


def landscape_within():
    graph = greys(51) | {"reward": loader("colour_count"), "bright": loader("brightness")}
    graph["inner"] = combine("product", "bright", "reward")
    graph["both"] = combine("minimum", "bright", "inner")
    return scoring(graph, reward="both", prompt="a nice landscape")


CASES = {
    "prompt": (landscape, "a nice landscape"),
    "prompt in German": (foreign, '"drei" is not English. Write for example'),
    "prompt of a part": (landscape_within, "a nice landscape"),
    "search prompt": (lambda: combined_search(prompt="a nice landscape"), "a nice landscape"),
    "negative product": (lambda: combined_search("product"), "expected 0 or more"),
    "which part": (
        lambda: scoring(greys(51) | two("product")),
        "reward_1 has a negative score in a product: got -0.8, expected 0 or more",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_clear_sentence(host, case):
    make, sentence = CASES[case]
    with pytest.raises(ComfyError) as caught:
        host.run(make())
    text = str(caught.value)
    assert sentence in text
    assert "Traceback" not in text and "\n" not in text.strip()
