"""The CLIP score against transformers' own model and processor, and against open_clip's."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS, Files, Scorer
from pack.rewards.files.weights import peek
from pack.rewards.likeness.clip_config import infer_config
from pack.rewards.likeness.clip_pixels import clip_pixels
from pack.rewards.likeness.open_clip import from_open_clip
from PIL import Image

from .tiny_clip import PROMPTS, WORDS, open_clip_state, pictures, renamed, save, write_tokenizer
from .tiny_clip import shown as floats

transformers = pytest.importorskip("transformers")

FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "clip.json").read_text())


def build(path, act="quick_gelu", dim=48, tokenizer=True):
    """Write a tiny CLIP folder to ``path`` -> the model."""
    config = transformers.CLIPConfig(
        text_config={
            "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
            "num_attention_heads": 1, "vocab_size": len(WORDS), "max_position_embeddings": 20,
            "bos_token_id": len(WORDS) - 2, "eos_token_id": len(WORDS) - 1,
            "pad_token_id": len(WORDS) - 1, "hidden_act": act,
        },
        vision_config={
            "hidden_size": 128, "intermediate_size": 160, "num_hidden_layers": 3,
            "num_attention_heads": 2, "image_size": 32, "patch_size": 8, "hidden_act": act,
        },
        projection_dim=dim,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.CLIPModel(config).eval()
    for weights in model.parameters():
        # The default start is so small that every activation looks linear.
        if weights.ndim > 1:
            weights.data.normal_(0, 0.3)
    model.save_pretrained(path)
    if tokenizer:
        write_tokenizer(path)
    return model


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip")
    return path, build(path)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (3, 12, 16, 3), dtype=np.uint8)
    large = [np.asarray(Image.fromarray(a).resize((96, 72), Image.BICUBIC)) for a in coarse]
    return torch.tensor(np.stack(large)).float() / 255


def oracle(path, model, images, prompts, scaled=False):
    """CLIPProcessor and CLIPModel, as their users call them."""
    tokenizer = transformers.CLIPTokenizer.from_pretrained(path)
    shown = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    processor = transformers.CLIPProcessor(image_processor=shown, tokenizer=tokenizer)
    inputs = processor(
        text=prompts, images=list((255 * images).round().to(torch.uint8).numpy()),
        return_tensors="pt", padding=True, truncation=True, max_length=20,
    )  # fmt: skip
    with torch.no_grad():
        logits = model(**inputs).logits_per_image.diagonal()
    return logits if scaled else logits / model.logit_scale.exp().item()


def processed(images):
    """8-bit pictures (B, H, W, 3) -> pixels, by transformers."""
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    return processor(list(images), return_tensors="pt")["pixel_values"]


def load(path, tokenizer=None, **settings):
    files = Files(tokenizers={"clip": tokenizer} if tokenizer else {})
    return REWARDS["clip_score"](checkpoint=str(path), **settings).load(files)


@pytest.mark.parametrize("scale", ["cosine", "logit_scale"])
def test_folder_equals_transformers(clip, images, scale):
    path, model = clip
    scorer = load(path, scale=scale)
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    images = images[:, :32, :41]  # a resize would be in 8 bits: `test_pixels_equal_the_processor`
    scores = scorer.score(images, PROMPTS)
    wanted = oracle(path, model, images, PROMPTS, scale == "logit_scale")
    assert scores.dtype == torch.float32 and scores.shape == (3,)
    torch.testing.assert_close(scores, wanted, rtol=1e-5, atol=1e-5)
    assert wanted.std() > 0.05 * wanted.abs().max()


@pytest.mark.parametrize("wrap", ["plain", "prefix", "pt"])
def test_single_file_equals_the_folder(clip, images, tmp_path, wrap):
    from safetensors.torch import load_file, save_file

    path, _ = clip
    state = load_file(path / "model.safetensors")
    if wrap == "pt":
        file = tmp_path / "tiny.pt"
        torch.save({"state_dict": state}, file)
    else:
        file = tmp_path / "tiny.safetensors"
        save_file({("clip." if wrap == "prefix" else "") + k: v for k, v in state.items()}, file)
    scorer = load(file, tokenizer=path)
    wanted = load(path).score(images, PROMPTS)
    torch.testing.assert_close(scorer.score(images, PROMPTS), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("activation", ["auto", "gelu", "quick_gelu"])
@pytest.mark.parametrize("name", ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"])
def test_open_clip_file_equals_open_clip(tmp_path, name, activation):
    """auto is gelu: few files in this layout are OpenAI's."""
    file = save(open_clip_state(), tmp_path / name)
    assert (
        REWARDS["clip_score"].__dataclass_fields__["checkpoint"].metadata["checkpoint"](peek(file))
    )
    scores = load(file, activation=activation).score(floats(pictures(40, 32)), PROMPTS)
    wanted = FIXTURE["open_clip"]["gelu" if activation == "auto" else activation]
    assert scores.tolist() == pytest.approx(wanted, abs=2e-6)
    other = FIXTURE["open_clip"]["gelu" if activation == "quick_gelu" else "quick_gelu"]
    assert scores.tolist() != pytest.approx(other, abs=2e-4)


