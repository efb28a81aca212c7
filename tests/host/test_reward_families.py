"""A search with each family of the Reward Model Loader, on tiny random weights, through the API."""

import math
from dataclasses import fields

import pytest
from pack.rewards import REWARDS
from safetensors.torch import save_file

from ..rewards import (
    test_aesthetic_v2_5,
    test_clip,
    test_clip_flant5,
    test_hps_v2,
    test_image_reward,
    test_instructblip,
    test_laion_aesthetic,
    test_mps,
    test_object_count,
    test_owl_count,
    test_siglip,
    test_vlm,
    tiny_hps_v3,
)
from ..rewards.vlm_server import serve
from .graphs import node, search


def build_hps_v3(path):
    """With as many tokens as the host's tokenizer of Qwen has, and <|Reward|>."""
    state = tiny_hps_v3.state(151_658)
    save_file({k: v.bfloat16() for k, v in state.items()}, path / "HPSv3.safetensors")


# Family -> what writes its checkpoint, and the settings that name it under models/rewards.
LOCAL = {
    "aesthetic_v2_5": (
        test_aesthetic_v2_5.build,
        {"checkpoint": "siglip", "head": "aesthetic_predictor_v2_5.pth"},
    ),
    "clip_reference": (test_clip.build, {"checkpoint": "."}),
    "clip_score": (test_clip.build, {"checkpoint": "."}),
    "hps_v2": (test_hps_v2.build, {"checkpoint": "model.safetensors"}),
    "hps_v3": (build_hps_v3, {"checkpoint": "HPSv3.safetensors"}),
    "image_reward": (test_image_reward.build, {"checkpoint": "ImageReward.pt"}),
    "laion_aesthetic": (test_laion_aesthetic.build, {"checkpoint": "laion-aesthetic.safetensors"}),
    "mps": (test_mps.build, {"checkpoint": "MPS_overall_checkpoint_diffsynth.safetensors"}),
    "object_count": (test_object_count.build, {"checkpoint": "."}),
    "object_count_owl": (test_owl_count.build, {"checkpoint": "."}),
    "siglip_score": (test_siglip.build, {"checkpoint": "."}),
    "temporal_consistency": (test_clip.build, {"checkpoint": "."}),
    "vqascore": (test_clip_flant5.build, {"checkpoint": "."}),
    "vqascore_instructblip": (test_instructblip.build, {"checkpoint": "."}),
    "vqascore_vlm": (test_vlm.build, {"checkpoint": "."}),
}
OTHER = {"video", "vqascore_host", "vqascore_http"}  # tested with what they are wired to
STILLS = {"temporal_consistency"}  # one frame agrees with itself


def test_no_family_is_forgotten():
    named = {"checkpoint", "socket"}
    needs = {k for k, r in REWARDS.items() if any(named & set(f.metadata) for f in fields(r))}
    assert needs | {"vqascore_http"} == set(LOCAL) | OTHER


@pytest.mark.parametrize("family", LOCAL)
def test_a_search_with_each_local_family(host, family):
    build, names = LOCAL[family]
    folder = host.base / "models" / "rewards" / family
    if not folder.exists():
        folder.mkdir(parents=True)
        build(folder)
    own = {f"reward.{k}": f"{family}/{v}".removesuffix("/.") for k, v in names.items()}
    graph = search(name=family, budget=6, steps=3, init_particles=2, finish_steps=1)
    graph["reward"] = node("FlowSearchRewardLoader", reward=family, **own)
    if family == "clip_reference":
        graph["shown"] = node("EmptyImage", width=32, height=32, batch_size=1, color=0xC02010)
        graph["reward"]["inputs"]["reward.reference"] = ["shown", 0]
    report = host.probe(graph)["report"]
    rewards = [row["reward"] for row in report["trace"]]
    assert report["settings"]["reward"] == family
    assert report["spent"]["rewards"] == len(rewards) == 6
    assert all(map(math.isfinite, rewards))
    assert len(set(rewards)) > 1 or family in STILLS
    assert report["best"]["reward"] == max(r["reward"] for r in report["trace"][-1:])


def test_a_search_with_a_server(host):
    with serve("vllm") as server:
        graph = search(name="server", budget=6, steps=3, init_particles=2, finish_steps=1)
        graph["reward"] = node(
            "FlowSearchRewardLoader", **{"reward": "vqascore_http", "reward.url": server.url}
        )
        report = host.probe(graph)["report"]
    assert len({row["reward"] for row in report["trace"]}) > 1
    assert report["settings"]["reward.url"] == server.url
