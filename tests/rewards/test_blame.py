"""Where rewards see that images are wrong, on hand-made ones."""

import numpy as np
import pytest
import torch
from pack.rewards import MODES, REWARDS, CombinedScorer, blame_any, blames
from pack.rewards.count.blame import box_map, errors, with_room
from pack.rewards.count.object_counting import CountScorer, CountSettings

from .scenes import draw
from .test_object_counting import PROMPT as DOGS
from .test_object_counting import MadeUp, picture
from .test_video import Red

PLACES = [(25, 25), (64, 25), (103, 25), (25, 64)]
KNOWING = {"colour_count", "object_count", "object_count_owl", "shape_count"}


def scene(*things, size=128):
    shapes = [(*thing, *place, 12) for thing, place in zip(things, PLACES, strict=False)]
    return torch.as_tensor(draw(shapes, blur=0.6))


def at(blame, place):
    """The blame of the thing at a place."""
    x, y = PLACES[place]
    return float(blame[y, x])


def blame(image, prompt, name="shape_count", **settings):
    scorer = REWARDS[name](**settings).load()
    found = scorer.blame(image[None], [prompt])[0]
    assert found.shape == image.shape[:2] and found.dtype == torch.float32
    assert 0.0 <= found.min() and found.max() <= 1.0
    return found


@pytest.mark.parametrize("name", ["colour_count", "shape_count"])
def test_a_right_image_is_blamed_nowhere(name):
    image = scene(("red", "circle"), ("red", "circle"), ("blue", "square"))
    assert not blame(image, "two red circles and one blue square", name).any()


@pytest.mark.parametrize("name", ["colour_count", "shape_count"])
def test_things_too_many_share_the_blame(name):
    image = scene(("red", "circle"), ("red", "circle"), ("red", "circle"), ("blue", "square"))
    found = blame(image, "two red circles and one blue square", name)
    assert [at(found, place) for place in range(4)] == pytest.approx([1 / 3] * 3 + [0])
    assert found[100:].max() == 0.0  # nothing lacks


def test_the_wrong_shape_is_blamed_and_the_room_for_the_right_one():
    image = scene(("red", "circle"), ("red", "square"), ("blue", "square"))
    prompt = "two red circles and one blue square"
    found = blame(image, prompt)
    assert at(found, 0) == at(found, 2) == 0.0 and at(found, 1) == 1.0
    room = found[90:, 90:]
    assert 0.0 < room.min() == room.max() < 0.2
    assert float(found[25, 44]) == 0.0  # too near to the things beside it
    area = (found == 1.0).sum()
    assert float(found[(found > 0) & (found < 1)].sum()) == pytest.approx(float(area), rel=0.2)
    assert not blame(image, prompt, "colour_count").any()  # which sees no shapes


@pytest.mark.parametrize("name", ["colour_count", "shape_count"])
def test_unclear_shapes_and_faint_colour_are_blamed_where_counts_are_right(name):
    image = scene(("red", "circle"), ("red", "circle"), ("blue", "square"))
    things = [("red", "circle", 12), ("red", "circle", 5), ("blue", "square", 12)]
    shapes = [(c, f, *PLACES[i], r) for i, (c, f, r) in enumerate(things)]
    small = torch.as_tensor(draw(shapes, blur=0.6))
    found = blame(small, "two red circles and one blue square", name)
    assert at(found, 1) > 0.2 and at(found, 0) == at(found, 2) == 0.0
    image[100:110, 20:30] = torch.tensor([0.9, 0.68, 0.68])
    found = blame(image, "two red circles and one blue square", name)
    assert 0.0 < found[105, 25] < 1.0 and not found[:90].any()
    settings = {"colour_count": "other_colours", "shape_count": "other_shapes"}
    image[100:110, 20:30] = torch.tensor([0.68, 0.9, 0.68])
    ignoring = {settings[name]: "ignore"}
    assert not blame(image, "two red circles and one blue square", name, **ignoring).any()


def test_a_colour_nobody_asked_for_is_blamed_unless_it_is_ignored():
    image = scene(("red", "circle"), ("green", "square"))
    for name, setting in (("colour_count", "other_colours"), ("shape_count", "other_shapes")):
        found = blame(image, "one red circle", name)
        assert at(found, 0) == 0.0 and at(found, 1) == 1.0
        assert not blame(image, "one red circle", name, **{setting: "ignore"}).any()


def test_an_empty_image_is_all_room():
    for name in ("colour_count", "shape_count"):
        found = blame(scene(), "three red circles", name)
        assert found.min() == found.max() == pytest.approx(0.03)


