"""Field 16 and 18: what a new Reward Model Loader offers, and what is said of broken files."""

import json
import os
import shutil
import subprocess

import pytest
import torch
from pack.rewards import REWARDS
from pack.tools.client import ComfyError
from pack.tools.probing.server import ROOT, furnish, serving
from safetensors.torch import save_file

from ..rewards.test_broken_files import POINTER
from ..rewards.test_clip import build as build_clip
from .helpers import PROBE
from .helpers.reward_graphs import greys, loader, scoring

KIND = "FlowSearchRewardLoader"
NOTHING = "no file yet: put one into models/rewards"


@pytest.fixture(scope="module")
def empty(comfyui, tmp_path_factory):
    """A ComfyUI that has no reward files yet."""
    base = tmp_path_factory.mktemp("empty")
    furnish(base, PROBE)
    with serving(comfyui, base) as running:
        yield running


def offered(host):
    """{(family, setting): its choices}, families in the order of the list."""
    told = host.client.get(f"/object_info/{KIND}")[KIND]["input"]["required"]["reward"][1]
    found = {}
    for family in told["options"]:
        found[family["key"], ""] = None
        for setting in ("checkpoint", "head"):
            if spec := family["inputs"].get("required", {}).get(setting):
                found[family["key"], setting] = spec[1].get("options") or spec[0]
    return found


def refusal(host, graph):
    with pytest.raises(ComfyError) as error:
        host.run(graph)
    assert "\n" not in str(error.value).strip()
    return str(error.value)


def test_a_new_loader_begins_with_a_reward_that_needs_no_file(empty):
    families = list(dict.fromkeys(family for family, _ in offered(empty)))
    assert sorted(families) == sorted(REWARDS)
    assert families[0] == "sharpness"
    graph = greys(51, 204) | {"reward": loader(families[0])}
    assert len(empty.probe(scoring(graph))["scores"]["scores"]) == 2


def test_the_list_is_grouped_by_purpose(empty):
    families = list(dict.fromkeys(family for family, _ in offered(empty)))
    spec = empty.client.get(f"/object_info/{KIND}")[KIND]["input"]["required"]["reward"][1]
    groups = spec["groups"]
    assert [family for group in groups for family in group["rewards"]] == families
    assert all(group["about"].endswith(".") for group in groups)
    first_of = {
        "no file": "sharpness",
        "agreement": "vqascore",
        "counts": "object_count",
        "looks": "image_reward",
        "text": "text_reader",
        "likeness": "clip_score",
        "video": "video",
    }
    assert {group["name"]: group["rewards"][0] for group in groups} == first_of


def test_an_empty_list_says_where_files_go(empty):
    lists = {place: names for place, names in offered(empty).items() if names is not None}
    assert len(lists) > 15
    for place, names in lists.items():
        assert names == ([""] if place == ("laion_aesthetic", "head") else [NOTHING]), place


@pytest.mark.parametrize(
    "family", [k for k, r in REWARDS.items() if "checkpoint" in r.__dataclass_fields__]
)
def test_running_it_says_what_to_get_and_from_where(empty, family):
    more = {"aesthetic_v2_5": {"head": NOTHING}, "text_reader": {"detector": NOTHING}}
    own = {"checkpoint": NOTHING} | more.get(family, {})
    graph = greys(51) | {"reward": loader(family, **own)}
    if family in ("clip_reference", "dino_reference"):
        graph["reward"]["inputs"]["reward.reference"] = ["images", 0]
    told = refusal(empty, scoring(graph))
    wanted = REWARDS[family].__dataclass_fields__["checkpoint"].metadata["checkpoint"].source
    assert f"No `checkpoint` is chosen for {family}: expected {wanted.what}" in told
    assert f"Get it at {wanted.page} and put it into {empty.base / 'models' / 'rewards'}" in told


@pytest.fixture(scope="module")
def broken(host):
    """Folders and files that are not what they are called; what is in the log of each."""
    folder = host.base / "models" / "rewards" / "broken"
    build_clip(folder / "whole")
    for name in ("pointers", "dangling", "page config"):
        shutil.copytree(folder / "whole", folder / name)
    (folder / "pointers" / "model.safetensors").write_bytes(POINTER)
    (folder / "page config" / "config.json").write_text("<!DOCTYPE html>")
    config = folder / "whole" / "config.json"
    config.write_text(config.read_text("utf-8"), "utf-8-sig")
    (folder / "empty.safetensors").touch()
    (folder / "folder.safetensors").mkdir()
    (folder / "page.SAFETENSORS").write_bytes(b"<html>")
    save_file({"double_blocks.0.img_attn.qkv.weight": torch.zeros(2)}, folder / "flux.safetensors")
    build_clip(folder / "short")
    with open(folder / "short" / "model.safetensors", "r+b") as file:
        file.truncate(os.path.getsize(file.name) - 10)
    shutil.copy(folder / "whole" / "model.safetensors", folder / "CAPITAL.SAFETENSORS")
    if os.name != "nt":
        (folder / "dangling" / "model.safetensors").unlink()
        (folder / "dangling" / "model.safetensors").symlink_to(folder / "gone")
        (folder / "circle.safetensors").symlink_to("circle.safetensors")
        (folder / "around").symlink_to("..")
        (folder / "within").symlink_to(".")
    return folder


