"""Likeness to a reference picture against transformers' hidden states."""

import logging
import shutil

import pytest
import torch
from pack.rewards import REWARDS, Files
from pack.rewards.files.weights import peek
from safetensors.torch import load_file, save_file

from .test_clip import build, processed
from .tiny_clip import PROMPTS, open_clip_state, pictures, save, shown

transformers = pytest.importorskip("transformers")

REFERENCES = pictures(40, 32, seed=9)[:2]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip")
    return path, build(path)


def load(path, mode="gram", reference=REFERENCES[:1], **settings):
    reference = shown(reference) if reference is not None else None
    reward = REWARDS["clip_reference"](str(path), mode, reference, **settings)
    return reward.load(Files())


def gram(model, images):
    with torch.no_grad():
        seen = model.vision_model(pixel_values=processed(images), output_hidden_states=True)
    tokens = seen.hidden_states[2][:, 1:]
    return torch.einsum("bnc,bnd->bcd", tokens, tokens)


def embedding(model, images):
    with torch.no_grad():
        seen = model.get_image_features(pixel_values=processed(images))
    seen = getattr(seen, "pooler_output", seen)
    return seen / seen.norm(dim=-1, keepdim=True)


def oracle(model, mode, images, reference):
    if mode == "cosine":
        return embedding(model, images) @ embedding(model, reference)[0]
    difference = gram(model, images) - gram(model, reference)
    return -(difference**2).sum((1, 2)).sqrt() / 100


@pytest.mark.parametrize("mode", ["gram", "cosine"])
def test_equals_transformers(clip, mode):
    path, model = clip
    images = pictures(40, 32)
    first, second = (oracle(model, mode, images, REFERENCES[i : i + 1]) for i in range(2))
    scores = load(path, mode).score(shown(images), PROMPTS)
    torch.testing.assert_close(scores, first, rtol=1e-5, atol=1e-5)
    assert first.std() > 0.01 * first.abs().max()
    both = load(path, mode, REFERENCES).score(shown(images), PROMPTS)
    torch.testing.assert_close(both, (first + second) / 2, rtol=1e-5, atol=1e-5)


def test_gram_is_of_the_second_layer_and_keeps_no_more(clip):
    scorer = load(clip[0])
    assert len(scorer.module.vision_model.encoder.layers) == 2
    assert len(load(clip[0], "cosine").module.vision_model.encoder.layers) == 3


@pytest.mark.parametrize("mode", ["gram", "cosine"])
def test_the_reference_itself_is_best(clip, mode):
    """Prepared alike on both sides, so at most rounding apart, whatever its size."""
    scorer = load(clip[0], mode, pictures(50, 70, seed=9)[:1])
    images = torch.cat((shown(pictures(50, 70, seed=9)[:1]), shown(pictures(50, 70))))
    scores = scorer.score(images, [""] * 4)
    assert scores[0] == pytest.approx(0.0 if mode == "gram" else 1.0, abs=1e-5)
    assert (scores[1:] < scores[0] - 0.01).all()


def test_gram_does_not_care_where_things_are(clip):
    """Patches trade places in a network without positions: the matrix is a sum over them."""
    scorer = load(clip[0])
    scorer.module.vision_model.embeddings.position_embedding.weight.zero_()
    images = shown(pictures(32, 32))
    moved = images.roll(8, dims=1)
    scores = (scorer.score(x, PROMPTS) for x in (images, moved))
    torch.testing.assert_close(*scores, rtol=1e-4, atol=1e-4)


def test_gradient_at_the_reference_is_finite(clip):
    images = shown(REFERENCES[:1]).requires_grad_()
    load(clip[0]).score(images, [""]).sum().backward()
    assert torch.isfinite(images.grad).all()


def test_references(clip):
    for reference, wrong in [
        (None, "`reference` is not connected: got nothing, expected an image"),
        (REFERENCES[:0], "`reference` cannot be used: got 0 images, expected at least one"),
        (REFERENCES[0], r"got \(40, 32, 3\), expected \(batch, height, width, 3\)"),
    ]:
        with pytest.raises(ValueError, match=wrong):
            load(clip[0], reference=reference)
    bad = shown(REFERENCES[:1])
    bad[0, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="got 1 images, expected .* only finite pixels"):
        REWARDS["clip_reference"](str(clip[0]), "gram", bad).load(Files())
    see_through = torch.cat((shown(REFERENCES[:1]), torch.rand(1, 40, 32, 1)), dim=-1)
    scorer = REWARDS["clip_reference"](str(clip[0]), "gram", see_through).load(Files())
    images = shown(pictures(40, 32))
    assert torch.equal(scorer.score(images, PROMPTS), load(clip[0]).score(images, PROMPTS))


def test_declared_for_a_wire(clip):
    fields = REWARDS["clip_reference"].__dataclass_fields__
    assert fields["reference"].metadata["socket"] == "image"
    assert isinstance(fields["reference"].type, str)  # a union has no __name__
    assert fields["checkpoint"].metadata["checkpoint"](peek(clip[0]))


def test_activation(tmp_path):
    file = save(open_clip_state(), tmp_path / "open_clip.safetensors")
    images = shown(pictures(40, 32))
    auto, gelu, quick = (
        load(file, "cosine", activation=act).score(images, PROMPTS)
        for act in ("auto", "gelu", "quick_gelu")
    )
    assert torch.equal(auto, gelu) and not torch.allclose(gelu, quick, atol=1e-4)


@pytest.mark.skipif(transformers.__version__ < "5", reason="transformers 4 tells it as info alone")
def test_a_strange_tensor_is_told(clip, tmp_path, caplog, monkeypatch):
    """Only what is known to belong to the other half is passed over in silence."""
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    shutil.copytree(clip[0], tmp_path, dirs_exist_ok=True)
    load(tmp_path)
    assert not caplog.text
    state = load_file(tmp_path / "model.safetensors")
    save_file(state | {"strange": torch.zeros(1)}, tmp_path / "model.safetensors", {"format": "pt"})
    load(tmp_path)
    assert "strange" in caplog.text and "text_" not in caplog.text
