"""Folders of vision-language models, and what is wrong with those that are not loaded."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from pack.rewards.files.weights import peek
from pack.rewards.question.vlm_checkpoint import KINDS, is_vlm

from .test_vlm import HERE, load
from .tiny_vlm import BUILDERS


def refusal(path):
    with pytest.raises(ValueError) as error:
        load(path)
    assert "\n" not in str(error.value) and "https://" in str(error.value)
    return str(error.value)


def test_folders_that_fit(vlm_folders, tmp_path):
    assert set(BUILDERS) == set(KINDS)
    for kind in HERE:
        assert is_vlm(peek(vlm_folders(kind)))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    assert not is_vlm(peek(tmp_path))  # no safetensors
    assert "has no safetensors" in refusal(tmp_path)
    assert "does not exist" in refusal(tmp_path / "none")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    assert 'looks like a model of type "clip"' in refusal(tmp_path)


@pytest.fixture
def copy(vlm_folders, tmp_path):
    return Path(shutil.copytree(vlm_folders("qwen2_5_vl"), tmp_path / "copy"))


def edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_broken_configuration_is_named(copy):
    (copy / "tokenizer_config.json").write_text("<html>")
    assert not is_vlm(peek(copy)) and "tokenizer_config.json that cannot be read" in refusal(copy)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_folder_with_code_of_its_own_is_refused(copy, name):
    (copy / "evil.py").write_text(f"open({str(copy / 'ran')!r}, 'w')")
    edit(copy / name, auto_map={"AutoModel": "evil.M", "AutoProcessor": "evil.P"})
    assert not is_vlm(peek(copy))
    assert f"code of its own (auto_map in {name})" in refusal(copy)
    assert not (copy / "ran").exists()


def test_a_quantised_folder_is_refused(copy):
    edit(copy / "config.json", quantization_config={"quant_method": "awq"})
    assert not is_vlm(peek(copy)) and "is quantised" in refusal(copy)


def test_broken_folders(copy):
    from safetensors.torch import load_file, save_file

    file = copy / "model.safetensors"
    state = load_file(file)
    assert any(key.endswith("visual.patch_embed.proj.weight") for key in state)
    lost = next(key for key in state if key.endswith("norm.weight"))
    save_file({k: v for k, v in state.items() if k != lost}, file, metadata={"format": "pt"})
    assert "lacks 1 tensors" in refusal(copy)
    save_file(state, file, metadata={"format": "pt"})
    for name in ("chat_template.jinja", "chat_template.json"):
        (copy / name).unlink(missing_ok=True)
    edit(copy / "tokenizer_config.json", chat_template=None)
    assert "has no chat template" in refusal(copy)
    for name in ("processor_config.json", "preprocessor_config.json"):
        (copy / name).unlink(missing_ok=True)
    assert "cannot be loaded" in refusal(copy)


@pytest.mark.parametrize("beside", [True, False])
def test_no_pickle_is_read(copy, beside):
    class Evil:
        def __reduce__(self):
            return (copy.joinpath("ran").touch, ())

    torch.save({"w": Evil()}, copy / "pytorch_model.bin")
    if beside:
        load(copy)
    else:
        (copy / "model.safetensors").unlink()
        assert not is_vlm(peek(copy)) and "has no safetensors" in refusal(copy)
    assert not (copy / "ran").exists()
