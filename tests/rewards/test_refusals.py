"""What no family loads: it refuses in one sentence, with the page to get the right one from."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from pack.rewards.files.weights import SUFFIXES
from safetensors.torch import load_file, save_file

from .families import LOCAL, made
from .weights_files import Evil

OLD = transformers.__version__.startswith("4.")
UNREAD = {"processor_config.json", "merges.txt"}  # by transformers 4, or as whatever it is
CLIP_TOKENIZER = {"vocab.json", "merges.txt"}
# What is read besides weights and config.json, by family.
BESIDE = {
    "classifier": {"preprocessor_config.json"},
    "clip_score": CLIP_TOKENIZER,
    "dino_reference": {"preprocessor_config.json"},
    "hps_v2": CLIP_TOKENIZER,
    "image_reward": {"vocab.txt"},
    "mps": CLIP_TOKENIZER,
    "object_count": {"vocab.txt"},
    "object_count_owl": CLIP_TOKENIZER,
    "siglip_score": {"preprocessor_config.json", "tokenizer.json"},
    "vqascore": {"pytorch_model.bin.index.json", "tokenizer.json"},
    "vqascore_instructblip": {"model.safetensors.index.json", "tokenizer.json", "vocab.txt"},
    "vqascore_vlm": {"processor_config.json", "tokenizer.json", "tokenizer_config.json"},
}
ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [family for family, local in LOCAL.items() if "." in local.names.values()]
CASES = [(family, setting) for family, local in LOCAL.items() for setting in local.names]


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Each family that loads, once: the reward, what finds its files, their folder."""
    kept = {}

    def original(family):
        if family not in kept:
            path = tmp_path_factory.mktemp(family)
            kept[family] = *made(family, path), path
        return kept[family]

    return original


@pytest.fixture(params=CASES, ids=" ".join)
def case(request, originals, tmp_path):
    """A copy that may be spoiled: where the setting leads, and what loads it, or another path."""
    family, setting = request.param
    reward, files, folder = originals(family)
    shutil.copytree(folder, tmp_path / "copy")
    place = tmp_path / "copy" / Path(getattr(reward, setting)).relative_to(folder)

    def load(path=place):
        return dataclasses.replace(reward, **{setting: str(path)}).load(files)

    return place, load


def refusal(load, *args):
    with pytest.raises(ValueError) as error:
        load(*args)
    message = str(error.value)
    assert "\n" not in message and message.endswith(".") and ": expected " in message
    assert ". Get it at https://" in message
    return message


def weights(place):
    found = [place] if place.is_file() else [p for p in place.rglob("*") if p.suffix in SUFFIXES]
    assert found
    return found


def test_nothing_there(case, tmp_path):
    _, load = case
    assert f"{tmp_path / 'nowhere'} does not exist" in refusal(load, tmp_path / "nowhere")


