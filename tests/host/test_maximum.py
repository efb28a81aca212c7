"""A search stops at the highest score of its reward, unless it shall not (Field 24)."""

import json

import pytest
from pack.tools.probing.graphs import node, particles, search, with_input

ALWAYS = {"reward.counts": "red: 0", "reward.other_colours": "ignore"}  # any picture without red


def easy(name, caption="two blue squares", **inputs):
    """A search in which nearly each picture has the maximum: it shall show nothing red."""
    graph = search(caption=caption, name=name, budget=30, **inputs)
    graph["reward"] = node("FlowSearchRewardLoader", reward="colour_count", **ALWAYS)
    return graph


def report(host, graph):
    return host.probe(graph)["report"]


@pytest.mark.parametrize("method", [None, "best_of_n", "smc", "svdd"])
def test_it_stops_there(host, method):
    graph = easy(f"stops {method}", seed=71)
    graph = graph if method is None else particles(graph, method)
    told = report(host, graph)
    assert told["stopped"] == "target" and told["spent"]["nfe"] < 30
    assert max(row["reward"] for row in told["trace"] if row["reward"] is not None) == 0.0
    assert told["budget"] == {"nfe": 30, "seconds": None, "target_reward": None}
    assert told["maximum"] == 0.0
    assert told["settings"]["stop_at_maximum"] is True


def test_it_goes_on_where_it_shall(host):
    told = report(host, easy("goes on", seed=71, stop_at_maximum=False))
    assert (told["stopped"], told["spent"]["nfe"]) == ("budget", 30)
    assert told["settings"]["stop_at_maximum"] is False and told["maximum"] == 0.0


def test_a_reward_without_a_maximum_spends_its_budget(host):
    graph = easy("none", seed=71)
    graph["reward"] = node("FlowSearchRewardLoader", reward="sharpness")
    told = report(host, graph)
    assert (told["stopped"], told["spent"]["nfe"]) == ("budget", 30)
    assert "maximum" not in told


def test_a_combination_stops_at_its_own(host):
    graph = easy("sum", seed=71)
    for weight, standardise, stopped in [(2.0, False, "target"), (2.0, True, "budget")]:
        graph["both"] = node(
            "FlowSearchRewardCombine", reward_1=["reward", 0], reward_2=["reward", 0],
            mode="weighted_sum",
            **{"mode.weight_1": weight, "mode.weight_2": 1.0, "mode.standardise": standardise},
        )  # fmt: skip
        told = report(host, with_input(graph, "search", "reward", ["both", 0]))
        assert told["stopped"] == stopped


def test_a_replay_goes_to_its_end(host):
    whole = easy("whole", seed=71, stop_at_maximum=False)
    first = json.loads(host.run(whole)["probe"]["probe"][0])
    graph = easy("again", seed=71, replay=json.dumps(first["report"]))
    again = json.loads(host.run(graph)["probe"]["probe"][0])
    assert again["report"]["stopped"] == "done"
    assert again["report"]["best"]["reward"] == first["report"]["best"]["reward"]
