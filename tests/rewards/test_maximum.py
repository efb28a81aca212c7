"""The highest score of a reward, where pictures reach one (Field 24)."""

import pytest
import torch
from pack.rewards import MODES, REWARDS, CombinedScorer, maximum_of
from pack.rewards.clips.video import VideoScorer
from pack.rewards.types import Bounded

ZERO = ("brightness", "clip_reference", "colour_count", "object_count", "object_count_owl",
        "shape_count")  # fmt: skip

NONE = (
    "aesthetic_v2_5", "checklist", "classifier", "clip_score", "colourfulness",
    "edit_reward", "hps_v2", "hps_v3",
    "image_reward", "jpeg_compressibility", "jpeg_incompressibility", "laion_aesthetic", "mps",
    "sharpness", "siglip_score", "taste", "temporal_consistency", "video", "video_reward",
    "vqascore",
    "vqascore_host", "vqascore_http", "vqascore_instructblip", "vqascore_vlm",
)  # fmt: skip


@pytest.mark.parametrize("name", [*ZERO, *NONE])
def test_a_family_declares_a_maximum_that_pictures_reach_or_none(name):
    """The range of a new one is held by test_rewards.py."""
    assert maximum_of(REWARDS[name]()) == (0.0 if name in ZERO else None)


@pytest.mark.parametrize(
    ("name", "settings", "highest"),
    [
        ("object_count", {"score": "bounded"}, 1.0),
        ("object_count", {"score": "soft"}, 0.0),
        ("object_count_owl", {"score": "bounded"}, 1.0),
        ("clip_reference", {"mode": "cosine"}, 1.0),
        ("dino_reference", {}, 1.0),
        ("text_reader", {}, 1.0),
        ("text_reader", {"score": "soft"}, None),
    ],
)
def test_a_maximum_may_depend_on_the_settings(name, settings, highest):
    assert maximum_of(REWARDS[name](**settings)) == highest


def test_what_declares_nothing_is_not_bounded():
    assert not isinstance(object(), Bounded) and maximum_of(object()) is None


def test_a_right_picture_has_the_maximum():
    picture = torch.full((1, 64, 64, 3), 0.5)
    grey = REWARDS["brightness"](target=0.5)
    assert float(grey.score(picture, [""])[0]) == pytest.approx(maximum_of(grey), abs=1e-6)
    square = torch.ones(1, 64, 64, 3)
    square[:, 20:40, 20:40, 1:] = 0.0
    count = REWARDS["colour_count"](counts="red: 1")
    assert float(count.score(square, [""])[0]) == maximum_of(count)
    assert float(count.score(picture, [""])[0]) < maximum_of(count)


class Part:
    """A scorer of a maximum, or of none."""

    module = None

    def __init__(self, maximum):
        self.maximum = maximum


def combined(mode, *maxima):
    parts = {slot: Part(maximum) for slot, maximum in enumerate(maxima, start=1)}
    return maximum_of(CombinedScorer(mode, parts))


SUM, MINIMUM, CONSTRAINT = (MODES[name] for name in ("weighted_sum", "minimum", "constraint"))


@pytest.mark.parametrize(
    ("mode", "maxima", "highest"),
    [
        (SUM(standardise=False), (0.0, 1.0), 1.0),
        (SUM(2.0, 3.0, standardise=False), (0.5, 1.0), 4.0),
        (SUM(2.0, 3.0, standardise=False), (0.5, None), None),
        (SUM(1.0, -1.0, standardise=False), (0.0, 1.0), None),
        (SUM(1.0, 1.0, -1.0, standardise=False), (0.0, 1.0), 1.0),
        (SUM(), (0.0, 1.0), None),
        (MODES["product"](), (2.0, 3.0), 6.0),
        (MODES["product"](), (2.0, None), None),
        (MODES["product"](), (-2.0, -3.0), None),
        (MINIMUM(standardise=False), (0.0, 1.0), 0.0),
        (MINIMUM(standardise=False), (0.0, None), None),
        (MINIMUM(), (0.0, 1.0), None),
        (CONSTRAINT(), (1.0, None), 0.5),
        (CONSTRAINT(), (-1.0, 0.0), -0.5),
        (CONSTRAINT(), (None, 0.0), None),
    ],
)
def test_a_combination_has_one_where_its_scale_is_known(mode, maxima, highest):
    assert combined(mode, *maxima) == highest


@pytest.mark.parametrize("name", ["weighted_sum", "product", "minimum", "constraint"])
def test_no_combination_scores_above_its_maximum(name):
    mode = MODES[name]() if name in ("product", "constraint") else MODES[name](standardise=False)
    draw = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)).double()
    scores = {1: draw[:, 0], 2: draw[:, 1]}  # at most 1
    highest = combined(mode, 1.0, 1.0)
    assert bool((mode.combine(scores) <= highest).all())
    at_best = {slot: torch.ones(1).double() for slot in scores}
    assert float(mode.combine(at_best)[0]) == highest


def test_a_clip_has_that_of_its_frames():
    assert maximum_of(VideoScorer(Part(0.0), 8, "steady", 1.0)) == 0.0
    assert maximum_of(VideoScorer(Part(None), 8, "mean", 1.0)) is None
    inner = CombinedScorer(MINIMUM(standardise=False), {1: Part(0.0), 2: Part(1.0)})
    assert maximum_of(VideoScorer(inner, 8, "mean", 1.0)) == 0.0