def test_a_full_image_leaves_no_room():
    taken = np.ones((4, 4), dtype=bool)
    assert not with_room(np.zeros((4, 4)), taken, 2.0, 3).any()
    taken[0, 0] = False
    narrow = with_room(np.zeros((4, 4)), taken, 9.0, 3)
    assert narrow[0, 0] == 1.0 and narrow.sum() == 1.0


@pytest.mark.parametrize("size", [(300, 200), (512, 640)])
def test_maps_have_the_size_of_their_images(size):
    image = torch.full((*size, 3), 0.95)
    image[20:60, 20:60] = torch.tensor([0.9, 0.1, 0.1])
    found = blame(image, "one blue square")
    assert float(found[40, 40]) == 1.0 and 0.0 < float(found[-9, -9]) < 1.0


def test_what_is_not_finite_is_blamed_nowhere():
    image = scene(("red", "circle"))
    image[0, 0] = torch.nan
    for name in ("colour_count", "shape_count"):
        assert not blame(image, "one blue square", name).any()


def test_errors_are_counted_by_kind():
    assert errors(["a", "a", "b"], {"a": 1, "c": 2}, ["a", "b", "c"]) == ([0.5, 0.5, 1.0], 2)
    assert errors(["a", "a", "b"], {"a": 3}, ["a"]) == ([0.0, 0.0, 0.0], 1)
    assert errors([], {}, []) == ([], 0)


def dogs(padded=False, **settings):
    settings = CountSettings(**settings)
    return CountScorer(MadeUp(padded=padded), settings, settings.rule())


def test_boxes_too_many_are_blamed_and_room_for_what_lacks():
    image = picture((0.9, 0.8, 0.9, 0.0, 0.9), ())  # four dogs of three, no cat of one
    image = image.repeat_interleave(20, 0).repeat_interleave(20, 1)
    scorer = dogs()
    small = torch.nn.functional.interpolate(image.permute(2, 0, 1)[None], (3, 5))[0]
    found = scorer._blame(small.permute(1, 2, 0)[None], DOGS)
    assert found.shape == (3, 5)
    big = box_map(torch.tensor([[0.5, 0.5, 0.2, 0.4]]), [0.25], 1, (256, 128))
    assert big.shape == (128, 64)
    assert big[64, 32] == 0.25 and big[64, 2] > 0.0 and big[10, 10] == pytest.approx(big[-9, -9])
    assert big[:, :].max() == 0.25
    blamed, lacking = errors(["dog"] * 4, scorer.target_counts(DOGS), scorer.target_counts(DOGS))
    assert blamed == [0.25] * 4 and lacking == 1


def test_boxes_of_a_padded_square_are_brought_to_the_image():
    image = picture((0.9, 0.9, 0.9, 0.9), ())  # 3 high and 5 wide
    plain, padded = (dogs(kind).blame(image[None], [DOGS])[0] for kind in (False, True))
    assert plain.shape == padded.shape == (3, 5)
    assert plain[1].max() >= 0.25 and padded[2].max() >= 0.25


def test_images_that_are_not_finite_get_none_of_a_detector():
    images = torch.stack([picture((0.9,) * 5, ()), picture((0.9,) * 5, ())])
    images[1, 0, 0, 2] = torch.nan
    found = dogs().blame(images, [DOGS] * 2)
    assert found[0].any() and not found[1].any()


@pytest.mark.parametrize("name", REWARDS)
def test_which_rewards_know(name):
    known = getattr(REWARDS[name], "blames", False) or "object_count" in name
    assert known == (name in KNOWING)
    assert CountScorer.blames


def test_wrappers_pass_on_what_they_hold():
    count, plain = REWARDS["shape_count"](), REWARDS["brightness"]()
    images = torch.stack([scene(("red", "circle"), ("green", "square"))] * 2)
    asked = ["one red circle"] * 2
    own = count.blame(images, asked)
    both = CombinedScorer(MODES["weighted_sum"](), {1: count, 2: plain})
    assert blames(both) and torch.equal(both.blame(images, asked), own)
    assert not blames(CombinedScorer(MODES["weighted_sum"](), {1: plain, 2: plain}))
    assert not blames(plain) and not blames(Red())
    clip = REWARDS["video"](frame_reward=count).load()
    assert blames(clip) and not blames(REWARDS["video"](frame_reward=plain).load())
    assert torch.equal(clip.blame(images[:, None], asked), own[:, None])
    frames = blame_any(count, images[None], asked[:1])
    assert frames.shape == (1, *own.shape) and torch.equal(frames[0], own)