@pytest.mark.parametrize(
    ("told", "activation"), [({"quick_gelu": True}, "quick_gelu"), ({}, "gelu")]
)
def test_open_clip_configuration_beside_the_file(tmp_path, told, activation):
    file = save(open_clip_state(), tmp_path / "open_clip_model.safetensors")
    told = {"model_cfg": {"embed_dim": 48} | told}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(told))
    scores = load(file).score(floats(pictures(40, 32)), PROMPTS)
    assert scores.tolist() == pytest.approx(FIXTURE["open_clip"][activation], abs=2e-6)


def test_open_clip_names():
    """Every tensor, none twice, none transposed by mistake; what CLIPModel has not is left out."""
    state, wanted = open_clip_state(), renamed(open_clip_state())
    extra = {"attn_mask": torch.zeros(2), "visual.trunk.x": torch.zeros(2)}
    found = from_open_clip(state | extra)
    assert found.keys() == wanted.keys()
    for key, value in found.items():
        assert torch.equal(value, wanted[key]) and value.is_contiguous(), key


def test_open_clip_file_that_lacks_a_tensor(tmp_path):
    for key, wrong in [
        ("ln_final.bias", "lacks 1 tensors, text_model.final_layer_norm.bias"),
        ("visual.positional_embedding", "lacks the tensor vision_model.embeddings.position_emb"),
    ]:
        state = {k: v for k, v in open_clip_state().items() if k != key}
        with pytest.raises(ValueError, match=wrong):
            load(save(state, tmp_path / "part.safetensors"))
    state = open_clip_state() | {"visual.ln_pre.weight": torch.ones(3)}
    with pytest.raises(ValueError, match=r"cannot be loaded \(RuntimeError\): expected a CLIP"):
        load(save(state, tmp_path / "odd.safetensors"))


def test_activation(images, tmp_path):
    model = build(tmp_path, "gelu")
    file = tmp_path / "model.safetensors"
    auto, quick, gelu = (
        load(file, activation=act).score(images, PROMPTS) for act in ("auto", "quick_gelu", "gelu")
    )
    folder = load(tmp_path).score(images, PROMPTS)
    forced = load(tmp_path, activation="quick_gelu").score(images, PROMPTS)
    for same in ((auto, quick), (gelu, folder), (quick, forced)):
        torch.testing.assert_close(*same, rtol=0, atol=1e-6)
    assert not torch.allclose(quick, gelu, atol=1e-3)
    assert model.config.text_config.hidden_act == "gelu"


def test_auto_is_gelu_from_1024_channels(tmp_path):
    build(tmp_path, "gelu", dim=1024)
    module = load(tmp_path / "model.safetensors").module
    assert module.config.vision_config.hidden_act == module.config.text_config.hidden_act == "gelu"


