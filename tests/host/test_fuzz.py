"""Random prompts give a result or one clear sentence, and the server goes on, cancelled or not.

A slice of what scripts/robustness.py does.
"""

import random

import pytest

from .helpers import fuzz
from .helpers.endurance import LATEST, SHORT, cancel_at, live_bytes, search_once

PROMPTS = 25


@pytest.fixture(scope="module")
def fuzzer(host):
    return fuzz.Fuzzer(host.client.get("/object_info"), random.Random(20))


def test_what_the_prompts_are_made_of_gives_a_result(host, fuzzer):
    assert [fuzz.run(host.client, graph, 60).kind for graph in fuzzer.bases[:5]] == ["result"] * 5


def test_the_prompts_are_made_of_every_node_of_the_pack(fuzzer):
    own = {name for name in fuzzer.info if name.startswith(fuzz.OWN)}
    own.discard("FlowSearchWorkersRay")  # it starts processes of its own: test_workers_ray.py
    used = {one["class_type"] for graph in fuzzer.bases for one in graph.values()}
    assert own and own <= used


def test_no_prompt_ends_in_a_stack_trace(host, fuzzer):
    with host.new_log() as log:
        ends = [fuzz.run(host.client, fuzzer.prompt()) for _ in range(PROMPTS)]
    unclear = [end for end in ends if not end.clear]
    assert not unclear and not fuzz.stray_traces("\n".join(log))
    kinds = [end.kind for end in ends]
    assert min(kinds.count(kind) for kind in ("result", "refused", "error")) >= 2


def test_the_hosts_own_stack_traces_are_told_from_others():
    trace = f"{fuzz.TRACE}:\n  File x\nValueError: y\n"
    own = f"[ERROR] {fuzz.ERROR} a\nb\n[ERROR] {trace}\n{fuzz.CHAINED[0]} of:\n\n{trace}"
    assert fuzz.stray_traces(own * 2) == []
    (stray,) = fuzz.stray_traces(f"{own}Error handling request\n{trace}")
    assert stray.startswith("Error handling request")


@pytest.mark.parametrize(
    "inputs, sentence",
    [
        ({"reward": "nothing"}, "Unknown reward: got none, expected one of sharpness"),
        ({"reward": ["loader", 2]}, "Unknown reward: got from a VAE, expected one of sharpness"),
        ({"reward": "nothing", "reward.frames": 3}, "Unknown reward: got none"),
        (
            {"reward": "video", "reward.frame_reward": 0.5},
            "reward.frame_reward is not connected: got 0.5, expected a connection.",
        ),
    ],
)
def test_a_choice_that_the_host_lets_pass(host, fuzzer, inputs, sentence):
    graph = fuzz.small(fuzz.search(name="choice"))
    graph["reward"]["inputs"] = inputs
    end = fuzz.run(host.client, graph, 60)
    assert (end.kind, end.error) == ("error", "ValueError") and end.text.startswith(sentence)


@pytest.mark.parametrize(
    "name", ["noise", "guider", "sampler", "sigmas", "vae", "reward", "latent_image", "watchdog"]
)
def test_a_plain_value_in_place_of_a_connection(host, fuzzer, name):
    graph = fuzz.small(fuzz.search(name="plain"))
    graph["search"]["inputs"][name] = "abc"
    end = fuzz.run(host.client, graph, 60)
    assert end.text == f"{name} is not connected: got 'abc', expected a connection."


def test_cancelled_at_any_moment_the_next_prompt_runs(host):
    """Two long searches, then short ones from any moment to one after the end."""
    rng, seeds = random.Random(3), iter(range(30, 60))
    ends = [cancel_at(host.client, rng.uniform(0.0, 0.4), next(seeds)) for _ in range(2)]
    latest = LATEST * search_once(host.client, next(seeds))
    for moment in [latest * rng.random() for _ in range(3)]:
        ends.append(cancel_at(host.client, moment, next(seeds), SHORT))
    while ends[-1][0].kind == "cancelled":
        ends.append(cancel_at(host.client, latest, next(seeds), SHORT))
        latest *= 1.5  # where the machine has become slower
    assert {end.kind for end, _ in ends} == {"cancelled", "result"}
    assert [after.kind for _, after in ends] == ["result"] * len(ends)


def test_searches_leave_no_tensors_behind(host):
    for seed in range(2):
        search_once(host.client, seed)
    before = live_bytes(host)
    for seed in range(2, 4):
        search_once(host.client, seed)
    assert live_bytes(host) <= before + (1 << 16)
