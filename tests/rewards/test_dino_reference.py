"""Likeness of the subject against transformers' DINOv2 and its processor, on tiny weights."""

import pytest
import torch
from pack.rewards import REWARDS, Files
from pack.rewards.files.weights import peek
from PIL import Image

from .tiny_clip import pictures, shown

transformers = pytest.importorskip("transformers")

PROMPTS = ["", "a", "b"]
REFERENCES = pictures(40, 48, seed=9)[:2]


def build(path, registers=False):
    """Write a tiny DINOv2 folder to `path` -> the model."""
    name = "Dinov2WithRegisters" if registers else "Dinov2"
    config = getattr(transformers, f"{name}Config")(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=42, patch_size=14
    )
    torch.manual_seed(0)
    model = getattr(transformers, f"{name}Model")(config).eval()
    for weights in model.parameters():
        if weights.ndim > 1:
            weights.data.normal_(0, 0.3)
    model.save_pretrained(path)
    transformers.BitImageProcessor(
        size={"shortest_edge": 36}, crop_size={"height": 28, "width": 28},
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(path)  # fmt: skip
    return model


def load(path, reference=REFERENCES[:1]):
    return REWARDS["dino_reference"](str(path), shown(reference)).load(Files())


@pytest.mark.parametrize("registers", [False, True])
def test_equals_transformers(tmp_path, registers):
    model = build(tmp_path, registers)
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)

    def embedded(images):
        seen = processor([Image.fromarray(image) for image in images], return_tensors="pt")
        with torch.no_grad():
            return torch.nn.functional.normalize(model(**seen).last_hidden_state[:, 0], dim=-1)

    images = pictures(40, 48)
    wanted = (embedded(images) @ embedded(REFERENCES).T).mean(1)
    scores = load(tmp_path, REFERENCES).score(shown(images), PROMPTS)
    torch.testing.assert_close(scores, wanted, rtol=0.0, atol=0.02)
    assert wanted.std() > 0.02


def test_the_reference_itself_is_best(tmp_path):
    build(tmp_path)
    images = torch.cat((shown(REFERENCES[:1]), shown(pictures(40, 48))))
    scores = load(tmp_path).score(images, [""] * 4)
    assert scores[0] == pytest.approx(1.0, abs=1e-5) and (scores[1:] < 0.99).all()


def test_a_classifier_on_dino_is_also_one(tmp_path):
    build(tmp_path)
    reward = REWARDS["dino_reference"]
    assert reward.__dataclass_fields__["checkpoint"].metadata["checkpoint"](peek(tmp_path))
    with pytest.raises(ValueError, match="`reference` is not connected: got nothing, expected an"):
        reward(str(tmp_path)).load(Files())
