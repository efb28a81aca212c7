"""Aesthetic Predictor V2.5 on tiny random weights, against transformers' tower and a plain head."""

import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS, Scorer
from pack.rewards.files.weights import peek
from pack.rewards.likeness.siglip_checkpoint import WORDS, is_tower
from pack.rewards.preference.aesthetic_v2_5 import is_head
from PIL import Image

from .tiny_siglip import SIZE, read, save
from .tiny_siglip import build as build_siglip

transformers = pytest.importorskip("transformers")

PROMPTS = ["a", "b", ""]
SIZES = (128, 96, 48, 24, 16, 1)


def build(path: Path) -> None:
    """Write ``path``/siglip, a folder, and the head ``path``/aesthetic_predictor_v2_5.pth."""
    build_siglip(path / "siglip", new=False, resample=3)
    torch.manual_seed(1)
    head = OrderedDict()
    for i, (width, out) in enumerate(zip(SIZES, SIZES[1:], strict=False)):
        head[f"scoring_head.{2 * i}.weight"] = torch.randn(out, width).bfloat16() * width**-0.5
        head[f"scoring_head.{2 * i}.bias"] = torch.randn(out).bfloat16()
    torch.save(head, path / "aesthetic_predictor_v2_5.pth")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("aesthetic")
    build(path)
    return path


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (3, 12, 16, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(a).resize((96, 72), Image.BICUBIC)) for a in coarse]
    return torch.tensor(np.stack(large)).float() / 255


def oracle(path, images):
    """The vision model and processor as their users call them, the head as it was trained."""
    layers = []
    for width, out in zip(SIZES, SIZES[1:], strict=False):
        layers += [torch.nn.Linear(width, out), torch.nn.Dropout()]
    head = torch.nn.Sequential(*layers[:-1]).eval()
    state = torch.load(path / "aesthetic_predictor_v2_5.pth", weights_only=True)
    head.load_state_dict({k.removeprefix("scoring_head."): v.float() for k, v in state.items()})
    tower = transformers.SiglipVisionModel.from_pretrained(path / "siglip").eval()
    processor = transformers.SiglipImageProcessor.from_pretrained(path / "siglip")
    shown = processor(list((images * 255).round().byte().numpy()), return_tensors="pt")
    with torch.no_grad():
        features = tower(**shown).pooler_output
        return head(features / features.norm(dim=-1, keepdim=True)).flatten()


def load(path, tower=None):
    return REWARDS["aesthetic_v2_5"](
        checkpoint=str(tower or path / "siglip"), head=str(path / "aesthetic_predictor_v2_5.pth")
    ).load()


def test_equals_the_formula(folder, images):
    scorer = load(folder)
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    scores, wanted = scorer.score(images, PROMPTS), oracle(folder, images)
    assert scores.dtype == torch.float32 and scores.shape == (3,)
    torch.testing.assert_close(scores, wanted, rtol=0, atol=0.01)
    same = images[:, :SIZE, :SIZE]  # nothing to resize
    torch.testing.assert_close(
        scorer.score(same, PROMPTS), oracle(folder, same), rtol=1e-5, atol=1e-5
    )
    assert wanted.max() - wanted.min() > 0.05
    scorer.check("")


@pytest.mark.parametrize("kind", ["whole", "tower", "tower folder", "pt"])
def test_other_layouts_of_the_tower(folder, images, tmp_path, kind):
    state = read(folder / "siglip" / "model.safetensors")
    tower = {key: value for key, value in state.items() if key.startswith("vision_model.")}
    path = tmp_path / "a.safetensors"
    if kind == "pt":
        path = tmp_path / "a.pt"
        torch.save({"model": state}, path)
    else:
        save(state if kind == "whole" else tower, path)
    if kind == "tower folder":
        config = json.loads((folder / "siglip" / "config.json").read_text())["vision_config"]
        (tmp_path / "config.json").write_text(json.dumps(config))
        path = path.rename(tmp_path / "model.safetensors").parent
    assert is_tower(peek(path))
    wanted = load(folder).score(images, PROMPTS)
    torch.testing.assert_close(load(folder, path).score(images, PROMPTS), wanted, rtol=0, atol=1e-6)


def test_the_module_holds_all_weights(folder, images):
    scorer = load(folder)
    before = scorer.score(images, PROMPTS)
    scorer.module.head[0].weight.data.neg_()
    assert not torch.allclose(before, scorer.score(images, PROMPTS), atol=1e-3)
    assert not any(weights.requires_grad for weights in scorer.module.parameters())
    assert {weights.dtype for weights in scorer.module.head.parameters()} == {torch.float32}
    assert not scorer.module.training


def test_half_precision_keeps_the_head(folder, images):
    whole, half = load(folder), load(folder)
    half.module.tower.bfloat16()
    scores = half.score(images, PROMPTS)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, whole.score(images, PROMPTS), rtol=0, atol=0.1)


def test_wrong_files_say_what_they_are(folder, tmp_path):
    reward = REWARDS["aesthetic_v2_5"]
    tower, head = folder / "siglip", folder / "aesthetic_predictor_v2_5.pth"
    assert is_head(peek(head)) and not is_tower(peek(head)) and not is_head(peek(tower))

    def refusal(tower, head):
        with pytest.raises(ValueError) as error:
            reward(checkpoint=str(tower), head=str(head)).load()
        assert "\n" not in str(error.value)
        return str(error.value)

    message = refusal(tower, tower / "model.safetensors")
    assert "SigLIP: expected the head of Aesthetic" in message and "discus0434" in message
    message = refusal(head, head)
    assert "looks like the head of Aesthetic" in message and "google/siglip-so400m" in message
    config = json.loads((tower / "config.json").read_text())
    config["text_config"]["vocab_size"] = 256_000
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "SigLIP 2: expected the vision tower" in refusal(tmp_path, head)
    state = read(tower / "model.safetensors")
    state[WORDS] = torch.zeros(256_000, 1)
    save(state, tmp_path / "new.safetensors")
    assert "SigLIP 2: expected the vision tower" in refusal(tmp_path / "new.safetensors", head)
    narrow = torch.load(head, weights_only=True)
    narrow["scoring_head.0.weight"] = narrow["scoring_head.0.weight"][:, :64]
    torch.save(narrow, tmp_path / "narrow.pth")
    assert "reads 64 channels, but the image tower gives 128" in refusal(
        tower, tmp_path / "narrow.pth"
    )
