"""A search with each family of the Reward Model Loader, on tiny random weights, through the API."""

import contextlib
import json
import math
import threading
from dataclasses import fields

import pytest
from pack.rewards import REWARDS
from pack.tools.probing.graphs import CAPTION, node, particles, search, with_input
from safetensors.torch import save_file

from ..rewards import tiny_hps_v3, tiny_trunks
from ..rewards.families import LOCAL
from ..rewards.over_http.vlm_server import serve
from .helpers.reward_graphs import combine, scoring
from .helpers.server_memory import free, look, settled


def build_hps_v3(path):
    """With as many tokens as the host's tokenizer of Qwen has, and <|Reward|>."""
    state = tiny_hps_v3.state(151_658)
    save_file({k: v.bfloat16() for k, v in state.items()}, path / "HPSv3.safetensors")


def build_video_reward(path):
    """With as many tokens as the host's tokenizer of Qwen has, and three for the scores."""
    tiny_trunks.build_video(path, 151_660, half=True)


BUILD = {name: family.build for name, family in LOCAL.items()}
BUILD |= {"hps_v3": build_hps_v3, "video_reward": build_video_reward}
# Tested with what they are wired to; the checklist in test_checklist.py.
OTHER = {"checklist", "video", "vqascore_host", "vqascore_http"}
MORE = {
    "classifier": {"reward.label": "nsfw"},
    "text_reader": {"reward.score": "soft", "reward.text": "OPEN"},
}  # settings
SHOWN = {"clip_reference": "reference", "dino_reference": "reference", "edit_reward": "source"}
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


def searched(host, family, graph, start):
    """A search by the reward of the graph; Score Images gives the picture that it returns the same
    score, Combine Rewards twice that; and the host is free of all of it afterwards."""
    graph["twice"] = combine("weighted_sum", "reward", "reward", standardise=False)
    graph["pictures"] = node("RebatchImages", images=["search", 1], batch_size=8)
    for name in ("reward", "twice"):
        graph = scoring(graph, "pictures", name, CAPTION, f" {name}")
    graph["memory"] = look(["search", 2])
    shown = {name: out["probe"][0] for name, out in host.run(graph).items() if "probe" in out}
    shown = {name: json.loads(text) for name, text in shown.items()}
    report = shown["probe"]["report"]
    rewards = [row["reward"] for row in report["trace"]]
    assert report["settings"]["reward"] == family
    assert ("reward.held_out_auc" in report["settings"]) == (family == "taste")
    assert report["spent"]["rewards"] == len(rewards) == 6
    assert all(map(math.isfinite, rewards))
    assert len(set(rewards)) > 1 or family in STILLS
    best = report["best"]["reward"]
    assert rewards[-1] == report["best"].get("finish_reward", best) <= best
    assert shown["probe reward"]["best_score"] == pytest.approx(best, rel=1e-3, abs=1e-4)
    assert shown["probe twice"]["best_score"] == pytest.approx(2 * best, rel=1e-3, abs=2e-4)
    free(host)
    assert settled(host, start) == start < shown["memory"]


@pytest.mark.parametrize("family", LOCAL)
def test_a_search_with_each_local_family(host, family, start):
    folder, names = host.base / "models" / "rewards" / family, LOCAL[family].names
    if not folder.exists():
        folder.mkdir(parents=True)
        BUILD[family](folder)
    own = {f"reward.{k}": f"{family}/{v}".removesuffix("/.") for k, v in names.items()}
    graph = search(name=family, budget=6, steps=3, init_particles=2, finish_steps=1)
    if family == "object_count":  # in a small picture random weights see nothing
        graph["latent"]["inputs"] |= {"width": 128, "height": 128}
    graph["reward"] = node("FlowSearchRewardLoader", reward=family, **own)
    if family in SHOWN:
        graph["shown"] = node("EmptyImage", width=32, height=32, batch_size=1, color=0xC02010)
        graph["reward"]["inputs"][f"reward.{SHOWN[family]}"] = ["shown", 0]
    graph["reward"]["inputs"] |= MORE.get(family, {})
    searched(host, family, graph, start)


def test_a_search_with_a_model_of_the_hosts(host, comfyui, start):
    if not (comfyui / "comfy" / "text_encoders" / "qwen3vl.py").exists():
        pytest.skip("this ComfyUI has no model that generates text from a picture")
    graph = search(name="host's", budget=6, steps=3, init_particles=2, finish_steps=1)
    graph["vlm"] = node("ProbeTinyVLM")
    own = {"reward": "vqascore_host", "reward.clip": ["vlm", 0]}
    graph["reward"] = node("FlowSearchRewardLoader", **own)
    searched(host, "vqascore_host", graph, start)


def test_a_search_with_a_server(host):
    with serve("vllm") as server:
        graph = search(name="server", budget=6, steps=3, init_particles=2, finish_steps=1)
        graph["reward"] = node(
            "FlowSearchRewardLoader", **{"reward": "vqascore_http", "reward.url": server.url}
        )
        report = host.probe(graph)["report"]
    assert len({row["reward"] for row in report["trace"]}) > 1
    assert report["settings"]["reward.url"] == server.url


@contextlib.contextmanager
def crowd():
    """A server that answers once 12 questions are there, after two that try it out, and its loader
    node."""
    everybody = threading.Barrier(12)

    def wait(request, handler):
        if request["body"] is not None and 2 < len(handler.server.asked) <= 14:
            everybody.wait(60)

    with serve("vllm", wait) as server:
        own = {"reward": "vqascore_http", "reward.url": server.url, "reward.concurrency": 12}
        yield server, node("FlowSearchRewardLoader", **own)


def test_a_server_is_asked_as_much_at_once_as_it_is_said_to_answer(host):
    graph = search(name="crowd", budget=24, steps=2, finish_steps=0)
    graph = particles(graph, "svdd", **{"method.children": "kernel"})
    with crowd() as (server, graph["reward"]):
        report = host.probe(graph)["report"]
        assert server.most == 12 == len(report["trace"]) // 2


def test_a_server_that_watches_is_asked_as_much_at_once(host):
    """About the 12 pictures that SMC goes on with, all of them at hand."""
    own = {"method.temperature": 1000.0, "method.ess_threshold": 1.0}
    graph = search(name="watching crowd", budget=24, steps=2, finish_steps=0)
    graph = particles(graph, "smc", **own)
    with crowd() as (server, graph["watchdog"]):
        graph = with_input(graph, "search", "watchdog", ["watchdog", 0])
        report = host.probe(graph)["report"]
        watched = [row for row in report["trace"] if row["watchdog"] is not None]
        assert server.most == 12 <= len(watched)
        assert report["spent"]["watchdog"]["decodes"] == 0