@pytest.mark.parametrize(
    ("name", "vision", "text"),
    [
        ("B/32", (768, 12, 32, 50, 3072, 12, 224), (512, 8)),
        ("L/14-336", (1024, 24, 14, 577, 4096, 16, 336), (768, 12)),
        ("H/14", (1280, 32, 14, 257, 5120, 16, 224), (1024, 16)),
        ("bigG/14", (1664, 48, 14, 257, 8192, 16, 224), (1280, 20)),
    ],
)
def test_configuration_of_the_known_sizes(name, vision, text):
    width, layers, patch, positions, inner, heads, size = vision
    empty = {f"vision_model.encoder.layers.{i}.x": torch.empty(0) for i in range(layers)}
    empty |= {f"text_model.encoder.layers.{i}.x": torch.empty(0) for i in range(12)}
    shapes = {
        "vision_model.embeddings.patch_embedding.weight": (width, 3, patch, patch),
        "vision_model.embeddings.position_embedding.weight": (positions, width),
        "vision_model.encoder.layers.0.mlp.fc1.weight": (inner, width),
        "text_model.embeddings.token_embedding.weight": (49408, text[0]),
        "text_model.embeddings.position_embedding.weight": (77, text[0]),
        "text_model.encoder.layers.0.mlp.fc1.weight": (4 * text[0], text[0]),
        "visual_projection.weight": (512, width),
    }
    state = empty | {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
    config = infer_config(state)
    seen, read = config["vision_config"], config["text_config"]
    assert (seen["num_hidden_layers"], seen["num_attention_heads"]) == (layers, heads)
    assert (seen["image_size"], seen["intermediate_size"]) == (size, inner)
    assert (read["num_attention_heads"], read["eos_token_id"]) == (text[1], 49407)


@pytest.mark.parametrize(
    "shape", [(96, 72), (31, 40), (224, 224), (513, 300), (300, 514), (224, 227)]
)
def test_pixels_equal_the_processor(shape):
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    image = np.array(Image.fromarray(coarse).resize(shape, Image.BICUBIC))
    wanted = transformers.CLIPImageProcessor()(image, return_tensors="pt")["pixel_values"]
    got = clip_pixels(torch.tensor(image)[None].float() / 255)
    assert got.shape == wanted.shape
    levels = (got - wanted).abs() * 255 * 0.27
    assert levels.mean() < 0.5 and levels.max() < 3


def test_check(clip, caplog):
    scorer = load(clip[0])
    scorer.check("a cat")
    assert not caplog.records
    scorer.check("a very long sentence about cats and dogs")
    assert "first 20 tokens" in caplog.text
    with pytest.raises(ValueError, match="needs a prompt"):
        scorer.check("  ")


def test_wrong_checkpoints_say_what_they_are(clip, tmp_path):
    from safetensors.torch import save_file

    def refusal(path):
        with pytest.raises(ValueError) as error:
            load(path)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "does not exist" in refusal(tmp_path / "missing.safetensors")
    assert "no config.json" in refusal(tmp_path)
    for key, kind in [
        ("visual.conv1.weight", "CLIP in open_clip layout"),
        ("text_model.embeddings.token_embedding.weight", "a CLIP text encoder alone"),
        ("some.weight", "something else (first key some.weight)"),
    ]:
        save_file({key: torch.zeros(2)}, tmp_path / "wrong.safetensors")
        assert kind in refusal(tmp_path / "wrong.safetensors")
    (tmp_path / "wrong.safetensors").write_bytes(b"<html>not found</html>")
    assert "cannot be read as weights" in refusal(tmp_path / "wrong.safetensors")
    (tmp_path / "wrong.safetensors").unlink()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "siglip"}))
    assert 'of type "siglip"' in refusal(tmp_path)
    (tmp_path / "config.json").write_text((clip[0] / "config.json").read_text())
    assert "has no readable weights" in refusal(tmp_path)


def test_missing_tensors_and_tokenizer(clip, images, tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(clip[0] / "model.safetensors")
    save_file(state, tmp_path / "whole.safetensors")
    with pytest.raises(ValueError, match="has no tokenizer: .*https://"):
        load(tmp_path / "whole.safetensors")
    other = {"version": "1.0", "model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(other))
    with pytest.raises(ValueError, match="has no tokenizer: .*https://"):
        load(tmp_path / "whole.safetensors")
    given = load(tmp_path / "whole.safetensors", tokenizer=clip[0])
    assert torch.equal(given.score(images, PROMPTS), load(clip[0]).score(images, PROMPTS))
    del state["vision_model.post_layernorm.weight"]
    save_file(state, tmp_path / "part.safetensors")
    with pytest.raises(ValueError, match="lacks 1 tensors, vision_model.post_layernorm.weight"):
        load(tmp_path / "part.safetensors")
