"""`python dev.py check` with the demo model in the place of the user's."""

import copy
import json

import pytest
from pack.tools import check_models, checking
from pack.tools.check_models import DEMO, RECIPES
from pack.tools.demo_runs import PLAIN
from pack.tools.processes import Fail

FILES = {
    "FLUX.1-schnell": {
        ("UNETLoader", "unet_name"): ["sdxl.safetensors", "FLUX/flux1-schnell.safetensors"],
        ("DualCLIPLoader", "clip_name1"): ["clip_l.safetensors", "t5xxl_fp8.safetensors"],
        ("DualCLIPLoader", "clip_name2"): ["clip_l.safetensors", "t5xxl_fp8.safetensors"],
        ("VAELoader", "vae_name"): ["other.safetensors", "ae.safetensors"],
    },
    "FLUX.1-dev, one file": {
        ("CheckpointLoaderSimple", "ckpt_name"): ["flux1-dev-fp8.safetensors"],
    },
    "Qwen-Image": {
        ("UNETLoader", "unet_name"): ["qwen_image_edit.safetensors", "qwen_image_fp8.safetensors"],
        ("CLIPLoader", "clip_name"): ["qwen_2.5_vl_7b_fp8.safetensors"],
        ("VAELoader", "vae_name"): ["qwen_image_vae.safetensors"],
    },
}  # fmt: skip


def listed(spec, names):
    """An input with these choices, in the form that it has in the host."""
    return [names, {}] if isinstance(spec[0], list) else [spec[0], {"options": names}]


@pytest.fixture(scope="module")
def info(host):
    """The definitions of nodes on a machine without files; other tests may have left some."""
    info = host.client.get("/object_info")
    for recipe in RECIPES:
        for part in recipe.parts.values():
            for name in part.files:
                inputs = info[part.kind]["input"]["required"]
                inputs[name] = listed(inputs[name], [])
    for option in info["FlowSearchRewardLoader"]["input"]["required"]["reward"][1]["options"]:
        inputs = option["inputs"]["required"]
        if "checkpoint" in inputs:
            inputs["checkpoint"] = listed(inputs["checkpoint"], [check_models.NO_FILE])
    return info


def with_files(info, files):
    """The definitions of nodes on a machine that has these files and PickScore."""
    info = copy.deepcopy(info)
    for (kind, name), names in files.items():
        inputs = info[kind]["input"]["required"]
        inputs[name] = listed(inputs[name], names)
    options = info["FlowSearchRewardLoader"]["input"]["required"]["reward"][1]["options"]
    (family,) = [option for option in options if option["key"] == "clip_score"]
    inputs = family["inputs"]["required"]
    inputs["checkpoint"] = listed(inputs["checkpoint"], ["PickScore_v1"])
    return info


@pytest.mark.parametrize("title", FILES)
def test_a_model_is_found_by_its_files(info, title):
    """Each node of its prompts has the inputs that the host wants."""
    info = with_files(info, FILES[title])
    recipe, loaders, reward = checking.materials(info, demo=False)
    assert recipe.title == title and reward["reward"] == "clip_score"
    assert "sdxl" not in str(loaders) and "edit" not in str(loaders)
    for method in checking.METHODS:
        graph = checking.prompt(recipe, loaders, reward, "a cat", 1, method, 4)
        for node in graph.values():
            spec = info[node["class_type"]]["input"]
            names = {*spec["required"], *spec.get("optional", {})}
            assert {name.split(".")[0] for name in node["inputs"]} <= names
            assert set(spec["required"]) <= set(node["inputs"])


def test_what_is_missing_is_named_before_anything_runs(info, monkeypatch):
    with pytest.raises(Fail, match="No model was found(.|\n)*flux1-schnell in") as caught:
        checking.materials(info, demo=False)
    assert all(recipe.title in str(caught.value) for recipe in RECIPES)
    full = with_files(info, FILES["FLUX.1-dev, one file"])
    monkeypatch.setattr(check_models, "REWARDS", ("hps_v2",))
    with pytest.raises(Fail, match="No reward was found in models/rewards"):
        checking.materials(full, demo=False)
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    with pytest.raises(Fail, match="got no COMFYUI_PATH"):
        checking.refuse_without_models([])
    checking.refuse_without_models(["--demo"])


def test_the_demo_model_by_every_method(host, tmp_path):
    entries = checking.check(host.client, tmp_path, 2, demo=True)
    assert entries == json.loads((tmp_path / checking.FILE).read_text())
    assert entries["errors"] == [] and len(entries["rows"]) == 9
    for row in entries["rows"]:
        most = DEMO.steps * (1 if row["method"] == PLAIN else 2)
        assert 0 < row["spent"]["nfe"] <= most and row["best"]["reward"] <= 0
    assert len(list(tmp_path.glob("*.png"))) == 9
    assert entries["memory_peak_gib"] > 0 and entries["system"]["comfyui_version"]
    assert str(tmp_path) not in json.dumps(entries)
    lines = checking.table(entries).splitlines()
    assert [line.split()[0] for line in lines] == ["method", "plain", "best", "auto", "Memory"]


def test_a_run_that_fails_is_named_and_the_next_goes_on(host, tmp_path, monkeypatch):
    monkeypatch.setattr(checking, "METHODS", (PLAIN,))
    monkeypatch.setattr(checking, "prompts_of", lambda recipe: ("no number", "one red circle"))
    entries = checking.check(host.client, tmp_path, 2, demo=True)
    assert len(entries["rows"]) == len(entries["errors"]) == 1
    assert "plain failed: " in checking.table(entries)
