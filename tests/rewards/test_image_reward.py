"""ImageReward against its authors' package, on tiny random weights in the published layout.

fixtures/image_reward.json holds what the package scores; fixtures/make_image_reward.py made it.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS, Scorer
from pack.rewards.files.weights import peek
from pack.rewards.preference.image_reward_checkpoint import (
    is_image_reward,
    text_config,
    vision_config,
)
from PIL import Image

FIXTURE = Path(__file__).parent / "fixtures" / "image_reward.json"
PROMPTS = ["A red cat", "two blue dogs, running by a river, far away", "a red cat!"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.!"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{c}" for c in LETTERS)]
SIZE, PATCH, PLACES = 32, 8, 40
SEEN = {"width": 192, "inner": 160, "layers": 2}
READ = {"width": 128, "inner": 96, "layers": 3}


def shapes() -> dict[str, tuple[int, ...]]:
    """Keys and shapes of ImageReward.pt, but smaller."""
    vision, text = "blip.visual_encoder.", "blip.text_encoder."
    wide, width = SEEN["width"], READ["width"]
    found = {
        f"{vision}cls_token": (1, 1, wide),
        f"{vision}pos_embed": (1, (SIZE // PATCH) ** 2 + 1, wide),
        f"{text}embeddings.word_embeddings.weight": (len(VOCABULARY) + 2, width),
        f"{text}embeddings.position_embeddings.weight": (PLACES, width),
        f"{vision}patch_embed.proj.weight": (wide, 3, PATCH, PATCH),
        f"{vision}patch_embed.proj.bias": (wide,),
    }

    def linear(name: str, out: int, width: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (out, width), (out,)

    def norm(name: str, width: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = (width,), (width,)

    for i in range(SEEN["layers"]):
        for name, out, width_in in (
            ("attn.qkv", 3 * wide, wide), ("attn.proj", wide, wide),
            ("mlp.fc1", SEEN["inner"], wide), ("mlp.fc2", wide, SEEN["inner"]),
        ):  # fmt: skip
            linear(f"{vision}blocks.{i}.{name}", out, width_in)
        for name in ("norm1", "norm2"):
            norm(f"{vision}blocks.{i}.{name}", wide)
    norm(f"{vision}norm", wide)
    norm(f"{text}embeddings.LayerNorm", width)
    for i in range(READ["layers"]):
        layer = f"{text}encoder.layer.{i}"
        for kind, source in (("attention", width), ("crossattention", wide)):
            linear(f"{layer}.{kind}.self.query", width, width)
            linear(f"{layer}.{kind}.self.key", width, source)
            linear(f"{layer}.{kind}.self.value", width, source)
            linear(f"{layer}.{kind}.output.dense", width, width)
            norm(f"{layer}.{kind}.output.LayerNorm", width)
        linear(f"{layer}.intermediate.dense", READ["inner"], width)
        linear(f"{layer}.output.dense", width, READ["inner"])
        norm(f"{layer}.output.LayerNorm", width)
    linear("blip.vision_proj", 16, wide)
    linear("blip.text_proj", 16, width)
    sizes = (width, 1024, 128, 64, 16, 1)
    for place, (width_in, out) in zip(
        (0, 2, 4, 6, 7), zip(sizes, sizes[1:], strict=False), strict=True
    ):
        linear(f"mlp.layers.{place}", out, width_in)
    return found


def published(seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict in the layout of ImageReward.pt, each layer giving about what it takes."""
    rng = np.random.default_rng(seed)
    state = {}
    for key, shape in sorted(shapes().items()):
        values = torch.tensor(rng.standard_normal(shape), dtype=torch.float32)
        if key.endswith("weight") and len(shape) == 1:
            state[key] = 1 + 0.2 * values
        elif len(shape) > 1 and "embed" not in key:
            state[key] = values * float(np.prod(shape[1:])) ** -0.5
        else:
            state[key] = 0.2 * values
    state["blip.text_encoder.embeddings.position_ids"] = torch.arange(PLACES)[None]
    return state


