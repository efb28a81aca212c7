"""Which scored images Score Images keeps, and which it rejects."""

import math

import pytest

SCORES = [0.2, 0.9, math.nan, 0.5, 0.9]


@pytest.fixture
def culling(parts):
    return parts.culling


@pytest.mark.parametrize(
    "keep, threshold, kept",
    [
        (0, None, [1, 4, 3, 0]),
        (2, None, [1, 4]),
        (3, None, [1, 4, 3]),
        (9, None, [1, 4, 3, 0]),
        (0, 0.5, [1, 4, 3]),
        (2, 0.5, [1, 4]),
        (3, 0.6, [1, 4]),
        (0, 0.91, []),
        (1, 0.91, []),
    ],
)
def test_every_image_is_kept_or_rejected(culling, keep, threshold, kept):
    chosen = culling.Culling(SCORES, keep, threshold)
    assert chosen.order == [1, 4, 3, 0, 2]
    assert chosen.kept == kept
    assert chosen.rejected == [i for i in chosen.order if i not in kept]


def test_what_is_no_number_is_rejected_without_any_limit(culling):
    chosen = culling.Culling([math.nan, -math.inf, math.inf, -5e5])
    assert (chosen.kept, chosen.rejected) == ([3], [0, 1, 2])


def test_rounding_does_not_reject(culling):
    """0.7 as float32 is 0.699999988."""
    assert culling.Culling([0.699999988079071, 0.69999], 0, 0.7).kept == [0]


def test_the_sentence_for_nothing_kept(culling):
    sentence = culling.Culling(SCORES, 2, 0.95).nothing_kept
    assert sentence == (
        "No image reaches the threshold: got 0.9 as the best of 5, expected 0.95 or more."
    )


def test_the_node_says_what_it_kept(culling):
    assert culling.Culling(SCORES, 2).summary == "Kept 2 of 5. Best score 0.9."
    said = culling.Culling(SCORES, 2, 0.95).summary
    assert said.startswith("No image reaches the threshold: ") and "earlier run" in said


def test_limits(culling):
    assert culling.limits(2, 0.5) == (2, 0.5)
    assert culling.limits(0, culling.NO_THRESHOLD) == (0, None)
    with pytest.raises(ValueError, match="keep is negative: got -1, expected 0 or more"):
        culling.limits(-1, 0.5)
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="threshold is not finite: got .*, expected a finite"):
            culling.limits(0, bad)


@pytest.mark.parametrize(
    "keep, threshold, note",
    [
        (0, None, "no limits"),
        (2, None, "best 2"),
        (0, 0.5, "threshold 0.5"),
        (2, -1.0, "best 2, threshold -1"),
    ],
)
def test_the_note_on_the_sheet(culling, keep, threshold, note):
    assert culling.Culling(SCORES, keep, threshold).note == note
