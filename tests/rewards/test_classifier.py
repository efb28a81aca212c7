"""The classifier against transformers' own models and processors, on tiny random weights."""

import json

import pytest
import torch
from pack.rewards import REWARDS, Files
from pack.rewards.files.weights import peek
from pack.rewards.likeness.classifier import KINDS, is_classifier
from PIL import Image

from .tiny_clip import pictures, shown

transformers = pytest.importorskip("transformers")

LABELS = ("normal", "NSFW", "tench, Tinca tinca")
PROMPTS = ["", "a", "b"]
WIDE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 48, "image_size": 32, "patch_size": 8}  # fmt: skip
SMALL = {  # a model and its processor of each make
    "vit": (WIDE, "ViT", {"size": {"height": 32, "width": 32}}),
    "siglip": ({"vision_config": WIDE}, "Siglip", {"size": {"height": 32, "width": 32}}),
    "convnext": (
        {"hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1]},
        "ConvNext", {"size": {"shortest_edge": 64}, "crop_pct": 0.875},
    ),
    "resnet": (
        {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 32], "depths": [1, 1, 1, 1],
         "layer_type": "basic"},
        "ConvNext", {"size": {"shortest_edge": 64}},
    ),
}  # fmt: skip


def build(path, kind="vit", **more):
    """Write a tiny classifier to `path` -> the model."""
    settings, processor, sizes = SMALL[kind]
    names = dict(enumerate(LABELS))
    config = transformers.CONFIG_MAPPING[kind](**settings, id2label=names, **more)
    torch.manual_seed(0)
    model = getattr(transformers, KINDS[kind])(config).eval()
    for weights in model.parameters():
        if weights.ndim > 1:
            weights.data.normal_(0, 0.2)
    model.save_pretrained(path)
    getattr(transformers, f"{processor}ImageProcessor")(**sizes).save_pretrained(path)
    return model


def load(path, label="nsfw", **settings):
    return REWARDS["classifier"](str(path), label, **settings).load(Files())


@pytest.mark.parametrize("kind", SMALL)
def test_equals_transformers(tmp_path, kind):
    """Of 8-bit images, whose processor rounds them where ours does not."""
    model = build(tmp_path, kind)
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    images = pictures(72, 96)
    with torch.no_grad():
        seen = processor([Image.fromarray(image) for image in images], return_tensors="pt")
        chances = model(**seen).logits.softmax(-1)[:, 1]
    scores = load(tmp_path).score(shown(images), PROMPTS)
    wanted = chances.log() - torch.log1p(-chances)
    torch.testing.assert_close(scores, wanted, rtol=0.02, atol=0.02)
    assert wanted.std() > 0.05
    assert torch.equal(load(tmp_path, aim="less").score(shown(images), PROMPTS), -scores)


def test_labels_that_do_not_exclude_each_other_have_their_own_logit(tmp_path):
    for more in ({"problem_type": "multi_label_classification"}, {}):
        model = build(tmp_path, **more)
        scorer = load(tmp_path, "normal")
        images = shown(pictures(32, 32))
        with torch.no_grad():
            logits = model(pixel_values=scorer.pixels(images)).logits
        own = logits[:, 0] - (0.0 if more else logits[:, 1:].logsumexp(1))
        torch.testing.assert_close(scorer.score(images, PROMPTS), own)


def test_a_label_is_found_by_its_name_or_refused_with_the_list(tmp_path):
    build(tmp_path)
    assert load(tmp_path, " Tench, tinca TINCA").label == 2
    for label in ("", "anime"):
        with pytest.raises(
            ValueError, match=rf"got '{label}', expected one of normal, NSFW, tench, Tinca tinca\."
        ):
            load(tmp_path, label)


def test_only_whole_classifiers_are_listed(tmp_path):
    build(tmp_path)
    assert is_classifier(peek(tmp_path))
    config = json.loads((tmp_path / "config.json").read_text())
    for change in ({"architectures": ["ViTModel"]}, {"model_type": "timm_wrapper"}):
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        assert not is_classifier(peek(tmp_path))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (None, "has no preprocessor_config.json"),
        ("{", "cannot be read"),
        ('{"auto_map": {}}', r"asks to run code of its own \(auto_map in preprocessor_config"),
        ('{"size": {"height": 100000, "width": 32}}', "asks for size.height 100000, not a whole"),
        ('{"crop_size": [32, -1]}', "asks for crop_size"),
    ],
)
def test_a_preparation_that_is_not_one_is_refused(tmp_path, text, wrong):
    build(tmp_path)
    file = tmp_path / "preprocessor_config.json"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(ValueError, match=wrong):
        load(tmp_path)
