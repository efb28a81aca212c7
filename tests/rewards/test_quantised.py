"""Field 17: fp8 weights are read as they are, or called fp8; other packed ones are named."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from pack.rewards import Files
from pack.rewards.files.state_dict import read_state
from pack.rewards.files.weights import peek
from safetensors.torch import load_file, save_file

from .families import LOCAL, made
from .tiny_clip import pictures, shown
from .weights_files import SOURCE, STATE, refusal

FP8 = (torch.float8_e4m3fn, torch.float8_e5m2)
CASES = [(family, setting) for family, local in LOCAL.items() for setting in local.names]
PROMPTS = ["three red circles and a blue dog"]
SIGNS = {
    "bitsandbytes, nf4": {"a.weight.quant_state.bitsandbytes__nf4": torch.zeros(3)},
    "bitsandbytes, 4 bits": {"a.weight.absmax": torch.zeros(3)},
    "bitsandbytes, int8": {"a.SCB": torch.zeros(3)},
    "GPTQ": {"a.qweight": torch.zeros(2, 2), "a.g_idx": torch.zeros(2)},
    "GPTQ or AWQ": {"a.qweight": torch.zeros(2, 2), "a.qzeros": torch.zeros(2)},
    "int8": {"c.weight": torch.zeros(2, 3, dtype=torch.int8)},
    "int8 with scales": {
        "c.weight": torch.zeros(2, 3, dtype=torch.int8), "c.weight_scale": torch.ones(1)
    },
    "uint8": {"c.weight": torch.zeros(2, 3, dtype=torch.uint8)},
    "of ComfyUI, with scales": {"c.comfy_quant": torch.zeros(3, dtype=torch.uint8)},
}  # fmt: skip


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    kept = {}

    def original(family):
        if family not in kept:
            path = tmp_path_factory.mktemp(family)
            kept[family] = *made(family, path), path
        return kept[family]

    return original


@pytest.fixture(params=CASES, ids=" ".join)
def case(request, originals, tmp_path):
    """A copy of a family's files: its reward, what finds them, those of the setting."""
    family, setting = request.param
    reward, files, folder = originals(family)
    copy = shutil.copytree(folder, tmp_path / "copy")
    moved = {
        name: str(copy / Path(getattr(reward, name)).relative_to(folder))
        for name in LOCAL[family].names
    }
    reward = dataclasses.replace(reward, **moved)
    place = Path(moved[setting])
    suffixes = (".safetensors", ".pt", ".pth", ".bin")
    found = [place] if place.is_file() else [p for p in place.iterdir() if p.suffix in suffixes]
    return reward, files, found


def rewrite(file, change):
    """The tensors of a file as `change` makes them."""
    if file.suffix == ".safetensors":
        save_file(change(load_file(file)), file, {"format": "pt"})
    else:
        torch.save(change(torch.load(file, weights_only=True)), file)


def as_kind(kind):
    """Matrices in fp8, as they are published; norms are not."""

    def change(state):
        wide = {k: v for k, v in state.items() if v.ndim > 1 and v.is_floating_point()}
        packed = {key: value.clamp(-400, 400).to(kind) for key, value in wide.items()}
        return {key: value.clone() for key, value in state.items()} | packed

    return change


def unpacked(state):
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}


def scores(reward, files):
    images = shown(pictures(70, 90))[:1]
    if type(reward).__name__ == "TemporalConsistency":
        images = torch.stack([images, images.roll(1, 2), 1.0 - images], 1)
    with torch.no_grad():
        return reward.load(files).score(images, PROMPTS)


@pytest.mark.parametrize("kind", FP8, ids=str)
def test_fp8_without_scales_is_read(case, kind):
    """As the same numbers in float32 are."""
    reward, files, found = case
    for file in found:
        rewrite(file, as_kind(kind))
    packed = scores(reward, files)
    for file in found:
        rewrite(file, unpacked)
    wanted = scores(reward, files)
    assert packed.isfinite().all() and packed.dtype == torch.float32
    torch.testing.assert_close(packed, wanted, rtol=0.02, atol=0.02)
    assert not any("float8" in str(w.dtype) for w in reward.load(files).module.parameters())


@pytest.mark.parametrize("scale", ["x.weight_scale", "x.scale_weight", "scaled_fp8"])
def test_fp8_with_scales_is_named(case, scale):
    reward, files, found = case
    for file in found:
        rewrite(file, lambda state: as_kind(FP8[0])(state) | {scale: torch.ones(1)})
    assert "is quantised (fp8 with scales, float8_e4m3fn)" in refusal(reward.load, files)


@pytest.mark.parametrize("sign", SIGNS)
def test_other_packed_weights_are_named(case, sign):
    reward, files, found = case
    for file in found:
        rewrite(file, lambda state: state | SIGNS[sign])
    assert f"is quantised ({sign})" in refusal(reward.load, files)


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", "fp8", "compressed-tensors"])
def test_a_folder_that_says_so(method, originals, tmp_path):
    for family in ("clip_score", "siglip_score", "object_count", "vqascore_vlm", "vqascore"):
        reward, files, folder = originals(family)
        copy = shutil.copytree(folder, tmp_path / family)
        config = json.loads((copy / "config.json").read_text("utf-8"))
        config["quantization_config"] = {"quant_method": method, "bits": 4}
        (copy / "config.json").write_text(json.dumps(config), "utf-8")
        told = refusal(dataclasses.replace(reward, checkpoint=str(copy)).load, files)
        assert f"is quantised ({method})" in told


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])  # PyTorch's old way knows no fp8
def test_what_tells_it_in_a_file(suffix, tmp_path):
    file = tmp_path / f"a{suffix}"
    for kind in FP8:
        state = STATE | {"a.weight": torch.tensor([[1.5, -0.25], [448.0, 0.0]]).to(kind)}
        save_file(state, file) if suffix == ".safetensors" else torch.save(state, file)
        assert peek(file).quantised == ""
        read = read_state(file, SOURCE, "b")["a.weight"]
        assert read.dtype == torch.bfloat16
        assert torch.equal(read.float(), state["a.weight"].float())


def test_every_number_of_fp8_is_kept():
    """bfloat16 has as many digits and as wide a range."""
    from pack.rewards.files.quantisation import widened

    for kind in FP8:
        every = torch.arange(256, dtype=torch.uint8).view(kind)
        torch.testing.assert_close(widened(every).float(), every.float(), equal_nan=True)
    assert widened(STATE["b"]) is STATE["b"]
    assert Files().dtype(torch.float16) == torch.float32
