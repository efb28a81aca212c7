"""Temporal consistency against transformers' own tower and processor, on tiny random weights."""

import json

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS, Files, Scorer, reads_clips
from pack.rewards.files.weights import peek
from PIL import Image

transformers = pytest.importorskip("transformers")

SIZE = 32
VISION = {
    "hidden_size": 128, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 2,
    "image_size": SIZE, "patch_size": 8, "hidden_act": "quick_gelu", "projection_dim": 48,
}  # fmt: skip


def lively(model):
    """The default start is so small that every picture looks the same."""
    torch.manual_seed(0)
    for name, weights in model.named_parameters():
        if weights.ndim > 1 or "class_embedding" in name:
            weights.data.normal_(0, 0.3)
    return model.eval()


def build(path):
    """Write a tiny image tower of CLIP, a folder, to ``path`` -> the model."""
    config = transformers.CLIPVisionConfig(**VISION)
    model = lively(transformers.CLIPVisionModelWithProjection(config))
    model.save_pretrained(path)
    return model


def build_whole(path):
    """Write a tiny CLIP, both halves, to ``path`` -> the model."""
    text = {
        "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 1, "vocab_size": 40,
        "num_attention_heads": 1, "max_position_embeddings": 20,
    }  # fmt: skip
    config = transformers.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=48)
    model = lively(transformers.CLIPModel(config))
    model.save_pretrained(path)
    return model


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    path = tmp_path_factory.mktemp("tower")
    return path, build(path)


