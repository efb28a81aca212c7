"""HPS v2.1 against the hpsv2 package, on tiny weights in the layouts it is published in."""

import json

import pytest
import torch
from pack.rewards import REWARDS, Files
from pack.rewards.files.weights import peek
from pack.rewards.likeness.clip_pixels import MEAN, STD, padded_pixels

from .test_clip import FIXTURE
from .tiny_clip import PROMPTS, open_clip_state, pictures, renamed, save, shown

transformers = pytest.importorskip("transformers")


def build(path, layout="open_clip"):
    """Write a tiny HPS v2.1 into the folder ``path`` -> its checkpoint."""
    state = open_clip_state(1024)
    if layout == "pt":
        return save({"epoch": 1, "state_dict": state}, path / "HPS_v2.1_compressed.pt")
    if layout == "prefix":
        state = {f"model.{key}": value for key, value in state.items()}
    if layout in ("transformers", "folder"):
        state = renamed(state)
    file = save(state, path / "model.safetensors")
    if layout != "folder":
        return file
    from pack.rewards.likeness.clip_config import infer_config

    # A folder may say quick_gelu for want of anything better.
    transformers.CLIPConfig(**infer_config(state)).save_pretrained(path)
    return path


def load(path):
    return REWARDS["hps_v2"](checkpoint=str(path)).load(Files())


@pytest.mark.parametrize("layout", ["open_clip", "prefix", "pt", "transformers", "folder"])
def test_equals_the_package(tmp_path, layout):
    path = build(tmp_path, layout)
    assert REWARDS["hps_v2"].__dataclass_fields__["checkpoint"].metadata["checkpoint"](peek(path))
    scorer = load(path)
    for height, width, wanted in FIXTURE["hps_v2"]:
        scores = scorer.score(shown(pictures(height, width)), PROMPTS)
        assert scores.tolist() == pytest.approx(wanted, abs=2e-6)
        assert max(wanted) - min(wanted) > 0.02


def test_folder_says_quick_gelu(tmp_path):
    path = build(tmp_path, "folder")
    said = json.loads((path / "config.json").read_text())["vision_config"]
    assert said.get("hidden_act", "quick_gelu") == "quick_gelu"


def test_the_whole_picture_on_black():
    mean, std = (torch.tensor(x)[:, None, None] for x in (MEAN, STD))
    for height, width in [(40, 80), (32, 16), (16, 31)]:
        pixels = padded_pixels(torch.ones(1, height, width, 3), 32)[0] * std + mean
        inner = (round(height * 32 / max(height, width)), round(width * 32 / max(height, width)))
        assert pixels.shape == (3, 32, 32)
        white = pixels[0] > 0.5
        assert white.sum() == inner[0] * inner[1]
        torch.testing.assert_close(pixels[:, ~white], torch.zeros_like(pixels[:, ~white]))
        top, left = (32 - inner[0]) // 2, (32 - inner[1]) // 2
        assert white[top : top + inner[0], left : left + inner[1]].all()


def test_overshoot_is_kept():
    edge = torch.zeros(1, 64, 64, 3)
    edge[:, :, 30:] = 1.0
    pixels = padded_pixels(edge, 32)[0] * torch.tensor(STD)[:, None, None]
    pixels = pixels + torch.tensor(MEAN)[:, None, None]
    assert pixels.min() < -0.01 and pixels.max() > 1.01


def test_other_clips_are_not_listed(tmp_path):
    small = save(open_clip_state(48), tmp_path / "small.safetensors")
    fits = REWARDS["hps_v2"].__dataclass_fields__["checkpoint"].metadata["checkpoint"]
    assert not fits(peek(small))
    with pytest.raises(ValueError, match=r"small.safetensors is a CLIP with embeddings of 48 c"):
        load(small)
    save({"layers.7.weight": torch.zeros(1, 16)}, tmp_path / "head.safetensors")
    with pytest.raises(ValueError, match="the LAION aesthetic predictor: expected HPS v2.1 "):
        load(tmp_path / "head.safetensors")
