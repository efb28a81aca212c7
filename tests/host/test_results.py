"""What a search returns, and that its budget is spent, in a running ComfyUI. Field 3, 7 and 28."""

import copy
import json

import pytest
from pack.tools.probing.graphs import node, particles, search, with_input

from .helpers.methods import METHODS
from .helpers.reward_graphs import scored_again, second_score


def finished(report):
    return [row for row in report["trace"] if row["kind"] == "finish"]


def large(**inputs):
    """A search at the size that the demo model draws at: a few steps are sharp there."""
    graph = search(**{"lookahead": -1, "stop_at_maximum": False} | inputs)
    graph["latent"]["inputs"] |= {"width": 128, "height": 128}
    return graph


@pytest.mark.parametrize("seed", range(123, 129))
def test_finishing_never_makes_the_result_worse(host, seed):
    """Field 3: of the demo model the first predictions are sharp, so what was scored is clean."""
    graph = large(
        name=f"finish {seed}", seed=seed, budget=14, init_particles=4, finish_steps=1, top_k=1
    )
    graph["sampler"]["inputs"] |= {"kernel": "euler_maruyama", "diffusion_norm": 3.0}
    shown = host.probe(graph)
    report = shown["report"]
    (last,) = finished(report)
    scored = [row for row in report["trace"] if row["kind"] != "finish"]
    best = max(scored, key=lambda row: row["reward"])
    assert report["best"]["reward"] == max(best["reward"], last["reward"])
    assert report["spent"]["nfe"] == shown["counts"]["rows"] <= 14
    if best["reward"] > last["reward"]:
        assert report["best"]["id"] == best["id"]
        assert report["best"]["finish_reward"] == last["reward"]
        again = copy.deepcopy(graph)
        again["search"]["inputs"]["replay"] = json.dumps(report)
        again["count"]["inputs"]["name"] = again["probe"]["inputs"]["name"] = f"again {seed}"
        assert host.probe(again)["latent"] == shown["latent"]
    else:
        assert report["best"]["id"] == last["id"] and "finish_reward" not in report["best"]


@pytest.mark.parametrize("seed", (2, 5))
@pytest.mark.parametrize("steps", (1, 5))
@pytest.mark.parametrize("method", ("svdd", "smc"))
def test_the_picture_returned_is_what_was_scored(host, method, steps, seed):
    """Also if it is the particle that the search looked at first."""
    settings = {"seed": seed, "steps": steps, "budget": 15 if steps == 1 else 60}
    name = f"scored {method} {steps} {seed}"
    graph = particles(large(name=name, finish_steps=0, **settings), method)
    graph = with_input(graph, "loader", "checkpoint", "base")
    shown = host.run(scored_again(graph))
    best = host.read_probe(shown)["report"]["best"]
    assert second_score(shown) == pytest.approx(best["reward"], abs=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_the_pictures_returned_are_of_different_starts(host, method):
    """Field 28."""
    graph = particles(
        large(name=f"starts {method}", seed=5, top_k=3, finish_steps=1, lookahead=0),
        method,
        **METHODS[method] | {"budget": 40},
    )
    report = host.probe(graph)["report"]
    starts = [top["start"] for top in report["top"]]
    assert len(starts) == 3 and report["best"]["start"] == starts[0]
    if method not in ("threshold", "zero_order"):  # which has as many starts only by and by
        assert len(set(starts)) == 3


@pytest.mark.parametrize("method", METHODS)
def test_conditions_on_disjoint_ranges_leave_nothing_unspent(host, method):
    """Field 7: each call costs one row of the two that are foreseen for two conditions."""
    graph = search(name=f"disjoint {method}", budget=60)
    for name, start, end in (("first", 0.0, 0.5), ("second", 0.5, 1.0)):
        graph[name] = node(
            "ConditioningSetTimestepRange", conditioning=["text", 0], start=start, end=end
        )
    graph["both"] = node(
        "ConditioningCombine", conditioning_1=["first", 0], conditioning_2=["second", 0]
    )
    graph["guider"] = node("BasicGuider", model=["count", 0], conditioning=["both", 0])
    graph = particles(graph, method, **METHODS[method])
    shown = host.probe(graph)
    spent = shown["report"]["spent"]["nfe"]
    assert spent == shown["counts"]["rows"] <= 60
    assert spent > 60 - 12 or shown["report"]["stopped"] != "budget"


def test_what_is_left_of_a_budget_is_said(host):
    """Field 7: four steps of 10 NFE carry two trajectories, and no third."""
    graph = particles(search(name="left", steps=4, budget=10, finish_steps=0), "best_of_n")
    report = host.probe(graph)["report"]
    assert report["spent"]["nfe"] == 8 and report["stopped"] == "budget"
    assert report["warnings"] == [
        "2 of 10 NFE are left. They are too few for another particle at the highest price so far."
    ]


@pytest.mark.parametrize("steps", [1, 2])
def test_few_steps_spend_the_budget(host, steps):
    """Field 7: with one step RBF has nothing but starts to spend it on."""
    graph = large(name=f"steps {steps}", steps=steps, budget=16, init_particles=2)
    shown = host.probe(with_input(graph, "search", "finish_steps", 0))
    assert shown["report"]["spent"]["nfe"] == shown["counts"]["rows"] == 16
