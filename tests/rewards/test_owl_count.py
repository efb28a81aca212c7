"""Counting by OWLv2 against transformers' own model and processor, on tiny random weights."""

import json
import shutil

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS, Files, Scorer
from pack.rewards.count.owl_count import is_owl, owl_pixels
from pack.rewards.files.weights import peek
from PIL import Image

from .counting import naive_counts, spread

transformers = pytest.importorskip("transformers")

SIZE = 64
PROMPT = "four red cats and a dog"
LABELS = ["red cat", "dog"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.-"
SPECIAL = ["<|startoftext|>", "<|endoftext|>"]


def build(path, tokenizer=True):
    """Write a tiny OWLv2 folder to ``path`` -> the model."""
    words = ["!", *LETTERS, *(letter + "</w>" for letter in ["!", *LETTERS]), *SPECIAL]
    config = transformers.Owlv2Config(
        text_config={
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 2, "vocab_size": len(words), "max_position_embeddings": 24,
            "bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": 0,
        },
        vision_config={
            "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
            "num_attention_heads": 2, "image_size": SIZE, "patch_size": 8,
        },
        projection_dim=32,
    )  # fmt: skip
    model = transformers.Owlv2ForObjectDetection(config).eval()
    spread(model, 0.2)
    # Scores as far apart as trained ones, without saturation.
    model.class_head.logit_scale.weight.data *= 0.2
    model.class_head.logit_shift.weight.data *= 0.2
    model.class_head.logit_scale.bias.data.fill_(4.0)
    model.class_head.logit_shift.bias.data.fill_(-0.3)
    model.save_pretrained(path)
    if tokenizer:
        (path / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
        (path / "merges.txt").write_text("#version: 0.2\n")
    return model


@pytest.fixture(scope="module")
def owl(tmp_path_factory):
    path = tmp_path_factory.mktemp("owl")
    return path, build(path)


def pictures(height, width, count=3):
    """Smooth pictures of 8 bits."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (count, 6, 8, 3), dtype=np.uint8)
    size = (width, height)
    large = [np.asarray(Image.fromarray(a).resize(size, Image.BICUBIC)) for a in coarse]
    return torch.tensor(np.stack(large)).float() / 255


@pytest.fixture(scope="module")
def images():
    return pictures(SIZE, SIZE)


def load(path, tokenizer=None, half=False, **settings):
    files = Files(
        tokenizers={"clip": tokenizer} if tokenizer else {},
        supports=lambda dtype: half or dtype == torch.float32,
    )
    return REWARDS["object_count_owl"](checkpoint=str(path), **settings).load(files)


def image_processor(size=SIZE):
    return transformers.Owlv2ImageProcessor(size={"height": size, "width": size})


def bytes_of(images):
    return list((images * 255).round().byte().numpy())


def oracle(path, model, images, labels):
    """Processor, model and post-processing as their users call them -> scores and boxes."""
    # As OWLv2's own folder has it: texts are padded with "!" to their full length.
    tokenizer = transformers.CLIPTokenizer.from_pretrained(path, pad_token="!", model_max_length=24)
    processor = transformers.Owlv2Processor(image_processor(), tokenizer)
    asked = [[f"a photo of a {label}" for label in labels]] * len(images)
    inputs = processor(text=asked, images=bytes_of(images), return_tensors="pt")
    assert inputs["input_ids"].shape[1] == 24 and (inputs["input_ids"] == 0).any()
    with torch.no_grad():
        found = model(**inputs)
    done = processor.post_process_grounded_object_detection(found, threshold=0.0)
    best = torch.stack([row["scores"] for row in done])
    label = torch.stack([row["labels"] for row in done])
    return found.logits.sigmoid(), found.pred_boxes, best, label


def test_detections_equal_transformers(owl, images):
    path, model = owl
    scorer = load(path)
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    wanted, boxes, best, label = oracle(path, model, images, LABELS)
    scores, found = scorer.detector.find(images, LABELS)
    assert scores.shape == (3, 64, 2)
    torch.testing.assert_close(scores, wanted, rtol=0, atol=2e-5)
    torch.testing.assert_close(found, boxes, rtol=0, atol=2e-5)
    torch.testing.assert_close(scores.max(-1).values, best, rtol=0, atol=2e-5)
    assert torch.equal(scores.argmax(-1), label) and label.float().mean() not in (0.0, 1.0)
    assert wanted.std(0).mean() > 0.02 and (wanted[..., 0] - wanted[..., 1]).abs().mean() > 0.02


def test_score_equals_plain_loops_over_transformers(owl, images):
    path, model = owl
    scorer = load(path)
    found, boxes, _, _ = oracle(path, model, images, LABELS)
    wanted = []
    for row in zip(found.tolist(), boxes.tolist(), strict=True):
        (cats, soft_cats), (dogs, soft_dogs) = naive_counts(*row, scorer.rule)
        smooth = (4 - soft_cats) ** 2 + (1 - soft_dogs) ** 2
        wanted.append(-((4 - cats) ** 2) - (1 - dogs) ** 2 - 0.25 * smooth / (1 + smooth))
    scores = scorer.score(images, [PROMPT] * 3)
    torch.testing.assert_close(scores, torch.tensor(wanted), rtol=1e-4, atol=1e-4)
    assert scores.dtype == torch.float32 and scores.unique().numel() == 3


def test_thresholds_are_its_own():
    settings = REWARDS["object_count_owl"]()
    assert (settings.floor, settings.sure) == (0.15, 0.25)
    assert settings.rule().sure < REWARDS["object_count"]().rule().sure


def test_batch_equals_one_by_one(owl, images):
    scorer = load(owl[0], score="soft")
    more = torch.cat([images, images.flip(2)])
    prompts = [PROMPT, "two dogs", PROMPT, "a dog and 3 cats", PROMPT, PROMPT]
    together = scorer.score(more, prompts)
    alone = [scorer.score(more[i : i + 1], prompts[i : i + 1]) for i in range(6)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)
    assert torch.equal(together, scorer.score(more, prompts))
    assert together.unique().numel() == 6
    assert set(scorer.detector.texts.kept) == {"red cat", "dog", "cat"}


def test_half_precision_is_close(owl, images):
    half, full = load(owl[0], half=True), load(owl[0])
    assert half.module.layer_norm.weight.dtype == torch.float16
    one, other = (scorer.detector.find(images, LABELS) for scorer in (half, full))
    assert one[0].dtype == one[1].dtype == torch.float32
    torch.testing.assert_close(one[0], other[0], rtol=0, atol=0.01)
    torch.testing.assert_close(one[1], other[1], rtol=0, atol=0.01)


@pytest.mark.parametrize("shape", [(64, 64), (40, 40), (24, 60), (60, 33), (96, 96), (128, 80)])
def test_pixels_equal_the_processor(shape):
    """The square is made here: transformers before 5 pads with grey, where training had black."""
    images = pictures(*shape, count=1)
    square = torch.zeros(1, max(shape), max(shape), 3)
    square[:, : shape[0], : shape[1]] = images
    wanted = image_processor()(bytes_of(square), return_tensors="pt")["pixel_values"]
    got = owl_pixels(images, SIZE)
    assert got.shape == wanted.shape
    levels = (got - wanted).abs() * 255 * 0.27
    # Enlarging is the same; reducing, the processor blurs first, and interpolates without.
    limit = (0.05, 3) if max(shape) <= SIZE else (1.5, 30)
    assert levels.mean() < limit[0] and levels.max() < limit[1]


def test_fine_detail_is_averaged_when_reduced():
    noise = torch.rand(1, 256, 256, 3, generator=torch.Generator().manual_seed(0))
    wanted = image_processor()(bytes_of(noise), return_tensors="pt")["pixel_values"]
    levels = (owl_pixels(noise, SIZE) - wanted).abs() * 255 * 0.27
    assert levels.mean() < 6  # 24 by interpolation alone


@pytest.mark.skipif(transformers.__version__ < "5", reason="pads with grey")
def test_the_processor_pads_with_black_too():
    images = pictures(24, 60, count=1)
    wanted = image_processor()(bytes_of(images), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(owl_pixels(images, SIZE), wanted, rtol=0, atol=1e-3)


def test_tokenizer_of_the_host_will_do(owl, images, tmp_path):
    """Its texts are padded with the end of text, not with "!": none is padded here."""
    for name in ("config.json", "model.safetensors"):
        shutil.copy(owl[0] / name, tmp_path)
    with pytest.raises(ValueError, match="has no tokenizer: .*https://"):
        load(tmp_path)
    ours = load(tmp_path, tokenizer=owl[0]).score(images, [PROMPT] * 3)
    assert torch.equal(ours, load(owl[0]).score(images, [PROMPT] * 3))


def test_check(owl, caplog):
    scorer = load(owl[0])
    scorer.check(PROMPT)
    assert "first" not in caplog.text
    scorer.check("two dromedaries in pyjamas, three hippopotamus babies")
    assert 'only the first 24 tokens of "a photo of a hippopotamus baby"' in caplog.text
    with pytest.raises(ValueError, match="Cannot read counts"):
        scorer.check("dogs")


def test_wrong_checkpoints_say_what_they_are(owl, tmp_path):
    def refusal(path):
        with pytest.raises(ValueError) as error:
            load(path)
        assert "\n" not in str(error.value) and "a folder of OWLv2" in str(error.value)
        return str(error.value)

    assert is_owl(peek(owl[0])) and not is_owl(peek(owl[0] / "model.safetensors"))
    assert "does not exist" in refusal(tmp_path / "missing")
    assert "looks like OWLv2:" in refusal(owl[0] / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "owlvit"}))
    assert 'of type "owlvit"' in refusal(tmp_path)
    shutil.copy(owl[0] / "config.json", tmp_path)
    assert "has no readable weights" in refusal(tmp_path)
