"""Prompts of every kind are read right, or refused in one sentence (Field 9, 10, 11 and 32).

The table is `fixtures/counting_prompts.txt`; sentences made of parts and prompts that once took
quadratic time are below.
"""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from pack.rewards.count.colours import ALIASES, COLOURS
from pack.rewards.count.count_lexicon import ARTICLES, AUXILIARIES, DETERMINERS
from pack.rewards.count.number_words import number_value
from pack.rewards.count.object_prompt import object_counts, singular
from pack.rewards.count.prompt_counts import counts_by_colour

TABLE = Path(__file__).with_name("fixtures") / "counting_prompts.txt"


def pairs(text):
    """ "dog 5, red cat 2" as {"dog": 5, "red cat": 2}; None of "?"."""
    if text == "?":
        return None
    return {name: int(count) for name, count in (part.rsplit(" ", 1) for part in text.split(", "))}


LINES = [line for line in TABLE.read_text("utf-8").splitlines() if line and line[0] != "#"]
CASES = [line.rsplit(" = ", 1) for line in LINES]


@pytest.mark.parametrize(("text", "asked"), CASES)
def test_prompts_are_read_or_refused(text, asked):
    """Field 9, 10, 11."""
    if pairs(asked) is not None:
        assert object_counts(text) == pairs(asked)
        return
    with pytest.raises(ValueError) as error:
        object_counts(text)
    message = str(error.value)
    assert message.startswith("Cannot read counts from ") and "\n" not in message
    assert "`counts`" in message and '"airplanes: 6, camels: 7"' in message


def test_the_table_is_large_and_of_both_kinds():
    assert len(CASES) > 600 and len({text for text, _ in CASES}) == len(CASES)
    assert 100 < sum(asked == "?" for _, asked in CASES) < len(CASES) / 2


def test_what_is_asked_for_is_a_thing():
    """Field 9: no verb, article or number in a name, and no name that is a sentence."""
    for text, asked in CASES:
        for name in pairs(asked) or {}:
            words = name.split()
            assert 1 <= len(words) <= 8, text
            assert ARTICLES.isdisjoint(words) and DETERMINERS.isdisjoint(words), text
            assert (AUXILIARIES - {"can"}).isdisjoint(words), text
            assert number_value(words[0]) in (None, 1967), text


NUMBERS = {"two": 2, "3": 3, "twelve": 12, "twenty five": 25, "a hundred": 100, "half a dozen": 6}
THINGS = (
    "dog taxi wolf fox church baby fish corgi octopus dining-table wine-glass mouse man".split()
)
PLURALS = {"wolf": "wolves", "fish": "fish", "mouse": "mice", "man": "men", "church": "churches"}
PLURALS |= {"fox": "foxes", "baby": "babies", "wine-glass": "wine-glasses", "octopus": "octopuses"}
ADJECTIVES = ["", "red ", "very old ", "small striped ", "gorgeous ", "wooden ", "sparkling "]
ENDS = (
    "| slept soundly| are moving slowly| quietly guard the gate| jumped over the fence"
    "| blinking at the moon| covered in mud| glow in the dark| were painted by hand"
    "| that nobody owns| argued with their neighbours| on top of each other"
).split("|")


@pytest.mark.parametrize("seed", range(40))
def test_sentences_made_of_parts(seed):
    """Field 9: any number, adjective and noun, and any clause after them."""
    draw = random.Random(seed)
    first, second = draw.sample(THINGS, 2)
    asked, parts = {}, []
    for thing in (first, second):
        number, adjective = draw.choice(list(NUMBERS)), draw.choice(ADJECTIVES)
        many = PLURALS.get(thing, thing + "s")
        parts.append(f"{number} {adjective}{many}{draw.choice(ENDS)}".replace("-", " "))
        asked[f"{adjective}{thing}".replace("-", " ")] = NUMBERS[number]
    text = draw.choice([" and ", ", ", " while ", " next to "]).join(parts)
    assert object_counts(text) == asked
    assert object_counts(text.upper().replace(" ", "  ")) == asked


