"""What every family with weights of its own keeps to, each on tiny random ones."""

import dataclasses
import io
import logging
import socket

import pytest
import torch
from pack.rewards import REWARDS, Scorer, load_scorer
from pack.rewards.memo import Memo

from .families import LOCAL, OWN, made
from .tiny_clip import pictures, shown

PROMPTS = ["three red circles and a blue dog", "two blue dogs", "three red circles and a blue dog"]
STEPS = {"object_count": 1e-4, "text_reader": 3e-3}  # steep; and flat
STEPS |= {f"vqascore_instructblip{form}": 3e-3 for form in ("", " log", " probability")}
CLIPS = {"temporal_consistency", "video_reward"}  # the first scores all of one frame the same
BLIND = {  # do not read the prompt
    "aesthetic_v2_5", "classifier", "clip_reference", "clip_reference cosine", "dino_reference",
    "laion_aesthetic",
    "taste", "temporal_consistency", "text_reader",  # here it has a text of its own
}  # fmt: skip
NEAR = {"rtol": 0.0, "atol": 1e-5}  # what a batch may differ from its pictures by
CLOSE = {
    "clip_score": {"rtol": 0.0, "atol": 1e-6},
    "object_count": {"rtol": 1e-5, "atol": 1e-5},
    "vqascore_instructblip": {"rtol": 1e-5, "atol": 0.0},
}
JUMPS = {"object_count": 0.1, "object_count_owl": 0.05}  # how near a slope is measured
JUMPS |= {"text_reader": 0.15}  # pooling has kinks where a picture is flat
ROUNDED = {"vqascore_vlm": {"rtol": 0.0, "atol": 0.02}}  # reads 8 bits, without a gradient
BROAD = {"edit_reward", "hps_v3", "video_reward"} | {
    "vqascore",
    "vqascore_instructblip",
    "vqascore_vlm",
}  # need bfloat16's range
EXACT = {"clip_reference", "object_count", "text_reader"}  # need float32's digits
READERS = {  # a part that reads the prompt alone
    "clip_score": "text_model", "hps_v2": "text_model", "mps": "model.text_model",
    "object_count_owl": "owlv2.text_model", "siglip_score": "text_model",
}  # fmt: skip
BOUNDS = {
    "clip_reference": (-torch.inf, 0.0), "clip_reference cosine": (-1.0, 1.0),
    "clip_score": (-1.0, 1.0), "dino_reference": (-1.0, 1.0),
    "hps_v2": (-1.0, 1.0), "mps": (-100.0, 100.0),
    "object_count": (-torch.inf, 0.0), "object_count_owl": (-torch.inf, 0.0),
    "temporal_consistency": (-1.0, 1.0), "text_reader": (0.0, 1.0),
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
    """A scorer loaded as the host does, whose nodes run in inference mode, what is logged, and
    whom it called."""
    reward, files = made(name, tmp_path_factory.mktemp(name))
    log, said, called = logging.getLogger("transformers"), io.StringIO(), []
    log.addHandler(handler := logging.StreamHandler(said))
    with torch.inference_mode(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lambda *where, **more: called.append(where))
        patch.setattr(socket.socket, "connect", lambda self, where: called.append(where))
        scorer = load_scorer(reward, files)
    log.removeHandler(handler)
    return scorer, said.getvalue(), called


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
    words = ("LOAD REPORT", "UNEXPECTED", "were not used", "newly initialized")
    assert not [each for each in words if each in loaded[1]]


def test_loading_calls_nobody(loaded):
    assert loaded[2] == []


def test_scores(scorer, images, scores):
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    assert not scorer.module.training
    assert not any(weights.requires_grad for weights in scorer.module.parameters())
    assert scores.dtype == torch.float32 and scores.shape == (3,)
    assert scores.isfinite().all() and scores.std() > 1e-3
    with torch.inference_mode():
        assert torch.equal(scorer.score(images, PROMPTS), scores)
        assert scorer.score(images[:0], []).shape == (0,)


def test_a_batch_is_scored_as_its_pictures_are(name, scorer, images, scores):
    with torch.inference_mode():
        alone = [scorer.score(images[i : i + 1], PROMPTS[i : i + 1]) for i in (2, 1, 0)][::-1]
        turned = scorer.score(images.flip(0), PROMPTS[::-1]).flip(0)
    torch.testing.assert_close(scores, torch.cat(alone), **CLOSE.get(name, NEAR))
    torch.testing.assert_close(scores, turned, **CLOSE.get(name, NEAR))


def test_the_prompt_is_read_or_not(name, scorer, images, scores):
    with torch.inference_mode():
        swapped = scorer.score(images, PROMPTS[1:] + PROMPTS[:1])
    moved = (swapped - scores).abs()
    assert (moved <= 1e-5).tolist() == ([True] * 3 if name in BLIND else [False, False, True])
    assert name in BLIND or moved[:2].min() > 1e-3


def test_a_prompt_is_read_once(name, scorer, scores, monkeypatch):
    """By two calls of three pictures; a vision-language model reads it with every picture."""
    family, read, passes, own = name.split()[0], [], [], Memo.__call__

    def counted(memo, prompt, make):
        return own(memo, prompt, lambda text: read.append(text) or make(text))

    monkeypatch.setattr(Memo, "__call__", counted)
    reader = scorer.module.get_submodule(READERS.get(family, ""))
    hook = reader.register_forward_hook(lambda *io: passes.append(1))
    prompts = ["four green cats", "nine old birds", "four green cats"]
    with torch.inference_mode():
        for seed in (1, 2):
            scorer.score(views(name, shown(pictures(70, 90, seed))), prompts)
    hook.remove()
    assert len(read) == len(set(read)) == (0 if name in {*BLIND, "vqascore_vlm"} else 2)
    assert len(passes) == 2 or family not in READERS


def test_scores_keep_to_their_range(name, scorer, images, scores):
    low, high = BOUNDS.get(name, (-torch.inf, torch.inf))
    flat = [torch.full_like(images[:1], level) for level in (0.0, 1.0)]
    with torch.inference_mode():
        found = scorer.score(torch.cat([*flat, images.round()[:1]]), PROMPTS)
    for seen in (found, scores):
        assert seen.isfinite().all() and (seen >= low - 1e-5).all() and (seen <= high + 1e-5).all()


def test_half_precision_where_the_device_has_it(name, scorer, images, scores, tmp_path):
    family = name.split()[0]
    reward, files = made(name, tmp_path)
    half = load_scorer(reward, dataclasses.replace(files, supports=lambda dtype: True))
    wanted = torch.bfloat16 if family in BROAD else torch.float16
    kinds = {weights.dtype for weights in half.module.parameters()}
    assert (wanted in kinds) == (name not in EXACT) and kinds <= {wanted, torch.float32}
    with torch.inference_mode():
        found = half.score(images, PROMPTS)
    assert found.dtype == torch.float32
    close = 0.2 if wanted == torch.bfloat16 else 0.02  # which has 8 digits, of 11
    torch.testing.assert_close(found, scores, rtol=0.05, atol=close)


def test_half_precision_has_the_same_gradient(name, scorer, images, tmp_path):
    reward, files = made(name, tmp_path)
    half = load_scorer(reward, dataclasses.replace(files, supports=lambda dtype: True))
    slopes = []
    for own in (half, scorer):
        given = (0.25 + 0.5 * images[:2]).requires_grad_()
        own.score(given, PROMPTS[:2]).sum().backward()
        slopes.append(given.grad.flatten(1))
    assert slopes[0].isfinite().all()
    least, length = (0.9, 0.5) if name.split()[0] in BROAD else (0.95, 0.2)
    assert (torch.nn.functional.cosine_similarity(*slopes) > least).all()
    norms = [slope.norm(dim=1) for slope in slopes]
    torch.testing.assert_close(*norms, rtol=length, atol=0)


def test_a_broken_picture_is_nan_alone(name, scorer, images, scores):
    """Its first value is where a crop cuts it away."""
    broken = images.clone()
    broken[0].view(-1)[0], broken[1].view(-1)[0] = float("nan"), float("inf")
    with torch.inference_mode():
        found = scorer.score(broken, PROMPTS)
    assert found.isnan().tolist() == [True, True, False]
    torch.testing.assert_close(found[2:], scores[2:], **CLOSE.get(name, NEAR))


def rise(scorer, given, step, length):
    """How much a score rises a unit of length along `step`, by differences over `length`."""
    prompts = PROMPTS[: len(given)]
    ahead, behind = (scorer.score(given + sign * length * step, prompts) for sign in (1, -1))
    return (ahead - behind).detach() / (2 * length)


def test_a_gradient_is_given_where_it_is_promised(name, scorer, images, scores):
    """And it is the score's: a small step along it rises as far as it says."""
    assert REWARDS[name.split()[0]].gradient
    length, within = STEPS.get(name, 3e-4), JUMPS.get(name, 0.05)
    # A detector's score jumps where it looks at something else.
    for shift in range(8 if name in JUMPS else 1):
        given = (
            0.25 + 0.5 * images[:2].roll(shift, -2)
        ).requires_grad_()  # away from where it is cut
        graded = scorer.score(given, PROMPTS[:2])
        with torch.inference_mode():
            close = ROUNDED.get(name, {"rtol": 1e-5, "atol": 1e-6})
            torch.testing.assert_close(graded, scorer.score(given, PROMPTS[:2]), **close)
        graded.sum().backward()
        slopes = given.grad.flatten(1).norm(dim=1)
        assert slopes.isfinite().all() and (slopes > 0).all()
        step = given.grad / slopes.view(-1, *[1] * (given.ndim - 1))
        found, finer = (rise(scorer, given, step, length / part) for part in (1, 3))
        if torch.allclose(found, finer, rtol=within, atol=0):
            break
    torch.testing.assert_close(found, slopes, rtol=within, atol=0)
