"""A search with each family of the Reward Model Loader, on tiny random weights, through the API."""

import json
import math
import threading
from dataclasses import fields

import pytest
from pack.rewards import REWARDS
from safetensors.torch import save_file

from ..rewards import tiny_hps_v3
from ..rewards.families import LOCAL
from ..rewards.over_http.vlm_server import serve
from .graphs import node, search
from .memory import free, look, settled


def build_hps_v3(path):
    """With as many tokens as the host's tokenizer of Qwen has, and <|Reward|>."""
    state = tiny_hps_v3.state(151_658)
    save_file({k: v.bfloat16() for k, v in state.items()}, path / "HPSv3.safetensors")


BUILD = {name: family.build for name, family in LOCAL.items()} | {"hps_v3": build_hps_v3}
OTHER = {"video", "vqascore_host", "vqascore_http"}  # tested with what they are wired to
STILLS = {"temporal_consistency"}  # one frame agrees with itself


def test_no_family_is_forgotten():
    named = {"checkpoint", "socket"}
    needs = {k for k, r in REWARDS.items() if any(named & set(f.metadata) for f in fields(r))}
    assert needs | {"vqascore_http"} == set(LOCAL) | OTHER


@pytest.fixture(scope="module")
def start(host):
    """Bytes that the server's tensors take after a search by a reward without weights."""
    host.run(search(name="start", budget=6, steps=3, init_particles=2, finish_steps=1))
    free(host)
    return settled(host)


@pytest.mark.parametrize("family", LOCAL)
def test_a_search_with_each_local_family(host, family, start):
    folder, names = host.base / "models" / "rewards" / family, LOCAL[family].names
    if not folder.exists():
        folder.mkdir(parents=True)
        BUILD[family](folder)
    own = {f"reward.{k}": f"{family}/{v}".removesuffix("/.") for k, v in names.items()}
    graph = search(name=family, budget=6, steps=3, init_particles=2, finish_steps=1)
    graph["reward"] = node("FlowSearchRewardLoader", reward=family, **own)
    if family == "clip_reference":
        graph["shown"] = node("EmptyImage", width=32, height=32, batch_size=1, color=0xC02010)
        graph["reward"]["inputs"]["reward.reference"] = ["shown", 0]
    graph["memory"] = look(["search", 2])
    shown = host.run(graph)
    report, taken = (json.loads(shown[name]["probe"][0]) for name in ("probe", "memory"))
    report, rewards = report["report"], [row["reward"] for row in report["report"]["trace"]]
    assert report["settings"]["reward"] == family
    assert report["spent"]["rewards"] == len(rewards) == 6
    assert all(map(math.isfinite, rewards))
    assert len(set(rewards)) > 1 or family in STILLS
    assert report["best"]["reward"] == rewards[-1]
    free(host)
    assert settled(host, start) == start < taken


def test_a_search_with_a_server(host):
    with serve("vllm") as server:
        graph = search(name="server", budget=6, steps=3, init_particles=2, finish_steps=1)
        graph["reward"] = node(
            "FlowSearchRewardLoader", **{"reward": "vqascore_http", "reward.url": server.url}
        )
        report = host.probe(graph)["report"]
    assert len({row["reward"] for row in report["trace"]}) > 1
    assert report["settings"]["reward.url"] == server.url


def test_a_server_is_asked_as_much_at_once_as_it_is_said_to_answer(host):
    """12 questions that are answered once all of them are there; two before them try it out."""
    everybody = threading.Barrier(12)

    def wait(request, handler):
        if request["body"] is not None and 2 < len(handler.server.asked) <= 14:
            everybody.wait(60)

    graph = search(name="crowd", budget=13, steps=2, init_particles=12, finish_steps=0)
    with serve("vllm", wait) as server:
        graph["reward"] = node(
            "FlowSearchRewardLoader",
            **{"reward": "vqascore_http", "reward.url": server.url, "reward.concurrency": 12},
        )
        report = host.probe(graph)["report"]
        assert server.most == 12 == len(report["trace"]) - 1
