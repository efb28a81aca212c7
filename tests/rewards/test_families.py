"""What every family with weights of its own keeps to, each on tiny random ones."""

import io
import logging

import pytest
import torch
from pack.rewards import REWARDS, Scorer, load_scorer

from .families import LOCAL, OWN, made
from .tiny_clip import pictures, shown

PROMPTS = ["three red circles and a blue dog", "two blue dogs", "three red circles and a blue dog"]
STEPS = {"object_count": 1e-4, "vqascore_instructblip": 3e-3}  # steep, and flat
CLIPS = {"temporal_consistency"}  # of one frame all score the same
BLIND = {  # do not read the prompt
    "aesthetic_v2_5", "clip_reference", "clip_reference cosine", "laion_aesthetic",
    "temporal_consistency",
}  # fmt: skip


def views(name, images):
    """Pictures, or clips in which each is followed by others."""
    if name not in CLIPS:
        return images
    return torch.stack([images, images.roll(1, 2), 1.0 - images], 1)


@pytest.fixture(scope="module", params=sorted({*LOCAL, *OWN}))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def loaded(name, tmp_path_factory):
    """A scorer loaded as the host does, whose nodes run in inference mode, and what is logged."""
    reward, files = made(name, tmp_path_factory.mktemp(name))
    log, said = logging.getLogger("transformers"), io.StringIO()
    log.addHandler(handler := logging.StreamHandler(said))
    with torch.inference_mode():
        scorer = load_scorer(reward, files)
    log.removeHandler(handler)
    return scorer, said.getvalue()


@pytest.fixture(scope="module")
def scorer(loaded):
    return loaded[0]


@pytest.fixture(scope="module")
def images(name):
    return views(name, shown(pictures(70, 90)))


@pytest.fixture(scope="module")
def scores(scorer, images):
    """Scored in inference mode too: what is kept of prompts must serve a gradient later."""
    with torch.inference_mode():
        return scorer.score(images, PROMPTS)


def test_loading_a_published_layout_warns_of_nothing(loaded):
    """transformers tells of tensors that it has no place for, or finds none for."""
    assert "LOAD REPORT" not in loaded[1] and "UNEXPECTED" not in loaded[1]


def test_scores(scorer, images, scores):
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    assert not scorer.module.training
    assert not any(weights.requires_grad for weights in scorer.module.parameters())
    assert scores.dtype == torch.float32 and scores.shape == (3,)
    assert scores.isfinite().all() and scores.std() > 1e-5
    with torch.inference_mode():
        assert torch.equal(scorer.score(images, PROMPTS), scores)
        assert scorer.score(images[:0], []).shape == (0,)


def test_a_batch_is_scored_as_its_pictures_are(scorer, images, scores):
    with torch.inference_mode():
        alone = [scorer.score(images[i : i + 1], PROMPTS[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(scores, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_the_prompt_is_read_or_not(name, scorer, images, scores):
    with torch.inference_mode():
        swapped = scorer.score(images, PROMPTS[1:] + PROMPTS[:1])
    same = torch.isclose(swapped, scores, rtol=1e-4, atol=1e-5).tolist()
    assert same == ([True] * 3 if name in BLIND else [False, False, True])


def test_a_broken_picture_is_nan_alone(scorer, images, scores):
    """Its first value is where a crop cuts it away."""
    broken = images.clone()
    broken[0].view(-1)[0], broken[1].view(-1)[0] = float("nan"), float("inf")
    with torch.inference_mode():
        found = scorer.score(broken, PROMPTS)
    assert found.isnan().tolist() == [True, True, False]
    torch.testing.assert_close(found[2:], scores[2:], rtol=1e-4, atol=1e-5)


def rise(scorer, given, step, length):
    """How much a score rises a unit of length along `step`, by differences over `length`."""
    with torch.no_grad():
        ahead, behind = (scorer.score(given + sign * length * step, PROMPTS) for sign in (1, -1))
    return (ahead - behind) / (2 * length)


def test_a_gradient_is_given_where_it_is_promised(name, scorer, images, scores):
    """And it is the score's: a small step along it rises as far as it says."""
    assert REWARDS[name.split()[0]].gradient
    length = STEPS.get(name, 3e-4)
    for shift in range(8):  # a detector's score jumps where it looks at something else
        given = (0.25 + 0.5 * images.roll(shift, -2)).requires_grad_()  # away from where it is cut
        scorer.score(given, PROMPTS).sum().backward()
        slopes = given.grad.flatten(1).norm(dim=1)
        assert slopes.isfinite().all() and (slopes > 0).all()
        step = given.grad / slopes.view(-1, *[1] * (given.ndim - 1))
        found, finer = (rise(scorer, given, step, length / part) for part in (1, 3))
        if torch.allclose(found, finer, rtol=0.1, atol=0):
            break
    torch.testing.assert_close(found, slopes, rtol=0.1, atol=0)