@pytest.mark.parametrize(
    "pair",
    (
        "corgis corgi|taxis taxi|kiwis kiwi|skis ski|emus emu|menus menu|gnus gnu|tutus tutu|"
        "plateaus plateau|cacti cactus|octopi octopus|fungi fungus|hippopotami hippopotamus|"
        "larvae larva|vertices vertex|oases oasis|irises iris|ibises ibis|canvases canvas|"
        "lenses lens|rhinoceroses rhinoceros|walruses walrus|dwarves dwarf|geishas geisha|"
        "tennis tennis|ibis ibis|metropolis metropolis|gorgeous gorgeous|walrus walrus|"
        "christmas christmas|canvas canvas|samurai samurai|swordfish swordfish|"
        "spacecraft spacecraft|men's men's|1920s 1920s|glass glass"
    ).split("|"),
)
def test_plurals_in_is_us_and_i(pair):
    """Field 11."""
    plural, single = pair.split()
    assert singular(plural) == single


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("a large, red ball and two blue balls", "red 1, blue 2"),
        ("exactly seven red candles, no more, no less", "red 7"),
        ("a half dozen red eggs", "red 6"),
        ("two thousand red lanterns", "red 2000"),
        ("twenty one green birds", "green 21"),
        ("a trio of red dogs and one blue cat", "red 3, blue 1"),
        ("a red Formula 1 car and two blue tyres", "red 1, blue 2"),
        ("two red balls at 3 pm, f/1.8, 4k", "red 2"),
        ("two red balls on a route 66 sign", "red 2"),
        ("three red balls on a yellow table", "red 3"),
        ("a red table and a blue ball", "red 1, blue 1"),
        ("a yellow wall with three red circles", "red 3"),
        ("an orange orange", "orange 1"),
        ("a boy holds four red balloons", "red 4"),
        ("five red dogs happily wagged their tails", "red 5"),
        ("two red left shoes", "red 2"),
        ("red: two hundred, blue: a dozen", "red 200, blue 12"),
        ("about five red balls", "?"),
        ("three or four red balls", "?"),
        ("two red boxes each with one blue ball", "?"),
        ("two red balls, three circles", "?"),
        ("zwei rote Bälle", "?"),
        ("三个红球", "?"),
        ("deux ballons rouges", "?"),
        ("red: 99999999999", "?"),
    ],
)
def test_colours_are_read_by_the_same_rules(text, asked):
    """Field 9, 10, 11 for colour_count."""
    if pairs(asked) is not None:
        assert counts_by_colour(text, COLOURS, ALIASES) == pairs(asked)
        return
    with pytest.raises(ValueError, match="Cannot read counts.*`counts`") as error:
        counts_by_colour(text, COLOURS, ALIASES)
    assert "\n" not in str(error.value)


REPEATED = [
    " ", "\t", "\n", "\u00a0", "1", "1 ", "1,", "9.", "1:", "a ", "a, ", "big ", "big, ",
    "big and ", "happily ", "5% ", "#1 ", "2x ", "2girls ", "(", "((cat:1.2)", "<a", '"', " '",
    "s' ", "“", "two ", "two dogs, ", "of ", "a bowl of ", "hundred ", "one another ", "the ",
    "left ", "and ", "a-", "_", "&amp;", "é", "red: 3, ", ": ", "= ", "[a|", "men", "ies",
    "without a ", "more ", "\u0301\u0323", "&#769;&#803;",
]  # fmt: skip


def surrounded(many):
    return "two dogs" + many, many + "two dogs", "red" + many + ": 3", "a " + many + "dog"


def calls(read, text):
    """How many functions are called, those of C too, when `text` is read."""
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        read(text)
    except ValueError:
        pass
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("part", REPEATED)
def test_reading_takes_linearly_many_steps(part):
    """Field 32."""
    for read in (object_counts, lambda text: counts_by_colour(text, COLOURS, ALIASES)):
        once, four = (surrounded(part * (size // len(part))) for size in (1000, 4000))
        for short, long in zip(once, four, strict=True):
            assert calls(read, long) < 4.5 * calls(read, short) + 500, short[:20]


READ_ALL = """
import runpy, sys
runpy.run_path(sys.argv[1] + "/tools/checkout.py")
from pack.rewards.count.colours import ALIASES, COLOURS
from pack.rewards.count.object_prompt import object_counts
from pack.rewards.count.prompt_counts import counts_by_colour
for part in eval(sys.argv[2]):
    many = part * (400_000 // len(part))
    for text in ("two dogs" + many, "red" + many + ": 3", "red" + many + "x"):
        print(ascii(part), ascii(text[-3:]), flush=True)
        for read in (object_counts, lambda text: counts_by_colour(text, COLOURS, ALIASES)):
            try:
                read(text)
            except ValueError as error:
                assert len(str(error)) < 900, error
"""


def test_patterns_take_linear_time(tmp_path):
    """Field 32: 400 kB of one character, of which a quadratic pattern would need hours."""
    root = Path(__file__).resolve().parents[2]
    parts = [" ", "\t", "\n", " \n", "\u00a0", "1", "9.", "1:", "a", "a-", "a'", "é"]
    subprocess.run(
        [sys.executable, "-c", READ_ALL, str(root), repr(parts)],
        check=True, timeout=500, cwd=tmp_path, stdout=sys.stderr,
    )  # fmt: skip
