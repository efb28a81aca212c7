import pytest
from pack.rewards.count.object_prompt import object_counts, singular


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("six airplanes and four camels", {"airplane": 6, "camel": 4}),
        ("airplanes: 6, camels: 7", {"airplane": 6, "camel": 7}),
        ("x-rays: 3; men's hats = twelve\ncow: 1", {"x-ray": 3, "men's hat": 12, "cow": 1}),
        ("sheep: 3", {"sheep": 3}),
        ("6 airplanes, 7 camels", {"airplane": 6, "camel": 7}),
        ("a photo of six airplanes flying over a camel", {"airplane": 6, "camel": 1}),
        ("a camel and an old red airplane", {"camel": 1, "old red airplane": 1}),
        ("two large red apples and three green apples", {"large red apple": 2, "green apple": 3}),
        ("one dog, two dogs", {"dog": 3}),
        ("no dogs and two cats", {"dog": 0, "cat": 2}),
        ("a dozen eggs", {"egg": 12}),
        ("twenty-one birds, thirty fish", {"bird": 21, "fish": 30}),
        ("a hundred balloons", {"balloon": 100}),
        ("two pairs of shoes", {"shoe": 4}),
        ("a pair of scissors", {"scissors": 1}),
        ("three pairs of binoculars and one pair of red scissors",
         {"binoculars": 3, "red scissors": 1}),
        ("two pairs of reading glasses, a pair of glasses", {"reading glasses": 2, "glasses": 1}),
        ("a pair of glasses of wine", {"glass of wine": 2}),
        ("a pair of children wearing sunglasses", {"child": 2}),
        ("an orange and two black dogs", {"orange": 1, "black dog": 2}),
        ("orange: 1, apples: 2", {"orange": 1, "apple": 2}),
        ("no pairs of tongs, two scissors", {"tongs": 0, "scissors": 2}),
        ("two glasses of wine", {"glass of wine": 2}),
        ("two bowls of apples", {"bowl of apples": 2}),
        ("three cats sleeping on a wooden table", {"cat": 3}),
        ("three cats on one table", {"cat": 3, "table": 1}),
        ("A man riding a horse", {"man": 1, "horse": 1}),
        ("a gold ring and three wedding rings", {"gold ring": 1, "wedding ring": 3}),
        ("two dogs are chasing three cats", {"dog": 2, "cat": 3}),
        ("two women wearing hats, one boy", {"woman": 2, "boy": 1}),
        ("two sports cars", {"sports car": 2}),
        ("a sports car and four red racing cars", {"sports car": 1, "red racing car": 4}),
        ("five birds high up", {"bird": 5}),
        ("four people in a desert at night", {"person": 4}),
        ("a group of four children", {"child": 4}),
        ("three jalapeños", {"jalapeño": 3}),
        ("two cats (masterpiece:1.2), 4k photo", {"cat": 2}),
        ("eight 1.5 liter bottles", {"liter bottle": 8}),
        ("eight cacti at 5 pm, 35 mm lens, a 6 year old boy", {"cactus": 8}),
        ("one hundred and two sheep and three cows", {"sheep": 102, "cow": 3}),
        ("a hundred and twenty-one red kites", {"red kite": 121}),
        ("two hundred balls and two hats", {"ball": 200, "hat": 2}),
        ("a black and white photo of two cats", {"cat": 2}),
        ("two black and white cats", {"black-and-white cat": 2}),
        ("a red and blue parrot on two branches", {"red-and-blue parrot": 1, "branch": 2}),
    ],
)  # fmt: skip
def test_table(text, counts):
    assert object_counts(text) == counts


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no number"),
        ("camels", "no number"),
        ("some camels", "no number"),
        ("a landscape at dawn", "no number"),
        ("a bowl of apples", "no number"),
        ("three", '"three" does not say what to count'),
        ("three 6 year old girls", '"three" does not say what to count'),
        ("a dozen and two eggs", '"a dozen" does not say what to count'),
        ("two people, one in a red hat", '"one" does not say what to count'),
        ("two groups of three dogs", '"two groups of" does not say what to count'),
        ("two cats: one black and one white", '"one black" does not say what to count'),
        ("three red, two blue and one green balloon", '"three red" does not say what to count'),
        ("three red and blue balloons", '"three red" does not say what to count'),
        ("a red and a blue car", '"a red" does not say what to count'),
        ("red: 3, orange: 2", '"red: 3" does not say what to count'),
        (
            "three dogs, two of the dogs asleep",
            '"two of the dogs asleep" does not say what to count',
        ),
        ("three large, shiny red balls", '"three large" does not say what to count'),
    ],
)
def test_unreadable_is_one_sentence_that_helps(text, why):
    with pytest.raises(ValueError) as error:
        object_counts(text)
    message = str(error.value)
    assert f'"{text}"' in message and why in message and "\n" not in message
    for example in message.split("Write for example ")[1].split('"')[1::2]:
        assert object_counts(example) == {"airplane": 6, "camel": 7}


@pytest.mark.parametrize(
    "pair",
    (
        "airplanes airplane|camels camel|boxes box|dishes dish|peaches peach|glasses glass|"
        "buses bus|houses house|roses rose|horses horse|cherries cherry|cookies cookie|"
        "movies movie|puppies puppy|potatoes potato|shoes shoe|shelves shelf|bookshelves bookshelf|"
        "knives knife|olives olive|gloves glove|people person|snowmen snowman|women woman|men man|"
        "children child|mice mouse|feet foot|geese goose|sheep sheep|fish fish|scissors scissors|"
        "bus bus|glass glass|cactus cactus|tennis tennis|ramen ramen|dog dog|tights tights|s s"
    ).split("|"),
)
def test_singular(pair):
    plural, single = pair.split()
    assert singular(plural) == single
    assert singular(single) == single