def build(path: Path, name: str = "ImageReward.pt") -> Path:
    """Write tiny weights, and the vocab.txt beside them, to the folder ``path`` -> the weights."""
    path.mkdir(parents=True, exist_ok=True)
    if name.endswith(".safetensors"):
        from safetensors.torch import save_file

        save_file(published(), path / name)
    else:
        torch.save(published(), path / name)
    (path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    return path / name


def pictures() -> list[Image.Image]:
    """One of the model's size, one larger and wide, one larger and tall."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (3, 9, 7, 3), dtype=np.uint8)
    sizes = ((SIZE, SIZE), (97, 64), (50, 71))
    shown = (
        Image.fromarray(a).resize(s, Image.BICUBIC) for a, s in zip(coarse, sizes, strict=True)
    )
    return list(shown)


def tensor(picture: Image.Image) -> torch.Tensor:
    return torch.tensor(np.array(picture))[None].float() / 255


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    pytest.importorskip("transformers")
    return build(tmp_path_factory.mktemp("image_reward"))


@pytest.fixture(scope="module")
def images():
    return torch.cat([tensor(picture.resize((40, 36), Image.BICUBIC)) for picture in pictures()])


def load(path):
    return REWARDS["image_reward"](checkpoint=str(path)).load()


def test_equals_the_package(file, caplog):
    scorer = load(file)
    assert "UNEXPECTED" not in caplog.text and "were not used" not in caplog.text
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    wanted = torch.tensor(json.loads(FIXTURE.read_text())["scores"])
    scores = torch.stack(
        [torch.cat([scorer.score(tensor(p), [prompt]) for p in pictures()]) for prompt in PROMPTS]
    )
    assert scores.dtype == torch.float32 and scores.shape == wanted.shape == (3, 3)
    # Of the model's size nothing is resized; the other pictures the package rounds to 8 bit.
    torch.testing.assert_close(scores[:, 0], wanted[:, 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(scores, wanted, rtol=0, atol=0.03)
    assert wanted.std(0).min() > 0.1 and wanted.std(1).min() > 0.1


def test_the_padding_is_not_read(file, images):
    scorer = load(file)
    wanted = scorer.score(images, PROMPTS)
    scorer.tokenizer.enable_padding(length=PLACES)
    scorer.tokens.kept.clear()
    torch.testing.assert_close(scorer.score(images, PROMPTS), wanted, rtol=0, atol=1e-5)


def test_tokens_equal_transformers(file):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertTokenizer.from_pretrained(file.parent, local_files_only=True)
    scorer = load(file)
    for prompt in (*PROMPTS, "Ünïcode  čat!", "a " * 50):
        wanted = theirs(prompt, padding="max_length", truncation=True, max_length=35)
        ids, mask = scorer._tokens(prompt).tolist()
        assert ids == wanted["input_ids"] and mask == wanted["attention_mask"]


@pytest.mark.parametrize("name", ["a.safetensors", "wrapped.pt", "prefixed.pt", "folder"])
def test_other_layouts(file, images, tmp_path, name):
    if name == "folder":
        build(tmp_path, "model.safetensors")
        (tmp_path / "config.json").write_text("{}")
        path = tmp_path
    else:
        path = build(tmp_path, name)
        state = torch.load(file, weights_only=True)
        if name == "wrapped.pt":
            torch.save({"state_dict": state}, path)
        if name == "prefixed.pt":
            torch.save({f"module.{key}": value for key, value in state.items()}, path)
    assert is_image_reward(peek(path))
    wanted = load(file).score(images, PROMPTS)
    torch.testing.assert_close(load(path).score(images, PROMPTS), wanted, rtol=0, atol=1e-6)


def test_configuration_of_the_published_size(file):
    vision, text = "blip.visual_encoder.", "blip.text_encoder."
    sizes = {
        f"{vision}patch_embed.proj.weight": (1024, 3, 16, 16),
        f"{vision}pos_embed": (1, 197, 1024),
        f"{vision}blocks.0.mlp.fc1.weight": (4096, 1024),
        f"{text}embeddings.word_embeddings.weight": (30524, 768),
        f"{text}embeddings.position_embeddings.weight": (512, 768),
        f"{text}encoder.layer.0.intermediate.dense.weight": (3072, 768),
    }
    sizes |= {f"{vision}blocks.{i}.x": () for i in range(24)}
    sizes |= {f"{text}encoder.layer.{i}.x": () for i in range(12)}
    state = {key: torch.empty(shape, device="meta") for key, shape in sizes.items()}
    seen, read = vision_config(state), text_config(state)
    assert (seen.image_size, seen.num_attention_heads, seen.num_hidden_layers) == (224, 16, 24)
    assert (read.num_attention_heads, read.num_hidden_layers) == (12, 12)
    assert (read.encoder_hidden_size, read.max_position_embeddings) == (1024, 512)


def test_half_precision_keeps_the_head(file, images):
    whole, half = load(file), load(file)
    for tower in (half.module.vision, half.module.text):
        tower.bfloat16()
    assert {weights.dtype for weights in half.module.head.parameters()} == {torch.float32}
    scores = half.score(images, PROMPTS)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, whole.score(images, PROMPTS), rtol=0, atol=0.2)


def test_check(file, caplog):
    scorer = load(file)
    scorer.check("a cat")
    assert not caplog.records
    scorer.check("a " * 40)
    assert "first 33 tokens" in caplog.text
    with pytest.raises(ValueError, match="needs a prompt"):
        scorer.check(" ")


def test_a_missing_or_wrong_vocabulary_is_told(file, images, tmp_path):
    path = build(tmp_path)
    place = path.with_name("vocab.txt")
    place.write_text("\n".join(VOCABULARY[:-3]) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has 80 words where ImageReward has 83: .*google-bert/"):
        load(path)
    place.unlink()
    with pytest.raises(ValueError, match="has no vocab.txt: expected the vocab.txt of bert-base"):
        load(path)
    (tmp_path / "bert-base-uncased").mkdir()
    (tmp_path / "bert-base-uncased" / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    assert torch.equal(load(path).score(images, PROMPTS), load(file).score(images, PROMPTS))


def test_wrong_checkpoints_say_what_they_are(file, tmp_path):
    from safetensors.torch import save_file

    def refusal(path):
        with pytest.raises(ValueError) as error:
            load(path)
        assert "\n" not in str(error.value) and "zai-org/ImageReward" in str(error.value)
        return str(error.value)

    path = tmp_path / "wrong.safetensors"
    assert "does not exist" in refusal(path)
    save_file({"visual.conv1.weight": torch.zeros(2)}, path)
    assert "CLIP in open_clip layout" in refusal(path)
    path.write_bytes(b"<html>not found</html>")
    assert "cannot be read as weights" in refusal(path)
    path.unlink()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "blip"}))
    assert 'of type "blip"' in refusal(tmp_path)
    for lost in ("blip.visual_encoder.norm.bias", "blip.text_encoder.embeddings.LayerNorm.bias"):
        state = published()
        del state[lost]
        save_file(state, path)
        assert "lacks 1 tensors" in refusal(path)
