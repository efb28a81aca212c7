import pytest
from pack.rewards.count.colours import ALIASES, COLOURS
from pack.rewards.count.prompt_counts import NUMBERS, counts_by_colour


def read(text):
    return counts_by_colour(text, COLOURS, ALIASES)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("three red circles and two blue squares", {"red": 3, "blue": 2}),
        ("Three RED circles, two blue squares.", {"red": 3, "blue": 2}),
        ("3 red circles 2 blue squares", {"red": 3, "blue": 2}),
        ("three red and two blue circles", {"red": 3, "blue": 2}),
        ("two red circles and three red squares", {"red": 5}),
        ("a red circle and an orange square", {"red": 1, "orange": 1}),
        ("a single red circle, one single blue dot", {"red": 1, "blue": 1}),
        ("a pair of red circles", {"red": 2}),
        ("two pairs of red circles", {"red": 4}),
        ("a couple of red circles", {"red": 2}),
        ("a dozen red circles", {"red": 12}),
        ("dozen red circles", {"red": 12}),
        ("half a dozen red circles and half dozen blue ones", {"red": 6, "blue": 6}),
        ("two dozen red circles", {"red": 24}),
        ("two hundred red circles", {"red": 200}),
        ("twenty-one red circles", {"red": 21}),
        ("no red circles and 1 blue circle", {"red": 0, "blue": 1}),
        ("a photo of a red circle", {"red": 1}),
        ("a photo of three red circles on a white background", {"red": 3}),
        ("three red circles on a blue background", {"red": 3}),
        ("three red circles against yellow paper", {"red": 3}),
        ("a group of four purple stars", {"purple": 4}),
        ("two red circles left of a blue square", {"red": 2, "blue": 1}),
        ("three large, shiny red circles", None),
        ("three large shiny red circles", {"red": 3}),
        ("two light blue and two dark green hats", {"blue": 2, "green": 2}),
        ("two violet and one turquoise fish", {"purple": 2, "cyan": 1}),
        ("4k photo, 3 red balls (best quality:1.2)", {"red": 3}),
        ("two red-coloured balls", {"red": 2}),
        ("one red table on a blue table", {"red": 1}),
        ("red: 3, blue: 2", {"red": 3, "blue": 2}),
        ("red=3; blue = two", {"red": 3, "blue": 2}),
        ("red: 3\nblue: 2\n", {"red": 3, "blue": 2}),
        ("red circles: 3, red squares: 1", {"red": 4}),
        ("red: 0", {"red": 0}),
    ],
)
def test_colour_table(text, counts):
    if counts is None:
        with pytest.raises(ValueError):
            read(text)
    else:
        assert read(text) == counts


@pytest.mark.parametrize("number", [*range(21), *range(30, 100, 10)])
def test_numbers(number):
    word = next(word for word, value in NUMBERS.items() if value == number)
    assert read(f"{word} red circles") == read(f"{number} red circles") == {"red": number}
    assert read(f"red: {word}") == read(f"red: {number}") == {"red": number}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no number before a colour"),
        ("a landscape at dawn", "no number before a colour"),
        ("red circles", '"red circles" has no clear number'),
        ("some red circles", '"some red circles" has no clear number'),
        ("a few red circles", "no clear number"),
        ("several red circles and two blue ones", "no clear number"),
        ("a pile of red circles", "no clear number"),
        ("three red and blue circles", '"blue circles" has no clear number'),
        ("three circles", '"three circles" names none of the colours red, orange'),
        ("three red circles and two squares", '"two squares" names none'),
        ("three red circles and two black squares", "names none"),
        ("red: 3, mauve: 2", '"mauve: 2" names none'),
        ("red: 3, blue: many", "no clear number"),
        ("red: -1", "no clear number"),
        ("three red blue circles", "more than one colour"),
        ("two blue-green fish", "more than one colour"),
    ],
)
def test_unreadable_is_one_sentence_that_helps(text, why):
    with pytest.raises(ValueError) as error:
        read(text)
    message = str(error.value)
    assert f'"{text}"' in message and why in message and "\n" not in message
    example = message.split("Write for example ")[1].split('"')[1]
    assert read(example)
