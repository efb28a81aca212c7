import math

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS
from pack.rewards.count import colour_count
from pack.rewards.count.colour_shapes import colour_counts
from pack.rewards.count.colours import COLOURS

from .scenes import GROUND, PALETTE, draw, random_scene


def found(image, **settings):
    return {colour: n for colour, n in colour_counts(image, **settings).items() if n}


def score(image, prompt="", **settings):
    scorer = REWARDS["colour_count"](**settings).load()
    return float(scorer.score(torch.as_tensor(image)[None], [prompt])[0])


ROW = [(20, 20), (60, 20), (100, 20), (20, 60), (60, 60), (100, 60)]


@pytest.mark.parametrize("kind", ["circle", "square", "triangle"])
@pytest.mark.parametrize("colour", PALETTE)
@pytest.mark.parametrize("radius", [7, 12])
def test_counts_every_palette_colour(colour, kind, radius):
    for count in range(7):
        shapes = [(colour, kind, x, y, radius) for x, y in ROW[:count]]
        assert found(draw(shapes, blur=0.8)) == ({colour: count} if count else {})


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((255, 0, 0), "red"), ((220, 20, 60), "red"), ((139, 0, 0), "red"),
        ((255, 165, 0), "orange"), ((255, 128, 0), "orange"), ((255, 255, 0), "yellow"),
        ((255, 215, 0), "yellow"), ((0, 255, 0), "green"), ((46, 139, 87), "green"),
        ((0, 255, 255), "cyan"), ((0, 0, 255), "blue"), ((65, 105, 225), "blue"),
        ((30, 144, 255), "blue"), ((128, 0, 128), "purple"), ((138, 43, 226), "purple"),
        ((255, 20, 147), "pink"), ((255, 105, 180), "pink"), ((139, 69, 19), "brown"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ground", [(255, 255, 255), (200, 200, 200), (20, 20, 20)])
def test_names_common_colours_on_any_grey_ground(rgb, name, ground):
    image = draw([(rgb, "circle", 40, 40, 10), (rgb, "square", 90, 80, 12)], 128, 0.8, ground)
    assert found(image) == {name: 2}


@pytest.mark.parametrize("grey", [(0, 0, 0), (128, 128, 128), (255, 255, 255), GROUND])
def test_greys_are_nothing(grey):
    assert found(draw([(grey, "circle", 64, 64, 20)], 128, 1.0)) == {}


@pytest.mark.parametrize(("size", "noise"), [(128, 0.0), (128, 0.03), (96, 0.0), (512, 0.03)])
@pytest.mark.parametrize("blur", [0.0, 0.8, 1.5])
def test_random_scenes(size, noise, blur):
    rng = np.random.default_rng(7)
    for _ in range(25 if size < 512 else 8):
        image, counts = random_scene(rng, size, blur, noise)
        assert found(image) == counts


def test_orientation_does_not_matter():
    image, counts = random_scene(np.random.default_rng(3))
    assert counts
    for turned in (image[::-1], image[:, ::-1], image.transpose(1, 0, 2)):
        assert found(turned) == counts


def test_shapes_cut_by_the_border_count():
    shapes = [("red", "circle", x, y, 10) for x, y in [(0, 40), (127, 40), (60, 0), (60, 127)]]
    assert found(draw(shapes, blur=0.8)) == {"red": 4}


def test_specks_do_not_count():
    image = draw([("blue", "circle", 64, 64, 10)], blur=0.6)
    rng = np.random.default_rng(0)
    for y, x in rng.integers(2, 122, (40, 2)):
        if abs(y - 64) > 16 or abs(x - 64) > 16:
            image[y : y + 3, x : x + 3] = (0.85, 0.1, 0.1)
    assert found(image) == {"blue": 1}
    assert found(draw([("blue", "circle", 64, 64, 10)]), min_area=0.05) == {}


@pytest.mark.parametrize("blur", [0.5, 1.0, 1.5])
def test_fringes_between_colours_do_not_count(blur):
    """Red on yellow blurs through orange, red on blue through purple, and so on."""
    for outer in PALETTE:
        for inner in PALETTE:
            if inner != outer:
                shapes = [(outer, "square", 64, 64, 40), (inner, "circle", 64, 64, 12)]
                assert found(draw(shapes, blur=blur)) == {outer: 1, inner: 1}


def test_a_coloured_ground_is_not_a_shape():
    shapes = [("red", "circle", 30, 30, 10), ("yellow", "square", 80, 90, 10)]
    assert found(draw(shapes, blur=0.8, ground=PALETTE["blue"])) == {"red": 1, "yellow": 1}
    assert found(draw([], ground=PALETTE["green"])) == {}


def test_close_neighbours_stay_apart_and_overlapping_ones_merge():
    for colour in PALETTE:
        apart = [(colour, "circle", 50, 64, 9), (colour, "circle", 71, 64, 9)]
        assert found(draw(apart, blur=0.8)) == {colour: 2}
        merged = [(colour, "circle", 55, 64, 9), (colour, "circle", 67, 64, 9)]
        assert found(draw(merged, blur=0.8)) == {colour: 1}


def test_counts_accept_bytes_tensors_and_name_every_colour():
    image = draw([("green", "circle", 64, 64, 10)])
    as_bytes = np.round(image * 255).astype(np.uint8)
    assert colour_counts(image) == colour_counts(as_bytes) == colour_counts(torch.tensor(image))
    assert tuple(colour_counts(image)) == COLOURS
    assert all(type(n) is int for n in colour_counts(image).values())
    with pytest.raises(ValueError, match="non-finite"):
        colour_counts(np.full((8, 8, 3), np.nan))
    with pytest.raises(ValueError, match=r"got \(8, 8\), expected \(height, width, 3\)"):
        colour_counts(np.zeros((8, 8)))


RED3_BLUE2 = [("red", "circle", x, 20, 9) for x in (20, 60, 100)] + [
    ("blue", "square", x, 90, 10) for x in (30, 90)
]


def test_a_right_picture_scores_zero():
    assert score(draw(RED3_BLUE2, blur=0.7), "three red circles and two blue squares") == 0.0


@pytest.mark.parametrize(
    ("asked", "rss"),
    [
        ("red: 3, blue: 2", 0), ("red: 2, blue: 2", 1), ("red: 2, blue: 3", 2), ("red: 5", 8),
        ("red: 3", 4), ("blue: 0", 13), ("green: 1", 14), ("red: 3, blue: 2, green: 1", 1),
    ],
)  # fmt: skip
def test_rss_is_the_floor_and_the_widget_wins(asked, rss):
    for tie_break in (0.0, 0.25, 0.49):
        got = score(draw(RED3_BLUE2, blur=0.7), "ten green ants", counts=asked, tie_break=tie_break)
        assert math.floor(-got) == rss
        assert -rss - tie_break <= got <= -rss
        assert tie_break or got == -rss


def test_other_colours():
    image = draw(RED3_BLUE2)
    assert score(image, "three red circles", tie_break=0.0, other_colours="ignore") == 0
    assert score(image, "three red circles", tie_break=0.0) == -4


def test_floor_recovers_rss_of_random_scenes():
    rng = np.random.default_rng(11)
    for _ in range(40):
        image, _ = random_scene(rng, blur=1.2, noise=0.05, gap=-6.0)
        asked = {str(c): int(rng.integers(0, 7)) for c in rng.choice(list(PALETTE), 2, False)}
        counts = colour_counts(image)
        rss = sum((asked.get(c, 0) - n) ** 2 for c, n in counts.items())
        got = score(image, ", ".join(f"{c}: {n}" for c, n in asked.items()), tie_break=0.49)
        assert math.floor(-got) == rss


def three_reds(third):
    """Two red circles and two blue squares, and perhaps something of a third red circle."""
    shapes = [("red", "circle", 30, 30, 10), ("red", "circle", 80, 30, 10), *RED3_BLUE2[3:]]
    return score(draw([*shapes, *third], blur=0.7), "three red circles and two blue squares")


def test_ties_rank_by_how_nearly_the_third_shape_is_there():
    faint = ((240, 180, 180), "circle", 60, 65, 10)
    speck = ("red", "circle", 60, 65, 2.0)
    merged = ("red", "circle", 80, 46, 10)
    nothing = three_reds([])
    assert -1.25 <= nothing < -1.0
    for hint in (faint, speck, merged):
        assert nothing < three_reds([hint]) < -1.0
    assert three_reds([((180, 180, 240), "circle", 60, 65, 10)]) < nothing
    assert three_reds([("red", "circle", 60, 65, 10)]) == 0.0


def test_ties_rank_hue_and_clutter():
    clear = draw(RED3_BLUE2, blur=0.7)
    prompt = "three red circles and two blue squares"
    doubtful = draw([*RED3_BLUE2[1:], ((225, 80, 30), "circle", 20, 20, 9)], blur=0.7)
    cluttered = draw([*RED3_BLUE2, ((180, 240, 180), "circle", 64, 60, 9)], blur=0.7)
    for image in (doubtful, cluttered):
        assert -0.25 < score(image, prompt) < score(clear, prompt) == 0.0


def test_batch_of_scenes_equals_one_by_one():
    rng = np.random.default_rng(5)
    images = torch.tensor(np.stack([random_scene(rng)[0] for _ in range(6)]))
    prompts = ["red: 3", "blue: 2", "two green cats", "one orange hat", "red: 1", "yellow: 6"]
    scorer = REWARDS["colour_count"]().load()
    together = scorer.score(images, prompts)
    alone = [scorer.score(images[i : i + 1], prompts[i : i + 1]) for i in range(6)]
    assert together.dtype == torch.float32 and together.shape == (6,)
    assert torch.equal(together, torch.cat(alone))
    assert torch.equal(scorer.score(images.flip(0), prompts[::-1]), together.flip(0))


def test_nan_stays_with_its_image():
    images = torch.tensor(np.stack([draw(RED3_BLUE2)] * 3))
    images[1, 5, 5, 0] = float("nan")
    images[2, 5, 5, 0] = float("inf")
    scores = REWARDS["colour_count"]().load().score(images, ["red: 3, blue: 2"] * 3)
    assert scores.isnan().tolist() == [False, True, True]


def test_check_reads_the_widget_before_the_prompt():
    REWARDS["colour_count"]().load().check("two red balls")
    REWARDS["colour_count"](counts="red: 1").load().check("a landscape")
    with pytest.raises(ValueError, match='"a landscape"'):
        REWARDS["colour_count"]().load().check("a landscape")
    with pytest.raises(ValueError, match='"lots"'):
        REWARDS["colour_count"](counts="lots").load().check("two red balls")


def test_a_prompt_is_read_once_and_not_for_each_picture(monkeypatch):
    """Field 32."""
    read = []
    monkeypatch.setattr(
        colour_count, "counts_by_colour", lambda text, *_: read.append(text) or {"red": 3}
    )
    scorer = REWARDS["colour_count"]().load()
    scorer.check("three red balls")
    images = torch.tensor(np.stack([draw(RED3_BLUE2)] * 3))
    for _ in range(2):
        scorer.score(images, ["three red balls"] * 3)
    assert read == ["three red balls"]
