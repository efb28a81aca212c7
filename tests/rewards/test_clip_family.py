"""What all rewards on CLIP keep to, each on its own tiny weights."""

import pytest
import torch
from pack.rewards import REWARDS, Files

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
