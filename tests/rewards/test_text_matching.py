"""What text a prompt asks for, and how it is matched with the lines that are read; no weights."""

import itertools
import random

import pytest
from pack.rewards.text.lines import Box, lines_of, words_in
from pack.rewards.text.matching import distance, match, wrong_letters
from pack.rewards.text.quoted_text import texts_in

np = pytest.importorskip("numpy")


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ('a sign that says "OPEN"', ["OPEN"]),
        ("a sign “OPEN”, and below „24 HOURS“", ["OPEN", "24 HOURS"]),
        ("a «salon» in 「TOKYO」", ["salon", "TOKYO"]),
        ("the dog's sign says 'DON'T PANIC' today", ["DON'T PANIC"]),
        ("the dogs' bowl says 'REX'", ["REX"]),
        ('"a"', ["a"]),
        ('two\n"lines  of\ntext"', ["lines of text"]),
        ('it says "caf—e"', ["caf-e"]),
    ],
)
def test_texts_in_quotes(prompt, texts):
    assert texts_in(prompt, "") == texts


def test_the_setting_comes_before_the_prompt():
    assert texts_in('a sign "A"', "ONE\n\n TWO ") == ["ONE", "TWO"]


@pytest.mark.parametrize(
    ("prompt", "setting", "wrong"),
    [
        ("a sign", "", r"no text in quotes: got 'a sign', expected one such as"),
        ('an empty sign ""', "", "no text in quotes"),
        ("the dog's sign", "", "no text in quotes"),
        ('a sign "café"', "", r"does not know some letters: got 'é', expected English"),
        ("", "\n".join("abcdefghi"), r"too many texts to read: got 9, expected 8"),
    ],
)
def test_what_cannot_be_read_is_refused(prompt, setting, wrong):
    with pytest.raises(ValueError, match=wrong):
        texts_in(prompt, setting)


def slow_distance(a, b):
    if not (a and b):
        return len(a) + len(b)
    change = slow_distance(a[1:], b[1:]) + (a[0] != b[0])
    return min(change, slow_distance(a[1:], b) + 1, slow_distance(a, b[1:]) + 1)


def test_the_edit_distance_and_its_letters():
    rng = random.Random(0)
    for _ in range(60):
        a, b = ("".join(rng.choices("abc", k=rng.randint(0, 5))) for _ in range(2))
        parts = [b[i:j] for i in range(len(b) + 1) for j in range(i, len(b) + 1)]
        assert distance(a, b) == slow_distance(a, b)
        assert distance(a, b, inside=True) == min(slow_distance(a, part) for part in parts)
        for inside in (False, True):
            wrong, lacking = wrong_letters(a, b, inside)
            assert len(wrong) + len(lacking) == distance(a, b, inside)
    assert wrong_letters("OPEN", "OOPEM") in (([0, 4], []), ([1, 4], []))
    assert wrong_letters("OPEN", "OPN") == ([], [2])
    assert wrong_letters("OPEN", "xxOPENyy", inside=True) == ([], [])


def brute(extra, missing, spans):
    """The least cost over all ways to give texts spans that do not overlap."""
    best = sum(extra) + sum(missing)
    options = [[None, *((a, b) for t, a, b in spans if t == text)] for text in range(len(missing))]
    for choice in itertools.product(*options):
        taken = [line for span in choice if span for line in range(*span)]
        if len(taken) == len(set(taken)):
            cost = sum(e for i, e in enumerate(extra) if i not in taken)
            for text, span in enumerate(choice):
                cost += spans[(text, *span)] if span else missing[text]
            best = min(best, cost)
    return best


def test_the_matching_is_the_cheapest():
    rng = random.Random(1)
    for _ in range(40):
        lines, texts = rng.randint(0, 4), rng.randint(1, 3)
        extra = [rng.randint(0, 5) for _ in range(lines)]
        missing = [rng.randint(1, 6) for _ in range(texts)]
        places = itertools.combinations(range(lines + 1), 2)
        spans = {(t, a, b): rng.randint(0, 9) for a, b in places for t in range(texts)}
        found = match(extra, missing, spans)
        assert found.cost == brute(extra, missing, spans)
        cost = sum(spans[(t, *at)] for t, at in found.spans.items())
        cost += sum(m for t, m in enumerate(missing) if t not in found.spans)
        taken = {line for at in found.spans.values() for line in range(*at)}
        assert cost + sum(e for i, e in enumerate(extra) if i not in taken) == found.cost


def test_words_are_areas_with_a_letter():
    region, affinity = np.zeros((2, 40, 80), np.float32)
    region[10:16, 10:16] = region[10:16, 20:26] = 0.9
    affinity[12:14, 14:22] = 0.8
    region[30:36, 60:66] = 0.6  # never sure
    region[30:33, 10:13] = 0.9  # a speck
    (word,) = words_in(region, affinity)
    assert word.left < 10 < 25 < word.right < 30 and word.top < 10 < 15 < word.bottom < 20


def test_words_side_by_side_are_a_line_in_reading_order():
    words = [Box(50, 41, 90, 61), Box(10, 40, 48, 60), Box(10, 5, 40, 25), Box(150, 5, 190, 25)]
    lines = lines_of(words, (100, 200))
    assert [line[0] for line in lines] == [8, 148, 8] and lines[2][2] > 90
    assert lines_of([], (100, 200)) == []
    assert lines_of([Box(-5, -5, 300, 200)], (100, 200)) == [(0, 0, 200, 100)]
