"""Field 36: a number of any input that is NaN or infinite is refused before any compute."""

import pytest
from pack.tools.probing.graphs import node, search, with_input

from .helpers import fuzz


def floats(info):
    """(node, choices to make, input) of every FLOAT and INT of the pack."""
    for name, spec in info.items():
        if name.startswith(fuzz.OWN):
            given = fuzz.flat({k: v for k, v in spec["input"].items() if k != "hidden"})
            yield from inner(name, {}, "", given)


def inner(name, choices, before, specs):
    for key, spec in specs.items():
        if spec[0] in ("FLOAT", "INT"):
            yield name, choices, before + key
        elif spec[0] == fuzz.DYNAMIC:
            for choice, own in fuzz.options(spec).items():
                chosen = choices | {before + key: choice}
                yield from inner(name, chosen, f"{before}{key}.", own)


def graphs(info):
    """A prompt for each of them and each value."""
    base = fuzz.everything()
    base["search"]["inputs"] |= {"reward": ["both", 0], "budget": 40}
    places = {one["class_type"]: name for name, one in base.items()}
    places |= {"FlowSearchRewardLoader": "other", "FlowSearchParticles": "search"}
    for name, choices, key in floats(info):
        if name not in places:
            continue
        for value in (float("nan"), float("inf"), -float("inf")):
            graph = base
            if name == "FlowSearchParticles":
                graph = fuzz.particles(base)
            for own, choice in choices.items():
                graph = with_input(graph, places[name], own, choice)
            yield name, key, with_input(graph, places[name], key, value)


def test_every_number_of_every_node(host):
    info = host.client.get("/object_info")
    tried, sentences = set(), 0
    for name, key, graph in graphs(info):
        end = fuzz.run(host.client, graph, 60)
        assert end.kind in ("refused", "error") and end.clear, (name, key, end)
        tried.add((name, key))
        sentences += end.kind == "error" and "a finite number" in end.text
    assert len(tried) > 60 and sentences > 30
    assert {"time_limit", "window_start", "diffusion_norm"} < {key for _, key in tried}


@pytest.mark.parametrize(
    ("place", "key"),
    [
        ("search", "time_limit"),
        ("search", "window_start"),
        ("search", "window_end"),
        ("sampler", "diffusion_norm"),
    ],
)
def test_nothing_is_spent_on_a_number_that_is_none(host, place, key):
    graph = search(name=f"NaN {key}")
    graph["before"] = node("ProbeReport", latent=["latent", 0], name=f"NaN {key}")
    end = fuzz.run(host.client, with_input(graph, place, key, float("nan")), 60)
    said = f"{key} is not finite: got nan, expected a finite number."
    assert (end.error, end.text) == ("ValueError", said)
    shown = node("ProbeReport", latent=["latent", 0], name=f"NaN {key}", report="{}")
    assert host.probe({"latent": graph["latent"], "probe": shown})["counts"] in (
        None, {"rows": 0, "calls": 0},
    )  # fmt: skip
