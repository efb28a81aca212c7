"""What all rewards on CLIP keep to, each on its own tiny weights."""

import pytest
import torch
from pack.rewards import REWARDS, Files, Scorer

from . import test_hps_v2, test_laion_aesthetic, test_mps
from .tiny_clip import PROMPTS, open_clip_state, pictures, save, shown

pytest.importorskip("transformers")

REFERENCE = shown(pictures(40, 32, seed=9)[:1])
IMAGES = shown(pictures(72, 96))


def plain(path):
    return save(open_clip_state(), path / "open_clip.safetensors")


FAMILIES = {
    "clip_score": (plain, {}),
    "hps_v2": (test_hps_v2.build, {}),
    "laion_aesthetic": (test_laion_aesthetic.build, {}),
    "mps": (test_mps.build, {"threshold": 0.6}),
    "clip_reference gram": (plain, {"mode": "gram", "reference": REFERENCE}),
    "clip_reference cosine": (plain, {"mode": "cosine", "reference": REFERENCE}),
}
PROMPT_FREE = ("laion_aesthetic", "clip_reference gram", "clip_reference cosine")


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory):
    build, settings = FAMILIES[request.param]
    path = build(tmp_path_factory.mktemp("family"))
    reward = REWARDS[request.param.split()[0]](checkpoint=str(path), **settings)
    return request.param, reward


@pytest.fixture(scope="module")
def scorer(family):
    return family[1].load(Files())


def test_ready(family, scorer):
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    assert family[1].gradient
    assert not scorer.module.training
    weights = list(scorer.module.parameters())
    assert all(w.dtype == torch.float32 and not w.requires_grad for w in weights)


def test_a_picture_scores_the_same_in_any_batch(scorer):
    together = scorer.score(IMAGES, PROMPTS)
    assert together.dtype == torch.float32 and together.shape == (3,)
    assert torch.equal(together, scorer.score(IMAGES, PROMPTS))
    alone = [scorer.score(IMAGES[i : i + 1], PROMPTS[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)
    turned = scorer.score(IMAGES.flip(0), PROMPTS[::-1]).flip(0)
    torch.testing.assert_close(together, turned, rtol=1e-5, atol=1e-5)
    assert together.std() > 1e-3
    assert scorer.score(IMAGES[:0], []).shape == (0,)


def test_prompts(family, scorer):
    swapped = scorer.score(IMAGES, PROMPTS[1:] + PROMPTS[:1])
    same = torch.allclose(swapped, scorer.score(IMAGES, PROMPTS), atol=1e-4)
    assert same == (family[0] in PROMPT_FREE)
    if family[0] in PROMPT_FREE:
        scorer.check("")
    else:
        scorer.check("a cat")
        with pytest.raises(ValueError, match="needs a prompt"):
            scorer.check(" ")
    with pytest.raises(ValueError, match="one string for 3 images"):
        scorer.score(IMAGES, "abc")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_stays_with_its_picture(scorer, bad):
    images = IMAGES.clone()
    images[1, 0, 0, 0] = bad  # where a crop cuts it away
    scores = scorer.score(images, PROMPTS)
    assert scores.isnan().tolist() == [False, True, False]
    torch.testing.assert_close(scores[::2], scorer.score(IMAGES, PROMPTS)[::2], rtol=0, atol=1e-5)


def test_gradient_is_that_of_the_score(scorer):
    images = IMAGES.clone().requires_grad_()
    scorer.score(images, PROMPTS).sum().backward()
    slopes = images.grad.flatten(1)
    assert torch.isfinite(slopes).all() and (slopes.abs().sum(1) > 0).all()
    # A small step along it rises as far as it says; blocks are away from 0 and 1 after this.
    soft = (0.25 + 0.5 * IMAGES).requires_grad_()
    scorer.score(soft, PROMPTS).sum().backward()
    along = soft.grad / soft.grad.flatten(1).norm(dim=1)[:, None, None, None]
    step = 3e-4
    with torch.no_grad():
        up, down = (scorer.score(soft + sign * step * along, PROMPTS) for sign in (1, -1))
    rise = soft.grad.flatten(1).norm(dim=1)
    torch.testing.assert_close((up - down) / (2 * step), rise, rtol=0.05, atol=1e-4)


def test_gradient_after_inference_mode(family):
    """The host scores in inference mode; what is kept of prompts serves a gradient as well."""
    scorer = family[1].load(Files())
    with torch.inference_mode():
        before = scorer.score(IMAGES, PROMPTS)
    images = IMAGES.clone().requires_grad_()
    scores = scorer.score(images, PROMPTS)
    scores.sum().backward()
    torch.testing.assert_close(scores.detach(), before.clone(), rtol=1e-6, atol=1e-6)
    assert images.grad.abs().sum() > 0


def test_half_precision(family, scorer):
    half = family[1].load(Files(supports=lambda dtype: True))
    kinds = {weight.dtype for weight in half.module.parameters()}
    if family[0] == "clip_reference gram":
        assert kinds == {torch.float32}
    else:
        assert torch.float16 in kinds
    scores = half.score(IMAGES, PROMPTS)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, scorer.score(IMAGES, PROMPTS), rtol=0.05, atol=0.02)


def test_all_weights_move_with_the_module(family):
    """Whatever is kept outside of it stays on the CPU and follows the pictures."""
    scorer = family[1].load(Files())
    scorer.score(IMAGES, PROMPTS)
    scorer.module.to(torch.float64).to(torch.float32)
    for memo in (getattr(scorer, "texts", None), getattr(scorer, "kept", None)):
        for value in memo.kept.values() if memo else ():
            parts = value if isinstance(value, tuple) else (value,)
            assert all(part.device.type == "cpu" for part in parts)
    others = [v for v in vars(scorer).values() if isinstance(v, torch.nn.Module)]
    assert others == [scorer.module]
