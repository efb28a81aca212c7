"""MPS against its authors' code, on tiny weights in the published layouts."""

import pytest
import torch
from pack.rewards import REWARDS, Files
from pack.rewards.files.weights import peek
from pack.rewards.preference.mps import CONDITION

from .test_clip import FIXTURE
from .tiny_clip import LENGTH, PROMPTS, mps_state, pictures, save, shown

transformers = pytest.importorskip("transformers")

# The pictures of the fixture were cut by hand, as its processor's size is only the crop.
IMAGES = shown(pictures(40, 32)[:, 4:36])


def build(path, prefix=""):
    """Write a tiny MPS into the folder ``path`` -> its file."""
    state = {f"{prefix}{key}": value for key, value in mps_state().items()}
    return save(state, path / "MPS_overall_checkpoint_diffsynth.safetensors")


def load(path, **settings):
    return REWARDS["mps"](checkpoint=str(path), **settings).load(Files())


@pytest.fixture(scope="module")
def mps(tmp_path_factory):
    return build(tmp_path_factory.mktemp("mps"))


@pytest.mark.parametrize("threshold", [0.01, 0.6, 0.8])
def test_equals_the_authors_code(mps, threshold):
    wanted, kept = zip(*FIXTURE["mps"][str(threshold)], strict=True)
    scorer = load(mps, threshold=threshold)
    scores = scorer.score(IMAGES, PROMPTS)
    assert scores.tolist() == pytest.approx(list(wanted), rel=1e-5, abs=1e-5)
    for prompt, count in zip(PROMPTS, kept, strict=True):
        assert int(scorer.texts(prompt, scorer._text)[1].sum()) == count


def test_the_fixture_tells_thresholds_apart():
    counts = {t: [kept for _, kept in rows] for t, rows in FIXTURE["mps"].items()}
    assert counts["0.01"] == [LENGTH] * 3
    assert len(set(counts["0.6"])) > 1 and counts["0.8"] < counts["0.6"]
    assert REWARDS["mps"]().threshold == 0.3


def test_prompt_and_condition_are_padded(mps):
    """The condition is shorter than what the text tower reads: padding must come from there."""
    scorer = load(mps)
    assert len(scorer.tokenizer(CONDITION)["input_ids"]) < LENGTH
    assert len(scorer.texts(PROMPTS[0], scorer._text)[0]) == LENGTH


def test_published_layouts(mps, tmp_path):
    wanted = load(mps, threshold=0.6).score(IMAGES, PROMPTS)
    file = build(tmp_path, "mps.")
    (tmp_path / "config.json").write_text("{}")
    spare = ("cross_model.", "norm.bias"), ("cross_model.", "inv_freq")
    lean = {
        key: value
        for key, value in mps_state().items()
        if not any(key.startswith(start) and key.endswith(end) for start, end in spare)
    }
    for path in (file, tmp_path, save(lean, tmp_path / "lean" / "mps.safetensors")):
        assert torch.equal(load(path, threshold=0.6).score(IMAGES, PROMPTS), wanted)


def test_rotary_positions_matter(mps):
    """Patches that trade places change the score by their positions in the blocks too."""
    scorer = load(mps)
    tokens, kept, _ = (part[None] for part in scorer.texts(PROMPTS[0], scorer._text))
    image = torch.randn(1, 17, 48, generator=torch.Generator().manual_seed(0))
    moved = image[:, [0, *range(16, 0, -1)]]
    found, other = (scorer.module.cross_model(x, tokens, kept)[:, 0] for x in (image, moved))
    assert not torch.allclose(found, other, atol=1e-3)


def test_a_prompt_does_not_change_anothers_mask(mps):
    scorer = load(mps, threshold=0.6)
    together = scorer.score(IMAGES, PROMPTS)
    alone = [scorer.score(IMAGES[i : i + 1], PROMPTS[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)


def test_who_lists_it(mps):
    fits = {
        name: REWARDS[name].__dataclass_fields__["checkpoint"].metadata["checkpoint"](peek(mps))
        for name in ("mps", "clip_score", "hps_v2", "laion_aesthetic", "clip_reference")
    }
    assert [name for name, fit in fits.items() if fit] == ["mps"]
    assert peek(mps).looks_like() == "MPS"


def test_wrong_files(mps, tmp_path):
    state = mps_state()
    for key in ("cross_model.layers.1.1.fn.attn_out.weight", "model.logit_scale"):
        part = {k: v for k, v in state.items() if k != key}
        file = save(part, tmp_path / "part.safetensors")
        with pytest.raises(ValueError, match=f"lacks 1 tensors, {key.split('.', 1)[1]} among them"):
            load(file)
    part = {k: v for k, v in state.items() if "0.fn.to_kv" not in k}
    with pytest.raises(ValueError, match="lacks the tensor layers.0.0.fn.to_kv.weight"):
        load(save(part, tmp_path / "part.safetensors"))
    clip = {k.removeprefix("model."): v for k, v in state.items() if k.startswith("model.")}
    with pytest.raises(ValueError, match="CLIP in Hugging Face layout: expected MPS as safeten"):
        load(save(clip, tmp_path / "clip.safetensors"))
    torch.save(torch.nn.Linear(2, 2), tmp_path / "MPS_overall_checkpoint.pth")
    with pytest.raises(ValueError, match="cannot be read as weights .*: expected MPS as safe"):
        load(tmp_path / "MPS_overall_checkpoint.pth")