SAID = {
    "pointers/model.safetensors": "it is a git-lfs pointer: run git lfs pull",
    "page config": "has a config.json that cannot be read (it is a web page",
    "empty.safetensors": "it is empty, 0 bytes",
    "folder.safetensors": "it is a folder",
    "page.SAFETENSORS": "it is a web page",
    "flux.safetensors": "looks like a FLUX diffusion model",
    "short": "cannot be read as weights (incomplete file, ",
}
LINKS = {
    "dangling/model.safetensors": "which does not exist",
    "circle.safetensors": "it is a link that leads back to itself",
}


def test_what_is_not_listed_is_in_the_log_once(host, broken):
    """At every refresh the list is made anew."""
    for _ in range(3):
        listed = set(offered(host)["clip_score", "checkpoint"])
    lines = host.log.read_text("utf-8").splitlines()
    for name, said in (SAID | (LINKS if os.name != "nt" else {})).items():
        told = [line for line in lines if str(broken / name) in line]
        assert len(told) == 1 and said in told[0], (name, told)
        assert told[0].endswith("No reward can load it."), told
    assert {"broken/whole", "broken/CAPITAL.SAFETENSORS"} <= listed
    assert not any("/within" in name or "/around" in name for name in listed)
    gone = {f"broken/{name.partition('/')[0]}" for name in SAID if name != "short"}
    assert not gone & listed


def test_what_was_repaired_is_listed_and_told_of_again(host, broken):
    offered(host)
    weights, file = broken / "whole" / "model.safetensors", broken / "pointers/model.safetensors"
    shutil.copy(weights, file)
    assert "broken/pointers" in offered(host)["clip_score", "checkpoint"]
    file.write_bytes(POINTER)
    assert "broken/pointers" not in offered(host)["clip_score", "checkpoint"]
    lines = host.log.read_text("utf-8").splitlines()
    assert len([line for line in lines if str(file) in line]) == 2


def test_a_configuration_with_a_mark_and_a_capital_suffix_score(host, broken):
    for name in ("broken/whole", "broken/CAPITAL.SAFETENSORS"):
        if "CAPITAL" in name:
            for file in ("vocab.json", "merges.txt"):
                shutil.copy(broken / "whole" / file, broken)
        graph = greys(51, 204) | {"reward": loader("clip_score", checkpoint=name)}
        assert host.probe(scoring(graph, prompt="a red cat"))["scores"]["scores"]


def test_the_loader_says_what_is_wrong_with_a_download_that_broke_off(host, broken):
    """It is listed, for its header says what it is."""
    assert "broken/short" in offered(host)["clip_score", "checkpoint"]
    graph = greys(51) | {"reward": loader("clip_score", checkpoint="broken/short")}
    assert "(incomplete file, " in refusal(host, scoring(graph, prompt="a red cat"))


def test_a_workflow_that_was_saved_with_a_file_still_loads(host, broken):
    graph = greys(51, 204) | {"reward": loader("clip_score", checkpoint="broken/whole")}
    found = host.probe(scoring(graph, prompt="a red cat"))["scores"]["settings"]
    assert found["reward"] == "clip_score"
    assert json.dumps(found["reward.checkpoint"]) == '"broken/whole"'


def test_a_new_loader_in_the_browser(empty, tools):  # noqa: F811
    """Nothing of it is undefined, and a run ends in the sentence that says what to get."""
    node, modules, browser = tools
    script = ROOT / "tests" / "browser" / "loader.mjs"
    words = [node, str(script), empty.client.url, modules, browser]
    done = subprocess.run(words, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["first"]["inputs"]["reward"] == "sharpness"
    for shown in (told["first"], *told["rewards"].values()):
        assert None not in shown["widgets"].values() and None not in shown["inputs"].values()
    for name, shown in told["rewards"].items():
        assert shown["inputs"]["reward"] == name
        assert shown["inputs"]["reward.checkpoint"] == NOTHING
    assert told["rewards"]["aesthetic_v2_5"]["inputs"]["reward.head"] == NOTHING
    assert told["answers"] == [200]
    assert "No `checkpoint` is chosen for clip_score: expected " in told["error"]
