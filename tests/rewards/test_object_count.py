"""Counting by Grounding DINO against transformers' own model and processor, on tiny weights."""

import json
import shutil

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS, Scorer
from pack.rewards.count.object_count import dino_pixels, input_size, is_grounding_dino
from pack.rewards.files.weights import peek
from PIL import Image

from .counting import naive_counts, spread

transformers = pytest.importorskip("transformers")

SIDE = 64
PROMPT = "six red airplanes flying over a camel"
LABELS = ["red airplane", "camel"]
SPECIAL = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012}


def build(path):
    """Write a tiny Grounding DINO folder to ``path`` -> the model."""
    config = transformers.GroundingDinoConfig(
        backbone_config=transformers.SwinConfig(
            image_size=64, patch_size=4, embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 2],
            window_size=4, out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=transformers.BertConfig(
            vocab_size=1100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=48, max_position_embeddings=64,
        ),
        d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, num_queries=30,
        max_text_len=40,
    )  # fmt: skip
    model = transformers.GroundingDinoForObjectDetection(config).eval()
    spread(model, 0.2)
    model.save_pretrained(path)
    words = dict(SPECIAL) | {"?": 1029, "camel": 300, "red": 301, "air": 302, "##plane": 303}
    words |= {letter: 400 + i for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz0123456789-'")}
    words |= {f"##{letter}": 500 + i for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
    named = {place: word for word, place in words.items()}
    lines = [named.get(i, f"[unused{i}]") for i in range(1100)]
    (path / "vocab.txt").write_text("\n".join(lines) + "\n")
    return model


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    path = tmp_path_factory.mktemp("dino")
    return path, build(path)


def pictures(height, width, count=3):
    """Smooth pictures of 8 bits."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, 6, 8, 3), dtype=np.uint8)
    size = (width, height)
    large = [np.asarray(Image.fromarray(a).resize(size, Image.BICUBIC)) for a in coarse]
    return torch.tensor(np.stack(large)).float() / 255


@pytest.fixture(scope="module")
def images():
    return pictures(SIDE, 88)


def load(path, **settings):
    return REWARDS["object_count"](checkpoint=str(path), **{"side": SIDE} | settings).load()


def processor(path, side=SIDE):
    return transformers.GroundingDinoProcessor(
        transformers.GroundingDinoImageProcessor(
            size={"shortest_edge": side, "longest_edge": side * 1333 // 800}
        ),
        transformers.BertTokenizerFast.from_pretrained(path),
    )


def bytes_of(images):
    return list((images * 255).round().byte().numpy())


def oracle(path, model, images, text):
    """Processor and model as their users call them, and transformers' own map of the labels."""
    from transformers.models.grounding_dino.modeling_grounding_dino import build_label_maps

    inputs = processor(path)(
        images=bytes_of(images), text=[text] * len(images), return_tensors="pt"
    )
    with torch.no_grad():
        found = model(**inputs)
    maps = build_label_maps(found.logits, inputs["input_ids"])[0].bool()
    per_class = [found.logits[..., tokens].max(-1).values for tokens in maps]
    return inputs, torch.stack(per_class, -1).sigmoid(), found.pred_boxes


def test_detections_equal_transformers(dino, images):
    path, model = dino
    scorer = load(path)
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    inputs, wanted, boxes = oracle(path, model, images, "red airplane. camel.")
    ids, spans = scorer.detector._tokens(LABELS)
    assert ids.tolist() == inputs["input_ids"][0].tolist()
    assert ids.tolist() == [101, 301, 302, 303, 1012, 300, 1012, 102]
    assert spans == [slice(1, 4), slice(5, 6)]
    scores, found = scorer.detector.find(images, LABELS)
    torch.testing.assert_close(scores, wanted, rtol=0, atol=2e-5)
    torch.testing.assert_close(found, boxes, rtol=0, atol=2e-5)
    assert wanted.std(0).mean() > 0.05 and (wanted[..., 0] - wanted[..., 1]).abs().mean() > 0.05


def test_score_equals_plain_loops_over_transformers(dino, images):
    path, model = dino
    scorer = load(path)
    _, found, boxes = oracle(path, model, images, "red airplane. camel.")
    wanted = []
    for row in zip(found.tolist(), boxes.tolist(), strict=True):
        (planes, soft_planes), (camels, soft_camels) = naive_counts(*row, scorer.rule)
        smooth = (6 - soft_planes) ** 2 + (1 - soft_camels) ** 2
        wanted.append(-((6 - planes) ** 2) - (1 - camels) ** 2 - 0.25 * smooth / (1 + smooth))
    scores = scorer.score(images, [PROMPT] * 3)
    torch.testing.assert_close(scores, torch.tensor(wanted), rtol=1e-4, atol=1e-4)
    assert scores.dtype == torch.float32 and scores.unique().numel() == 3


def test_all_heads_of_boxes_are_the_one_in_the_file(dino):
    heads = load(dino[0]).module
    first = heads.bbox_embed[0].layers[0].weight
    assert first.abs().sum() > 0
    assert torch.equal(heads.bbox_embed[1].layers[0].weight, first)
    assert torch.equal(heads.model.decoder.bbox_embed[1].layers[0].weight, first)


def test_prompts_of_a_batch_may_differ(dino, images):
    path, model = dino
    prompts = [PROMPT, "two camels", "a red camel and two airplanes"]
    scorer = load(path, score="soft")
    together = scorer.score(images, prompts)
    alone = [scorer.score(images[i : i + 1], prompts[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)
    # transformers pads the shorter text.
    texts = ["red airplane. camel.", "camel."]
    inputs = processor(path)(
        images=bytes_of(images[:2]), text=texts, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        padded = model(**inputs).logits[1, :, 1].sigmoid()
    own = scorer.detector.find(images[1:2], ["camel"])[0][0, :, 0]
    torch.testing.assert_close(own, padded, rtol=0, atol=2e-5)


def test_batch_equals_one_by_one(dino, images):
    scorer = load(dino[0], score="soft")
    more = torch.cat([images, images.flip(2)])
    together = scorer.score(more, [PROMPT] * 6)
    alone = [scorer.score(more[i : i + 1], [PROMPT]) for i in range(6)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)
    assert torch.equal(together, scorer.score(more, [PROMPT] * 6))
    assert together.unique().numel() == 6


@pytest.mark.parametrize("side", [800, 64])
def test_sizes_equal_the_processor(side):
    from transformers.image_transforms import get_size_with_aspect_ratio

    edges = [*range(61, 2100, 83), 64, 512, 768, 800, 832, 1024, 1216, 1333, 1334]
    for height in edges:
        for width in edges:
            wanted = get_size_with_aspect_ratio((height, width), side, side * 1333 // 800)
            got = input_size(height, width, side)
            # It loses one pixel to rounding where the longest edge decides.
            assert max(abs(a - b) for a, b in zip(got, wanted, strict=True)) <= 1, (height, width)
            assert got == wanted or max(got) >= side * 1333 // 800 - 1


@pytest.mark.parametrize("shape", [(96, 72), (40, 50), (64, 64), (150, 40), (64, 90)])
def test_pixels_equal_the_processor(dino, shape):
    images = pictures(*shape, count=1)
    shown = processor(dino[0]).image_processor(bytes_of(images), return_tensors="pt")
    got = dino_pixels(images, SIDE)
    assert got.shape == shown["pixel_values"].shape and shown["pixel_mask"].all()
    levels = (got - shown["pixel_values"]).abs() * 255 * 0.225
    assert levels.mean() < 0.5 and levels.max() < 2


def test_check(dino):
    scorer = load(dino[0])
    scorer.check(PROMPT)
    with pytest.raises(ValueError, match="3 kinds.*got 4[0-9] tokens, expected at most 40"):
        scorer.check("two cabbages-cabbages, three dromedaries and four hippopotamus babies")
    with pytest.raises(ValueError, match="Cannot read counts"):
        scorer.check("camels")


@pytest.mark.parametrize("kept", ["vocab.txt", "tokenizer.json"])
def test_either_tokenizer_will_do(dino, tmp_path, kept):
    path, _ = dino
    for name in ("config.json", "model.safetensors"):
        shutil.copy(path / name, tmp_path)
    with pytest.raises(ValueError, match="has no tokenizer: .*https://"):
        load(tmp_path)
    if kept == "vocab.txt":
        shutil.copy(path / kept, tmp_path)
    else:
        whole = transformers.BertTokenizerFast.from_pretrained(path).backend_tokenizer
        whole.save(str(tmp_path / kept))
    ids = load(tmp_path).detector._tokens(LABELS)[0]
    assert ids.tolist() == [101, 301, 302, 303, 1012, 300, 1012, 102]


def test_wrong_checkpoints_say_what_they_are(dino, tmp_path):
    from safetensors.torch import save_file

    def refusal(path):
        with pytest.raises(ValueError) as error:
            load(path)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert is_grounding_dino(peek(dino[0]))
    assert not is_grounding_dino(peek(dino[0] / "model.safetensors"))
    assert "does not exist" in refusal(tmp_path / "missing")
    single = refusal(dino[0] / "model.safetensors")
    assert "looks like Grounding DINO:" in single and "a folder of Grounding DINO" in single
    save_file({"visual.conv1.weight": torch.zeros(2)}, tmp_path / "wrong.safetensors")
    assert "CLIP in open_clip layout" in refusal(tmp_path / "wrong.safetensors")
    config = json.loads((dino[0] / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"use_pretrained_backbone": True}))
    assert "lacks part of its weights" in refusal(tmp_path)
    old = {"model": {"module.transformer.encoder.fusion_layers.0.gamma_v": torch.zeros(2)}}
    torch.save(old, tmp_path / "groundingdino_swint_ogc.pth")
    assert "in its authors' layout" in refusal(tmp_path / "groundingdino_swint_ogc.pth")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "detr"}))
    (tmp_path / "wrong.safetensors").unlink()
    assert 'of type "detr"' in refusal(tmp_path)
    shutil.copy(dino[0] / "config.json", tmp_path)
    assert "has no readable weights" in refusal(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"<html>not found</html>")
    assert "cannot be" in refusal(tmp_path)


def test_missing_tensors(dino, tmp_path):
    from safetensors.torch import load_file, save_file

    for name in ("config.json", "vocab.txt"):
        shutil.copy(dino[0] / name, tmp_path)
    state = load_file(dino[0] / "model.safetensors")
    del state["model.text_projection.weight"]
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="lacks 1 tensors, model.text_projection.weight"):
        load(tmp_path)