def test_something_else(case, tmp_path):
    """The page to get the right one from is that of the table in docs/rewards.md."""
    _, load = case
    (tmp_path / "folder").mkdir()
    for file in (tmp_path / "else.safetensors", tmp_path / "folder" / "model.safetensors"):
        save_file({"double_blocks.0.img_attn.qkv.weight": torch.zeros(2)}, file)
    message = refusal(load, tmp_path / "else.safetensors")
    assert f"{tmp_path / 'else.safetensors'} looks like a FLUX diffusion model" in message
    (tmp_path / "folder" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert f"{tmp_path / 'folder'}" in (message := refusal(load, tmp_path / "folder"))
    assert 'type "bert"' in message or "looks like a FLUX" in message
    page = message.rpartition(" ")[2].removesuffix(".")
    assert f"({page})" in (ROOT / "docs" / "rewards.md").read_text("utf-8")


def test_broken_weights(case):
    """A download that broke off, in a folder as well as alone."""
    place, load = case
    for file in weights(place):
        file.write_bytes(file.read_bytes()[:50])
    assert str(place) in refusal(load)


def test_a_tensor_of_another_shape(case):
    """The one whose key is last of all that are a vector."""
    place, load = case
    for file in weights(place):
        pickled = file.suffix != ".safetensors"
        state = torch.load(file, weights_only=True) if pickled else load_file(file)
        vectors = [k for k, v in state.items() if v.ndim == 1 and len(v) > 1 and "." in k]
        if vectors:
            state[max(vectors)] = torch.zeros(len(state[max(vectors)]) + 1)
        torch.save(state, file) if pickled else save_file(state, file, {"format": "pt"})
    assert str(place) in refusal(load)


@pytest.mark.parametrize("family", BESIDE)
@pytest.mark.parametrize("text", ["version https://git-lfs.github.com/spec/v1\n", "[]"])
def test_what_lies_beside_the_weights_is_broken(family, text, originals, tmp_path):
    """Such as the pointer that a download without git-lfs leaves in a file's place."""
    reward, files, folder = originals(family)
    for name in BESIDE[family]:
        copy = shutil.copytree(folder, tmp_path / name)
        if OLD and name in UNREAD:
            continue
        (broken,) = copy.rglob(name)
        broken.write_text(text)
        path = copy / Path(reward.checkpoint).relative_to(folder)
        told = refusal(dataclasses.replace(reward, checkpoint=str(path)).load, files)
        assert str(copy) in told


@pytest.mark.parametrize("family", FOLDERS)
def test_a_configuration_with_nonsense_in_it(family, originals, tmp_path):
    reward, files, folder = originals(family)
    copy = shutil.copytree(folder, tmp_path / "copy")
    told = json.loads((copy / "config.json").read_text())
    part = next(
        p for p in ("vision_config", "backbone_config", "d_model", "hidden_size") if p in told
    )
    (copy / "config.json").write_text(json.dumps(told | {part: "nonsense"}))
    load = dataclasses.replace(reward, checkpoint=str(copy)).load
    if family == "vqascore":  # is told by its tensors alone
        load(files)
    else:
        assert str(copy) in refusal(load, files)


def test_pickles_run_no_code(case, tmp_path):
    """In a file alone, and in a folder that has no safetensors."""
    place, load = case
    evil = place.with_suffix(".pt")
    if place.is_file():
        torch.save({"a": Evil(tmp_path / "ran")}, evil)
    else:
        for file in weights(place):
            file.unlink()
            for name in ("pytorch_model.bin", "model.pth"):
                torch.save({"a": Evil(tmp_path / "ran")}, file.with_name(name))
        for index in place.rglob("*.index.json"):
            index.unlink()
    message = refusal(load, evil if place.is_file() else place)
    said = r"cannot be (read|loaded)|\(UnpicklingError\)|has no safetensors"
    said += r"|has no readable weights|\(OSError\)" if OLD else ""
    assert re.search(said, message)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("family", FOLDERS)
def test_pickles_of_a_folder_need_a_pytorch_that_reads_them_safely(
    family, originals, tmp_path, monkeypatch
):
    """transformers itself does not ask for it before 4.51."""
    reward, files, folder = originals(family)
    copy = shutil.copytree(folder, tmp_path / "copy")
    state = {}
    for file in copy.glob("*.safetensors"):
        state |= load_file(file)
        file.unlink()
    if state:  # as published CLIP-FlanT5 has none
        (copy / "model.safetensors.index.json").unlink(missing_ok=True)
        torch.save(state, copy / "pytorch_model.bin")
    load = dataclasses.replace(reward, checkpoint=str(copy)).load
    if family == "vqascore_vlm":
        assert "has no safetensors" in refusal(load, files)
        return
    assert load(files)
    monkeypatch.setattr(torch, "__version__", "2.5.1")
    assert "NeedsPyTorch26" in refusal(load, files)


OWN = {"AutoConfig": "own.Config", "AutoModel": "own.Model", "AutoProcessor": "own.Processor"}
CODE = {
    "auto_map": {"auto_map": OWN},
    "attn_implementation": {"attn_implementation": "own/kernel"},
    "_attn_implementation": {"text_config": {"_attn_implementation": {"": "own/kernel:here"}}},
}


@pytest.mark.parametrize("entry", CODE)
def test_code_of_a_folder_is_not_run(case, tmp_path, entry):
    place, load = case
    if place.is_file():
        place = place.parent
    config = place / "config.json"
    told = json.loads(config.read_text()) if config.exists() else {}
    config.write_text(json.dumps(told | CODE[entry]))
    (place / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    assert f"asks to run code of its own ({entry} in config.json)" in refusal(load, place)
    assert not (tmp_path / "ran").exists()
