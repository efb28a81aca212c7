"""The lines of a checklist: `question = answer * weight`, each with its answers' words.

The answer is yes if a line has none, and the weight 1. An answer is yes, no, a number from 0 to 9,
or a word. A number, a yes or a no is compared with the others of its kind, a word with
all answers.
"""

import math
import re
from dataclasses import dataclass

from ..count.number_words import NUMBERS
from ..types import Question

LINE = re.compile(
    r"(?P<text>.*?)(?:\s=\s*(?P<answer>[^=?]*?))?(?:\s\*\s*(?P<weight>[^\s*?=]+))?\s*$"
)
LONGEST, MOST = 500, 64  # characters of a line that a report shows, lines of a checklist
EXPECTED = "expected `question = answer * weight`, such as `How many cats are there? = 2 * 0.5`"
BINARY = ("yes", "no")
WORDS = {value: word for word, value in reversed(NUMBERS.items()) if value <= 10}
COUNTS = {value: (str(value), word) for value, word in WORDS.items()} | {0: ("0", "zero", "none")}
LARGEST = 9  # the first token of a larger number may be that of a smaller one
HOW = {  # to answer
    "binary": "Please answer Yes or No.",
    "count": "Please answer with a number only.",
    "word": "Please answer with one word only.",
}


@dataclass(frozen=True)
class Item:
    """One line of a checklist.

    Args:
        text: the question, as the user reads it.
        answer: the answer hoped for.
        weight: more than 0.
    """

    text: str
    answer: str = "yes"
    weight: float = 1.0

    def about(self, prompt: str) -> "Item":
        """The item with `prompt` in place of {}, in one line of printable characters."""
        words = " ".join(self.text.replace("{}", prompt).split())
        printable = "".join(c if c.isprintable() else " " for c in words)
        return Item(printable, self.answer, self.weight)

    @property
    def shown(self) -> str:
        """The question as a report shows it."""
        return self.text if len(self.text) <= LONGEST else f"{self.text[: LONGEST - 1]}…"

    @property
    def question(self) -> Question:
        """What a judge is asked."""
        number = number_in(self.answer)
        if self.answer in BINARY:
            opposite = "no" if self.answer == "yes" else "yes"
            return Question(f"{self.text} {HOW['binary']}", (self.answer,), (opposite,))
        if number is None:
            return Question(f"{self.text} {HOW['word']}", (self.answer,))
        rest = (words for value, words in COUNTS.items() if value != number)
        return Question(f"{self.text} {HOW['count']}", COUNTS[number], sum(rest, ()))


def number_in(answer: str) -> int | None:
    """The number that an answer is, None for any other answer."""
    if answer.isascii() and answer.isdigit():
        return int(answer)
    return None if answer in BINARY else NUMBERS.get(answer)


def read_lines(text: str) -> list[Item]:
    """The items of a text; empty lines do not count.

    Raises:
        ValueError: a line cannot be read, or there are too many.
    """
    lines = [(i, line.strip()) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(lines) > MOST:
        raise ValueError(f"The checklist is too long: got {len(lines)} questions, expected {MOST}.")
    return [read_line(line, f"Line {i} of the checklist") for i, line in lines]


def read_line(line: str, name: str) -> Item:
    """The item of a line.

    Args:
        line: without blanks around it.
        name: of the line, for errors.

    Raises:
        ValueError: it cannot be read.
    """
    parts = LINE.match(line)
    text, answer, weight = (parts[key] for key in ("text", "answer", "weight"))
    if text[:1] in ("", "=") or answer == "" or len(line) > LONGEST:
        raise ValueError(f"{name} cannot be read: got {line[:80]!r}, {EXPECTED}.")
    answer = "yes" if answer is None else answer.lower()
    number = number_in(answer)
    if number is not None and number > LARGEST:
        raise ValueError(
            f"{name} hopes for a large number: got {number}, expected at most {LARGEST}. Ask "
            f"whether there are {number}, to be answered with yes."
        )
    return Item(text, answer, _weight(weight, name))


def _weight(text: str | None, name: str) -> float:
    try:
        weight = 1.0 if text is None else float(text)
    except ValueError:
        weight = math.nan
    if not (0.0 < weight < 1e6):
        raise ValueError(f"{name} has no usable weight: got {text!r}, expected a number above 0.")
    return weight
