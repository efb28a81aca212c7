"""The SigLIP score against transformers' own model and processor, on tiny random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS, Scorer
from pack.rewards.files.weights import Peek, peek
from pack.rewards.likeness.siglip import siglip_pixels
from pack.rewards.likeness.siglip_checkpoint import (
    KEYS,
    LENGTH,
    PATCHES,
    PLACES,
    WORDS,
    infer_config,
    is_siglip,
    is_tower,
    load_tower,
    resampling,
)
from PIL import Image

from .tiny_siglip import LENGTHS, SIZE, build, gemma_tokenizer, read, save

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

PROMPTS = ["A red cat", "two blue dogs, running!", "A red cat"]


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    path = tmp_path_factory.mktemp("siglip")
    return path, build(path)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (3, 12, 16, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(a).resize((96, 72), Image.BICUBIC)) for a in coarse]
    return torch.tensor(np.stack(large)).float() / 255


def oracle(path, model, images, prompts):
    """SiglipProcessor and SiglipModel, as their users call them -> logits."""
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(path / "tokenizer.json"), pad_token="<pad>", padding_side="right",
        model_input_names=["input_ids"],
    )  # fmt: skip
    shown = transformers.SiglipImageProcessor.from_pretrained(path)
    processor = transformers.SiglipProcessor(image_processor=shown, tokenizer=tokenizer)
    inputs = processor(
        text=[prompt.lower() for prompt in prompts],
        images=list((images * 255).round().byte().numpy()),
        return_tensors="pt", padding="max_length", truncation=True, max_length=LENGTHS,
    )  # fmt: skip
    assert set(inputs) == {"input_ids", "pixel_values"}
    with torch.no_grad():
        return model(**inputs).logits_per_image.diagonal()


def load(path, **settings):
    return REWARDS["siglip_score"](checkpoint=str(path), **settings).load()


def test_folder_equals_transformers(siglip, images):
    path, model = siglip
    scorer = load(path)
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    scores, wanted = scorer.score(images, PROMPTS), oracle(path, model, images, PROMPTS)
    assert scores.dtype == torch.float32 and scores.shape == (3,)
    torch.testing.assert_close(scores, wanted, rtol=0, atol=0.1)
    same = images[:, :SIZE, :SIZE]  # nothing to resize
    exact = oracle(path, model, same, PROMPTS)
    torch.testing.assert_close(scorer.score(same, PROMPTS), exact, rtol=1e-5, atol=1e-5)
    assert wanted.std() > 0.05 * wanted.abs().max()


def test_scales_are_one_formula(siglip, images):
    path, model = siglip
    logit, probability, cosine = (
        load(path, scale=scale).score(images, PROMPTS)
        for scale in ("logit", "probability", "cosine")
    )
    assert cosine.abs().max() <= 1 and (probability > 0).all() and (probability < 1).all()
    torch.testing.assert_close(logit, cosine * np.exp(2.0) - 3.0, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(probability, 1 / (1 + (-logit).exp()), rtol=1e-5, atol=1e-6)
    assert torch.equal(logit.argsort(), probability.argsort())
    assert REWARDS["siglip_score"]().scale == "logit"


def test_direction(siglip, images):
    path, _ = siglip
    scorer = load(path, scale="cosine")
    wanted = scorer.texts(PROMPTS[0], scorer._text)
    found = scorer.module.get_image_features(pixel_values=siglip_pixels(images[:1], SIZE))
    seen = getattr(found, "pooler_output", found)[0]
    torch.testing.assert_close(
        scorer.score(images[:1], PROMPTS[:1])[0],
        (wanted @ seen) / wanted.norm() / seen.norm(), rtol=0.02, atol=0.01,
    )  # fmt: skip


@pytest.mark.parametrize("wrap", ["plain", "prefix", "pt"])
def test_single_file_equals_the_folder(siglip, images, tmp_path, wrap):
    path, _ = siglip
    state = read(path / "model.safetensors")
    if wrap == "pt":
        file = tmp_path / "tiny.pt"
        torch.save({"state_dict": state}, file)
    else:
        file = tmp_path / "tiny.safetensors"
        save({("model." if wrap == "prefix" else "") + k: v for k, v in state.items()}, file)
    gemma_tokenizer(tmp_path)
    scorer = load(file)
    assert is_siglip(peek(file)) and is_siglip(peek(path))
    # A tiny vocabulary is not Gemma's: a lone file of it is taken for SigLIP.
    assert scorer.mode == "bicubic" and load(path).mode == "bilinear"
    same = images[:, :SIZE, :SIZE]
    wanted = load(path).score(same, PROMPTS)
    torch.testing.assert_close(scorer.score(same, PROMPTS), wanted, rtol=0, atol=1e-6)


def test_resampling(tmp_path):
    assert resampling(tmp_path / "a.safetensors", 32_000) == "bicubic"
    assert resampling(tmp_path / "a.safetensors", 256_000) == "bilinear"
    for number, mode in ((2, "bilinear"), (3, "bicubic")):
        (tmp_path / "preprocessor_config.json").write_text(json.dumps({"resample": number}))
        assert resampling(tmp_path, 32_000) == resampling(tmp_path, 256_000) == mode


@pytest.mark.parametrize(
    ("vision", "text", "wanted"),
    [
        ((768, 12, 16, 196, 3072), (768, 32000, 64), (12, 224)),
        ((768, 12, 16, 1024, 3072), (768, 256000, 64), (12, 512)),
        ((1152, 27, 14, 729, 4304), (1152, 32000, 64), (16, 384)),
        ((1152, 27, 14, 256, 4304), (1152, 32000, 16), (16, 224)),
        ((1536, 40, 16, 576, 6144), (1152, 256000, 64), (16, 384)),
    ],
    ids=["base-224", "siglip2-base-512", "so400m-384", "so400m-224", "giant-384"],
)
def test_configuration_of_the_known_sizes(vision, text, wanted):
    width, layers, patch, patches, inner = vision
    shapes = {f"vision_model.encoder.layers.{i}.x": () for i in range(layers)}
    shapes |= {
        PATCHES: (width, 3, patch, patch),
        PLACES: (patches, width),
        "vision_model.encoder.layers.0.mlp.fc1.weight": (inner, width),
        WORDS: (text[1], text[0]),
        LENGTH: (text[2], text[0]),
        "text_model.encoder.layers.0.mlp.fc1.weight": (4 * text[0], text[0]),
        "text_model.head.weight": (width, text[0]),
    }
    state = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    config = infer_config(state)
    seen, asked = config["vision_config"], config["text_config"]
    assert (seen["num_attention_heads"], seen["image_size"]) == wanted
    assert (seen["num_hidden_layers"], seen["intermediate_size"]) == (layers, inner)
    assert (asked["max_position_embeddings"], asked["vocab_size"]) == (text[2], text[1])
    assert (asked["projection_size"], asked["hidden_size"]) == (width, text[0])


@pytest.mark.parametrize("resample", [2, 3])
@pytest.mark.parametrize("shape", [(96, 72), (31, 40), (32, 32), (513, 300)])
def test_pixels_equal_the_processor(shape, resample):
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    image = np.array(Image.fromarray(coarse).resize(shape, Image.BICUBIC))
    size = {"height": SIZE, "width": SIZE}
    processor = transformers.SiglipImageProcessor(size=size, resample=resample)
    wanted = processor(image, return_tensors="pt")["pixel_values"]
    mode = {2: "bilinear", 3: "bicubic"}[resample]
    got = siglip_pixels(torch.tensor(image)[None].float() / 255, SIZE, mode)
    assert got.shape == wanted.shape
    levels = (got - wanted).abs() * 255 / 2
    assert levels.mean() < 0.5 and levels.max() < 3


def test_siglip_of_the_first_kind_scores(images, tmp_path):
    build(tmp_path, new=False, resample=3)
    scorer = load(tmp_path)
    scores = scorer.score(images, PROMPTS)
    assert scorer.mode == "bicubic" and scores.unique().numel() == 3
    with pytest.raises(ValueError, match="needs a prompt"):
        scorer.check("?!")
    shouted = scorer.score(images, [prompt.upper() + "?!" for prompt in PROMPTS])
    assert torch.equal(scores, shouted)


def test_check(siglip, caplog):
    scorer = load(siglip[0])
    scorer.check("a" * (LENGTHS - 1))
    assert not caplog.records
    scorer.check("a" * LENGTHS)
    assert f"first {LENGTHS - 1} tokens" in caplog.text
    for prompt in ("", " \n"):
        with pytest.raises(ValueError, match="needs a prompt"):
            scorer.check(prompt)


def test_a_tokenizer_of_another_model_is_told(siglip, tmp_path):
    path, _ = siglip
    scorer = load(path)
    scorer.module.config.text_config.vocab_size = 7
    with pytest.raises(ValueError, match=r"SigLIP model: got token \d+, expected less than 7"):
        scorer.check("cat")
    save(read(path / "model.safetensors"), tmp_path / "alone.safetensors")
    with pytest.raises(ValueError, match="has no tokenizer: .*tokenizer.json"):
        load(tmp_path / "alone.safetensors")
    (tmp_path / "tokenizer.json").write_text(
        tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0}, unk_token="a")).to_str()
    )
    with pytest.raises(ValueError, match="lacks the tokens that end a text: .*of SigLIP"):
        load(tmp_path / "alone.safetensors")


def test_wrong_checkpoints_say_what_they_are(siglip, tmp_path):
    def refusal(path):
        with pytest.raises(ValueError) as error:
            load(path)
        assert "\n" not in str(error.value) and "google/siglip2-so400m" in str(error.value)
        return str(error.value)

    file = tmp_path / "wrong.safetensors"
    assert "does not exist" in refusal(file)
    state = read(siglip[0] / "model.safetensors")
    tower = {key: value for key, value in state.items() if key.startswith("vision_model.")}
    save(tower, file)
    assert "a SigLIP vision encoder alone" in refusal(file)
    assert not is_siglip(peek(file)) and is_tower(peek(file))
    save(state | {PATCHES: state[PATCHES].flatten(1)}, file)
    assert "NaFlex" in refusal(file) and not is_siglip(peek(file)) and not is_tower(peek(file))
    save({key: value for key, value in state.items() if "layers.1.mlp.fc2" not in key}, file)
    assert "lacks 4 tensors" in refusal(file)
    file.write_bytes(b"<html>not found</html>")
    assert "cannot be read as weights" in refusal(file)
    file.unlink()
    assert "has no config.json" in refusal(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "siglip2"}))
    assert "NaFlex" in refusal(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    assert 'of type "clip"' in refusal(tmp_path)
    (tmp_path / "config.json").write_text((siglip[0] / "config.json").read_text())
    assert "has no readable weights" in refusal(tmp_path)


PUBLISHED = {  # channels, pixels, patch, words: whether it is the tower of the aesthetic predictor
    "so400m-patch14-384": (1152, 384, 14, 32_000, True),
    "so400m-patch14-224": (1152, 224, 14, 32_000, False),
    "so400m-patch16-256-i18n": (1152, 256, 16, 250_000, False),
    "siglip2-so400m-patch14-384": (1152, 384, 14, 256_000, False),
    "base-patch16-224": (768, 224, 16, 32_000, False),
    "large-patch16-384": (1024, 384, 16, 32_000, False),
    "siglip2-giant-opt-patch16-384": (1536, 384, 16, 256_000, False),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_tower_of_the_aesthetic_predictor_is_told_from_others(name):
    width, pixels, patch, words, right = PUBLISHED[name]
    vision = {"hidden_size": width, "image_size": pixels, "patch_size": patch}
    config = {"model_type": "siglip", "text_config": {"vocab_size": words}}
    folder = Peek(Path("a"), config | {"vision_config": vision})
    assert is_siglip(folder) and is_tower(folder) == right
    shapes = dict.fromkeys(KEYS, (1,)) | {
        PATCHES: (width, 3, patch, patch), PLACES: ((pixels // patch) ** 2, width),
        WORDS: (words, width),
    }  # fmt: skip
    file = Peek(Path("a"), {}, shapes)
    assert is_siglip(file) and is_tower(file) == right
    alone = Peek(Path("a"), {"model_type": "siglip_vision_model"} | vision)
    assert is_tower(alone) == (right or "siglip2-so400m" in name)


def test_a_folder_that_leaves_sizes_out_has_those_of_base(tmp_path):
    vision = {"model_type": "siglip_vision_model"}
    config = {"model_type": "siglip", "vision_config": vision}
    assert not is_tower(Peek(Path("a"), config))
    assert is_tower(Peek(Path("a"), config | {"vision_config": {"hidden_size": "wide"}}))
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match='"siglip" of 768 channels and 196 patches: expected the'):
        load_tower(tmp_path)
