"""Counting coloured shapes: what is read, what is told apart, what it is worth."""

from collections import Counter

import numpy as np
import pytest
import torch
from pack.demo.scenes import caption, draw_images, draw_kinds, held_out_prompts
from pack.demo.text import parse
from pack.rewards.count.colour_shapes import label_shapes
from pack.rewards.count.colours import COLOURS
from pack.rewards.count.shape_count import ShapeCount, shapes_in
from pack.rewards.count.shape_forms import FORMS, form_of, moments
from pack.rewards.count.shape_prompt import shape_counts

from .scenes import PALETTE, draw

PLACES = [(20, 20), (60, 20), (100, 20), (20, 60), (60, 60), (100, 60)]
PROMPT = "two red circles and one blue square"


def found(image):
    labelled = label_shapes(np.asarray(image, dtype=np.float32), 0.0015, 0.35)
    return dict(Counter(thing.kind for thing in shapes_in(labelled)))


def score(image, prompt=PROMPT, **settings):
    scorer = ShapeCount(**settings).load()
    return float(scorer.score(torch.as_tensor(image)[None], [prompt])[0])


def scene(*things, radius=11):
    """An image of (colour, kind), each in a place of its own."""
    return draw(
        [(*thing, *place, radius) for thing, place in zip(things, PLACES, strict=False)], blur=0.7
    )


RIGHT = [("red", "circle"), ("red", "circle"), ("blue", "square")]


@pytest.mark.parametrize("kind", FORMS)
@pytest.mark.parametrize("colour", PALETTE)
@pytest.mark.parametrize("radius", [8, 12])
def test_each_shape_of_each_colour_is_named(colour, kind, radius):
    assert found(scene(*[(colour, kind)] * 6, radius=radius)) == {(colour, kind): 6}


def test_scenes_of_the_demo_are_counted_exactly():
    generator = torch.Generator().manual_seed(11)
    kinds = draw_kinds(60, generator, held_out=True)
    pictures = draw_images(kinds, generator).permute(0, 2, 3, 1)
    scores = ShapeCount().score(pictures, [caption(rows) for rows in kinds.tolist()])
    assert scores.min() > -0.01 and (scores == 0.0).float().mean() > 0.9


@pytest.mark.parametrize("turn", np.linspace(0.0, 1.5, 7))
def test_a_form_is_that_of_the_turned_and_stretched_shape(turn):
    y, x = np.mgrid[-40:41, -40:41].astype(float)
    x, y = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    sides = [np.pi / 2 + 2 * np.pi * k / 3 for k in range(3)]
    masks = {
        "circle": np.hypot(x, y) < 20,
        "square": np.maximum(abs(x), abs(y)) < 18,
        "triangle": np.stack([x * np.cos(a) + y * np.sin(a) for a in sides]).max(0) < 13,
    }
    for name, mask in masks.items():
        np.testing.assert_allclose(moments(mask), FORMS[name], atol=0.05)
    masks["circle"] = np.hypot(x, 2 * y) < 30  # an ellipse
    masks["square"] = np.maximum(abs(x), abs(1.7 * y)) < 25  # a rectangle
    for name, mask in masks.items():
        form = form_of(mask)
        assert form.name == name and form.share == 1.0


def test_a_form_in_the_middle_is_shared():
    y, x = np.mgrid[-40:41, -40:41].astype(float)
    shares = {}
    for power in (2.0, 3.0, 4.0, 6.0, 40.0):  # from a disc to a square
        form = form_of(abs(x) ** power + abs(y) ** power < 22.0**power)
        assert {form.name, form.second} == {"circle", "square"}
        shares[power] = form.share if form.name == "circle" else 1 - form.share
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert shares[2.0] == 1.0 and shares[40.0] == 0.0
    assert any(0.0 < share < 1.0 for share in shares.values())


def test_specks_and_lines_have_a_form():
    for mask in (np.ones((1, 1)), np.ones((1, 9)), np.eye(7)):
        assert form_of(mask.astype(bool)).name in FORMS