@pytest.fixture(scope="module")
def clips():
    """Three clips of 11 frames: one drifts away, one jumps and comes back, one stands still."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 5, 7, 3)).astype(np.float32)
    drifts = [a + (b - a) * t / 10 for t in range(11)]
    jumps = [b if t in (4, 6) else a for t in range(11)]
    frames = np.stack([drifts, jumps, [b] * 11])
    large = [
        [
            np.asarray(Image.fromarray(f.astype(np.uint8)).resize((41, SIZE), Image.BICUBIC))
            for f in c
        ]
        for c in frames
    ]
    return torch.tensor(np.array(large)).float() / 255


def load(path, **settings):
    return REWARDS["temporal_consistency"](checkpoint=str(path), **settings).load()


def score(scorer, clips):
    return scorer.score(clips, ["anything"] * len(clips))


def embeddings(model, frames):
    """CLIPImageProcessor and the tower, as their users call them, on pictures of 8 bit."""
    processor = transformers.CLIPImageProcessor(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
    )
    images = [Image.fromarray((f * 255).round().byte().numpy()) for f in frames]
    with torch.no_grad():
        pixels = processor(images=images, return_tensors="pt")["pixel_values"]
        if isinstance(model, transformers.CLIPModel):
            found = model.get_image_features(pixel_values=pixels)
            return getattr(found, "pooler_output", found).double().numpy()
        return model(pixel_values=pixels).image_embeds.double().numpy()


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def oracle(model, frames):
    """The definition, one frame after the other."""
    f = embeddings(model, frames)
    seen = [(cosine(f[0], f[t]) + cosine(f[t - 1], f[t])) / 2 for t in range(1, len(f))]
    return sum(seen) / len(seen)


@pytest.mark.parametrize(
    ("frames", "which"), [(0, range(11)), (3, (0, 5, 10)), (6, range(0, 11, 2))]
)
def test_it_is_the_definition(tower, clips, frames, which):
    path, model = tower
    scores = score(load(path, frames=frames), clips)
    assert scores.dtype == torch.float32
    wanted = [oracle(model, clip[list(which)]) for clip in clips]
    assert scores.tolist() == pytest.approx(wanted, abs=2e-5)
    assert wanted[0] < 0.9 and abs(wanted[0] - wanted[1]) > 0.01


def test_both_terms_count(tower, clips):
    """A clip and its reverse differ in what the first frame is, and in nothing else."""
    path, model = tower
    clip = clips[1][:6]  # a a a a b a
    turned = clip.flip(0)  # a b a a a a
    odd = torch.stack([clip[4], *clip[:4]])  # b a a a a
    cosines = cosine(*embeddings(model, clip[3:5]))
    scorer = load(path, frames=0)
    # Of 5 pairs with the first frame one differs, of 5 pairs of neighbours two.
    wanted = 1 - (1 - cosines) * (1 + 2) / 10
    assert score(scorer, torch.stack([clip, turned])).tolist() == pytest.approx(
        [wanted] * 2, abs=2e-5
    )
    # Of 4 pairs with the first frame all differ, of 4 pairs of neighbours one.
    wanted = 1 - (1 - cosines) * (4 + 1) / 8
    assert score(scorer, odd[None]).item() == pytest.approx(wanted, abs=2e-5)


def test_range_and_direction(tower, clips):
    scorer = load(tower[0])
    drifts, jumps, still = score(scorer, clips).tolist()
    assert still == pytest.approx(1.0, abs=1e-6) and max(drifts, jumps) < 0.95
    assert score(scorer, clips[:, 0]).tolist() == pytest.approx([1.0] * 3, abs=1e-6)
    assert score(scorer, clips[:, :1]).tolist() == pytest.approx([1.0] * 3, abs=1e-6)


def test_negative_cosines_are_not_cut(tower, clips):
    from pack.rewards.clips.temporal import consistency

    f = torch.tensor([[[1.0, 0.0], [-2.0, 0.0], [0.0, 3.0]]])
    assert consistency(f).tolist() == pytest.approx([(-1.0 + -1.0 + 0.0 + 0.0) / 4])


def test_a_batch_equals_one_by_one(tower, clips):
    scorer = load(tower[0], frames=5)
    assert isinstance(scorer, Scorer) and reads_clips(scorer)
    scorer.check("")
    together = score(scorer, clips)
    alone = torch.cat([score(scorer, clips[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    assert torch.equal(score(scorer, clips), together)
    assert scorer.score(clips[:0], []).shape == (0,)


@pytest.mark.parametrize("frame", [0, 1])
def test_nan_shows_even_where_crop_or_choice_take_it_away(tower, clips, frame):
    clips = clips.clone()
    clips[1, frame, 0, 0, 0] = float("nan")
    assert score(load(tower[0], frames=3), clips).isnan().tolist() == [False, True, False]


def test_gradient_reaches_the_frames_looked_at(tower, clips):
    clips = clips.clone().requires_grad_()
    score(load(tower[0], frames=3), clips).sum().backward()
    assert clips.grad.isfinite().all()
    for clip in (0, 1):
        moved = clips.grad[clip].flatten(1).abs().sum(1) > 0
        assert moved.nonzero().flatten().tolist() == [0, 5, 10]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_whole_clip_gives_its_image_half(tmp_path, clips, kind):
    model = build_whole(tmp_path)
    path = tmp_path if kind == "folder" else tmp_path / "model.safetensors"
    scorer = load(path, frames=3)
    wanted = [oracle(model, clip[[0, 5, 10]]) for clip in clips]
    assert score(scorer, clips).tolist() == pytest.approx(wanted, abs=2e-5)
    assert not any("text" in name for name, _ in scorer.module.named_parameters())
    assert not any(weights.requires_grad for weights in scorer.module.parameters())


def test_activation_is_asked_for(tmp_path, clips):
    build_whole(tmp_path)
    file = tmp_path / "model.safetensors"
    auto, quick, gelu = (
        score(load(file, activation=act), clips) for act in ("auto", "quick_gelu", "gelu")
    )
    torch.testing.assert_close(auto, quick)
    assert not torch.allclose(quick, gelu, atol=1e-4)


def test_its_combo_lists_what_it_loads(tower, tmp_path):
    from safetensors.torch import save_file

    (fits,) = (
        f.metadata["checkpoint"]
        for f in REWARDS["temporal_consistency"].__dataclass_fields__.values()
        if "checkpoint" in f.metadata
    )
    build_whole(tmp_path / "whole")
    assert fits(peek(tower[0])) and fits(peek(tmp_path / "whole"))
    assert fits(peek(tmp_path / "whole" / "model.safetensors"))
    wrong = tmp_path / "wrong.safetensors"
    save_file({"text_model.embeddings.token_embedding.weight": torch.zeros(2)}, wrong)
    assert not fits(peek(wrong))
    with pytest.raises(ValueError, match="a CLIP text encoder alone: expected") as error:
        load(wrong)
    assert "\n" not in str(error.value)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "siglip"}))
    assert not fits(peek(tmp_path))


def test_half_precision_where_the_device_has_it(tower):
    files = Files(supports=lambda dtype: dtype == torch.float16)
    scorer = REWARDS["temporal_consistency"](checkpoint=str(tower[0])).load(files)
    assert {weights.dtype for weights in scorer.module.parameters()} == {torch.float16}
