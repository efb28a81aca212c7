"""Where rewards are found, and which of them a family lists, in a running ComfyUI."""

import json
import shutil

import pytest
import torch
from pack.rewards import REWARDS
from safetensors.torch import save_file

from ..rewards import test_mps, tiny_clip
from ..rewards.test_clip import build as build_clip
from .conftest import ELSEWHERE
from .helpers.reward_graphs import greys, loader, scoring

MPS = "MPS_overall_checkpoint_diffsynth.safetensors"
CONFIGS = {  # of folders that no family loads
    "nonsense": "[]",
    "no words": json.dumps(
        {"model_type": "siglip_vision_model", "text_config": {"vocab_size": []}}
    ),
    "own code": json.dumps({"model_type": "clip", "auto_map": {"AutoModel": "own.Model"}}),
    "another": json.dumps({"model_type": "bert"}),
}
CLIP_FAMILIES = {"clip_reference", "clip_score", "taste", "temporal_consistency"}


@pytest.fixture(scope="module")
def listed(host):
    """What each setting of each family offers of what lies in the folder of the yaml, which holds
    a CLIP two folders deep, an MPS, one beside the CLIP, and things that no family loads."""
    folder = host.base / ELSEWHERE
    build_clip(folder / "deep" / "clip")
    test_mps.build(folder)
    shutil.copy(folder / MPS, folder / "deep" / "clip")
    for name, config in CONFIGS.items():
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(config)
        save_file({"a": torch.zeros(1)}, folder / name / "model.safetensors")
    (folder / "no weights").mkdir()
    (folder / "no weights" / "config.json").write_text(json.dumps({"model_type": "clip"}))
    (folder / "page.safetensors").write_bytes(b"<html>not found</html>")
    (folder / "cut.pt").write_bytes(b"PK")
    kind = "FlowSearchRewardLoader"
    told = host.client.get(f"/object_info/{kind}")[kind]["input"]["required"]["reward"]
    names = {"deep/clip", f"deep/clip/{MPS}", MPS, *CONFIGS}
    names |= {"no weights", "page.safetensors", "cut.pt"}
    found = {}
    for family in told[1]["options"]:
        for setting in ("checkpoint", "head"):
            if spec := family["inputs"].get("required", {}).get(setting):
                found[family["key"], setting] = names & set(spec[1].get("options") or spec[0])
    return found


def test_each_family_lists_what_it_can_load_and_nothing_else(listed):
    wanted = {(family, "checkpoint"): {"deep/clip"} for family in CLIP_FAMILIES}
    wanted["mps", "checkpoint"] = {MPS, f"deep/clip/{MPS}"}
    assert {place: names for place, names in listed.items() if names} == wanted
    assert {name for name, _ in listed} == {
        name for name, reward in REWARDS.items() if "checkpoint" in reward.__dataclass_fields__
    }


def test_a_model_in_the_folder_of_extra_model_paths_scores(host, listed):
    graph = greys(51, 204) | {"reward": loader("clip_score", checkpoint="deep/clip")}
    found = host.probe(scoring(graph, prompt=tiny_clip.PROMPTS[0]))["scores"]
    assert found["settings"]["reward.checkpoint"] == "deep/clip"
    assert len(set(found["scores"])) == 2