@pytest.mark.parametrize(
    ("things", "errors"),
    [
        (RIGHT, 0),
        ([("red", "square"), ("red", "square"), ("blue", "square")], 8),
        ([("red", "circle"), ("red", "triangle"), ("blue", "square")], 2),
        (RIGHT[:2], 1),
        ([*RIGHT, ("red", "circle")], 1),
        ([*RIGHT, ("green", "triangle"), ("green", "triangle")], 4),
        ([], 5),
    ],
)
def test_it_is_minus_the_squared_errors_of_the_pairs(things, errors):
    image = scene(*things)
    assert score(image, tie_break=0.0) == -errors
    assert -errors - 0.49 < score(image, tie_break=0.49) <= -errors
    swapped = "one blue square, two red circles"
    assert score(image, swapped) == score(image)


def test_a_right_image_has_the_maximum_and_ignored_shapes_cost_nothing():
    assert score(scene(*RIGHT)) == ShapeCount.maximum == 0.0
    more = scene(*RIGHT, ("green", "circle"), ("red", "square"))
    assert score(more, tie_break=0.0) == -2.0 and score(more, other_shapes="ignore") == 0.0
    assert (
        score(more, counts="red circles: 2, blue squares: 1, green circle: 1, red square: 1") == 0
    )


def test_ties_are_broken_by_what_is_faint_or_unclear():
    clear = scene(*RIGHT)
    small = draw([("red", "circle", 20, 20, 11), ("red", "circle", 60, 20, 5.5),
                  ("blue", "square", 100, 20, 11)], blur=0.7)  # fmt: skip
    speck = clear.copy()
    speck[100:102, 100:102] = (0.1, 0.64, 0.2)
    for worse in (small, speck):
        assert -0.25 < score(worse) < score(clear) == 0.0


def test_an_unclear_shape_counts_in_the_way_that_is_worse():
    half = ("red", "circle", 60, 20, 4.5)  # less than half as large as the others
    whole = [("red", "circle", 20, 20, 11), ("blue", "square", 100, 20, 11)]
    for prompt, errors in ((PROMPT, 1), ("one red circle and one blue square", 1)):
        assert score(draw([*whole, half], blur=0.7), prompt, tie_break=0.0) == -errors
    three = draw([*whole, half, ("red", "circle", 20, 60, 11)], blur=0.7)
    assert score(three, "four red circles and one blue square", tie_break=0.0) == -4.0


def test_what_is_not_finite_scores_nan():
    image = torch.as_tensor(scene(*RIGHT)).clone()
    image[3, 3, 1] = torch.inf
    scores = ShapeCount().score(torch.stack([image, torch.as_tensor(scene(*RIGHT))]), [PROMPT] * 2)
    assert scores[0].isnan() and scores[1] == 0.0


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        (PROMPT, {("red", "circle"): 2, ("blue", "square"): 1}),
        ("three red circles, two red squares and a red circle on a white background",
         {("red", "circle"): 4, ("red", "square"): 2}),
        ("red circles: 3, blue squares: two", {("red", "circle"): 3, ("blue", "square"): 2}),
        ("Six large violet triangles", {("purple", "triangle"): 6}),
        ("no red circles and 4 teal dots", {("red", "circle"): 0, ("cyan", "circle"): 4}),
    ],
)  # fmt: skip
def test_prompts_are_read(text, asked):
    assert shape_counts(text) == asked


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("three circles", "none of the colours red, orange"),
        ("three red balls", "none of the shapes circle, square, triangle"),
        ("three red and two blue circles", "none of the shapes"),
        ("three red and blue circles", "names none of the shapes|more than one colour"),
        ("two red square circles", "more than one shape"),
        ("some red circles", "no clear number"),
        ("about five red circles", "not an exact number"),
        ("a nice landscape", "no number before a colour and a shape"),
        ("三个红圆", "is not English"),
    ],
)
def test_what_is_not_clear_is_refused_in_one_sentence(text, said):
    with pytest.raises(ValueError, match=f"Cannot read counts.*({said}).*`counts`") as error:
        ShapeCount().check(text)
    assert "\n" not in str(error.value)


def test_the_prompts_of_the_demo_are_read_as_it_reads_them():
    for prompt in held_out_prompts(40, 3):
        asked = Counter()
        for count, colour, shape in parse(prompt):
            pair = list(PALETTE)[colour], list(FORMS)[shape]
            asked[pair] += count
        assert shape_counts(prompt) == asked


def test_the_demo_has_no_other_colours_and_shapes():
    assert set(PALETTE) < set(COLOURS)
