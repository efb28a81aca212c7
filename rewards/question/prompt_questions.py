"""Questions that check an image against its prompt, made from the prompt by rules.

They ask for text in quotes, for each thing or how many of it there are, for colours and for places.
What the rules cannot read is not guessed. The last question is about the whole prompt. From "two
red cats under a chair" they make:

    How many cats are in the image? = 2
    Are the cats red?
    Is there a chair in the image?
    Are the cats under the chair?
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ..count.describing import COLOUR_WORDS
from ..count.object_prompt import object_counts, singular
from ..count.quotes import quoted_texts, without_quotes
from .checklist_lines import LARGEST, Item

WHOLE = 'Does this figure show "{}"?'
EDITED = (
    'Was exactly this done in the second image: "{}"?',
    'Apart from this edit: "{}", is everything in the second image as it is in the first?',
)
PLACES = (
    "to the left of", "on the left of", "to the right of", "on the right of", "left of", "right of",
    "on top of", "in front of", "next to", "inside of", "close to", "underneath", "beneath",
    "beside", "behind", "inside", "above", "below", "under", "over", "near", "on", "in",
)  # fmt: skip
# A thing's name, at most two words such as "sitting", and the words of a place.
BETWEEN = r"(?: [a-z-]+){0,2}? "
FEW = r"(?:the|a|an|one|two|three|four|five|six|seven|eight|nine|ten|\d+)"


@dataclass(frozen=True)
class Thing:
    """Things of one name.

    Args:
        name: the words that a question calls them by: "red cats", or "cats" without its colour.
        colour: "" if the name has it, or there is none.
        count: how many.
        pattern: finds them in the prompt.
    """

    name: str
    colour: str
    count: int
    pattern: str

    @property
    def be(self) -> str:
        return "Is" if self.count == 1 else "Are"


def questions_from(prompt: str) -> list[Item]:
    """The items that check an image of `prompt`."""
    texts = dict.fromkeys(quoted_texts(prompt))
    items = [Item(f'Is the text "{text}" written in the image?') for text in texts]
    plain = " ".join(without_quotes(prompt).lower().split())
    things = _things(plain)
    for thing in things:
        items.append(_presence(thing))
        if thing.colour and thing.count:
            items.append(Item(f"{thing.be} the {thing.name} {thing.colour}?"))
    return [*items, *_places(plain, things), Item(WHOLE)]


def edit_questions() -> list[Item]:
    """The items that check an edit, which a judge sees after its source."""
    return [Item(text) for text in EDITED]


def _presence(thing: Thing) -> Item:
    last = thing.name.split()[-1]
    if thing.count == 0 and singular(last) != last:
        return Item(f"Are there any {thing.name} in the image?", "no")
    if thing.count < 2:
        article = "an" if thing.name[0] in "aeiou" else "a"
        answer = "yes" if thing.count else "no"
        return Item(f"Is there {article} {thing.name} in the image?", answer)
    if thing.count > LARGEST:
        return Item(f"Are there exactly {thing.count} {thing.name} in the image?")
    return Item(f"How many {thing.name} are in the image?", str(thing.count))


def _things(prompt: str) -> list[Thing]:
    """The things that the prompt counts; none if it cannot be read."""
    try:
        counts = object_counts(prompt)
    except ValueError:  # it names no thing for certain
        return []
    counts = {name: count for name, count in counts.items() if not name.endswith("'s")}
    heads = Counter(name.split()[-1] for name in counts)
    return [
        _thing(name, count, heads[name.split()[-1]] == 1, prompt) for name, count in counts.items()
    ]


def _thing(name: str, count: int, alone: bool, prompt: str) -> Thing:
    """The thing of a name, which is `alone` if no other one ends in the same word."""
    words = name.split()
    written = _written(words, prompt) if count != 1 else words
    colours = [word for word in words[:-1] if word in COLOUR_WORDS]
    colour = colours[0] if alone and len(colours) == 1 else ""
    called = " ".join(word for word in written if word != colour)
    adjectives = " ".join(map(re.escape, written[:-1]))
    head = re.escape(written[-1])
    pattern = (
        f"(?:{adjectives} )?{head}" if alone and adjectives else " ".join(map(re.escape, written))
    )
    return Thing(called, colour, count, pattern)


def _written(words: list[str], prompt: str) -> list[str]:
    """The words of a singular name as the prompt has them, in the plural."""
    tokens = re.findall(r"[\w'-]+", prompt)
    for i in range(len(tokens) - len(words) + 1):
        part = tokens[i : i + len(words)]
        if part[:-1] == words[:-1] and singular(part[-1]) == words[-1]:
            return part
    return words


def _places(prompt: str, things: list[Thing]) -> Iterator[Item]:
    """Questions about which thing is where, for each two with a word of a place between them."""
    where = "|".join(PLACES)
    for thing in things:
        for target in things:
            rule = rf"\b{thing.pattern}{BETWEEN}({where}) {FEW} {target.pattern}\b"
            match = re.search(rule, prompt)
            if thing is not target and thing.count and match:
                yield Item(f"{thing.be} the {thing.name} {match[1]} the {target.name}?")
