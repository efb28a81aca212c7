"""Read counts from text: "three red circles and two blue squares", or "red: 3, blue: 2".

A text is cut into phrases at punctuation, conjunctions, prepositions and determiners ("the"), and
before each number that is a count. `prompt_tokens` decides which numbers are, and `prompt_numbers`
reads them. A text that is not understood is an error, never a guess.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .count_lexicon import (
    AUXILIARIES,
    DENIED,
    DETERMINERS,
    DIRECTIONS,
    GROUNDS,
    INEXACT,
    INEXACT_PAIRS,
    MADE_THINGS,
    MEASURES,
    PLACING,
    SURFACES,
)
from .describing import describes, is_doing
from .number_words import NUMBERS, Name, Unclear, number_value
from .prompt_numbers import Number, begins_number, read_number
from .prompt_tokens import cleaned, is_break, tokens_of

__all__ = ["NUMBERS", "Phrase", "counts_by_colour", "read_phrases", "unreadable"]

COLOUR_EXAMPLE = (
    '"three red circles and two blue squares", or in the field `counts` "red: 3, blue: 2"'
)
NO_NUMBER = {  # pairs of words that begin like a number but do not count
    *[("no", word) for word in ("more", "less", "fewer", "other", "others", "longer", "one")],
    ("one", "another"), ("single", "file"), ("no", "matter"), ("no", "doubt"),
}  # fmt: skip
ALL_OF = frozenset("detail direction side corner day way colour color time".split())
_NAME = re.compile(r"[^\W\d_][\w '-]*")


@dataclass(frozen=True)
class Phrase:
    """Words with the number before them.

    Args:
        count: None if there is no number or a vague one ("some").
        words: the words after the number.
        firm: False for a bare article: "a photo" need not be something to count.
        text: the whole phrase, for errors.
        before: the token before the phrase, empty at the start.
        after: the token after the phrase, empty at the end.
        direct: True if the next phrase follows without a break.
        pairs: True for "a pair of" and "two pairs of", where `count` counts two per pair.
        listed: True for "red: 3", where `words` is the whole name.
    """

    count: int | None
    words: tuple[str, ...]
    firm: bool
    text: str
    before: str = ""
    after: str = ""
    direct: bool = False
    pairs: bool = False
    listed: bool = False

    @property
    def scenery(self) -> bool:
        """Whether it is the background, or a table that something stands on."""
        if self.firm:
            return False
        background = not (GROUNDS | {"scene"}).isdisjoint(self.words)
        placed = self.before in PLACING or self.after in ("with", "of")
        return background or (placed and not (SURFACES | MADE_THINGS).isdisjoint(self.words))


def counts_by_colour(
    text: str, colours: Collection[str], aliases: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Target counts for the colours named in `text`; a colour named twice adds up.

    Args:
        text: a prompt, or a list like "red: 3, blue: 2".
        colours: the colours that can be counted.
        aliases: further names, mapped to one of `colours`.

    Raises: ValueError if a number has no such colour, a colour has no number, or there is neither.
        "a white background" and other scenery is ignored.
    """
    try:
        return summed(_colour_counts(text, colours, dict(aliases or {})))
    except Unclear as why:
        raise unreadable(text, str(why)) from None


def _colour_counts(
    text: str, colours: Collection[str], aliases: Mapping[str, str]
) -> list[tuple[str, int]]:
    """Pairs of colour and count, in the order of the text."""
    names = {colour: colour for colour in colours} | aliases
    counts = []
    for phrase in read_phrases(cleaned(text)):
        mentioned = _colours_in(phrase.words, names)
        measure = not mentioned and not MEASURES.isdisjoint(phrase.words[:1])  # "3 pm"
        if phrase.scenery or measure or not (mentioned or phrase.firm):
            continue
        if not mentioned:
            raise Unclear(f'"{phrase.text}" names none of the colours {", ".join(colours)}')
        if len(mentioned) > 1:
            raise Unclear(f'"{phrase.text}" names more than one colour')
        # "a pile of red circles" is not one circle, and "a photo of" is not a count.
        if phrase.count is None or ("of" in phrase.words and not phrase.firm):
            raise Unclear(f'"{phrase.text}" has no clear number')
        counts.append((mentioned.pop(), phrase.count))
    if not counts:
        raise Unclear("it has no number before a colour")
    return counts


def read_phrases(text: str) -> list[Phrase]:
    """Cut a `cleaned` text into its phrases, with and without counts; Unclear if it is vague."""
    pairs = _read_pairs(text)
    if pairs:
        return pairs
    tokens = tokens_of(text)
    _check_shares(tokens)
    phrases: list[Phrase] = []
    start = 0
    while start < len(tokens):
        if tuple(tokens[start : start + 2]) in NO_NUMBER:
            start += 2
            continue
        number = read_number(tokens, start)
        words, end = _words_after(tokens, number)
        if words or number.firm:
            phrases.append(_phrase(tokens, start, end, number, words))
        broken = end < len(tokens) and _is_break_at(tokens, end)
        start = end + 1 if broken else max(end, start + 1)
    return phrases


def _phrase(
    tokens: Sequence[str], start: int, end: int, number: Number, words: tuple[str, ...]
) -> Phrase:
    """The phrase of the tokens from `start` to `end`; Unclear if its number is vague."""
    text = " ".join(tokens[start:end])
    before, after = (tokens[at] if 0 <= at < len(tokens) else "" for at in (start - 1, end))
    count = number.value
    if count is not None:
        earlier = tokens[start - 2] if start > 1 else ""
        following = tokens[end + 1] if end + 1 < len(tokens) else ""
        _check_exact(f"{before} {text}", number, earlier, before, after, following)
        if before == "without":
            count = 0
    direct = end < len(tokens) and not _is_break_at(tokens, end)
    return Phrase(count, words, number.firm, text, before, after, direct, number.pairs)


def _check_exact(
    text: str, number: Number, earlier: str, before: str, after: str, following: str
) -> None:
    """Raise Unclear if the words around a number make it vague or leave a choice."""
    start = not earlier or not earlier[0].isalnum() or earlier in ("of", "with")
    subject = before == "about" and not start and _is_noun(earlier)  # "a comic about two cats"
    vague = (before in INEXACT and not subject) or (earlier, before) in INEXACT_PAIRS
    vague |= before in ("over", "around", "under") and start and (number.value or 0) >= 10
    vague |= after == "or" and following in ("more", "less", "fewer", "so")
    if number.firm and vague:
        raise Unclear(f'"{text}" is not an exact number')
    if before == "or" or before in DENIED:
        raise Unclear(f'"{text}" does not say whether the image should show it')
    if before == "without" and (number.firm or after in ("and", "or", ",")):
        raise Unclear(f'"{text}" does not say what the image should show')


def _is_noun(word: str) -> bool:
    return not (is_break(word) or is_doing(word) or describes(word) or word in AUXILIARIES)


def _check_shares(tokens: Sequence[str]) -> None:
    """Raise Unclear for "two cats each" and the like, which do not give a total."""
    for word, after in pairwise([*tokens, ""]):
        shares = word in ("apiece", "respectively", "per")
        shares |= word == "every" and after not in ALL_OF
        if shares or (word == "each" and after != "other"):
            raise Unclear(f'"{word}" does not give a total number')


def _read_pairs(text: str) -> list[Phrase]:
    """Read "red: 3, blue: two"; empty if a part of `text` has another form."""
    phrases = []
    for part in filter(str.strip, re.split(r"[,;\n]", text)):
        name, *values = (side.strip() for side in re.split(r"[:=]", part))
        value = values[0].split() if len(values) == 1 else []
        number = read_number(value, 0) if value and _NAME.fullmatch(name) else None
        if number is None or not number.firm or number.value is None or number.end < len(value):
            return []
        if any(number_value(word) is not None for word in name.split()):
            return []  # "two dogs at 10:30"
        phrases.append(Phrase(number.value, tuple(name.split()), True, part.strip(), listed=True))
    return phrases


def _words_after(tokens: Sequence[str], number: Number) -> tuple[tuple[str, ...], int]:
    """The words after `number` up to the end of its phrase, and the index of that end.

    In "a large, shiny ball" a row of adjectives continues after commas and "and".
    """
    words: list[str] = []
    at, row = number.end, number.value == 1
    while True:
        first = len(words)
        while at < len(tokens) and not _ends_phrase(tokens, number, at):
            words.append(tokens[at])
            at += 1
        row = row and len(words) > first and all(map(describes, words[first:]))
        resume = at
        while resume < at + 2 and resume < len(tokens) and tokens[resume] in (",", "and"):
            resume += 1
        if not row or not at < resume < len(tokens) or _ends_phrase(tokens, number, resume):
            return tuple(words), at
        at = resume


def _ends_phrase(tokens: Sequence[str], number: Number, at: int) -> bool:
    """Whether the phrase ends before the token at `at`: a break, or the start of a new number."""
    token = tokens[at]
    if isinstance(token, Name):
        return False
    if token in DIRECTIONS and number.value is not None:
        return not (_describes_next(tokens, number.end, at) or _is_side(tokens, number, at))
    first = at == number.end and token == "single"
    definite = token in DETERMINERS and tokens[at - 1] != "of"
    return is_break(token) or definite or (begins_number(token) and not first)


def _is_break_at(tokens: Sequence[str], at: int) -> bool:
    return is_break(tokens[at]) and not isinstance(tokens[at], Name)


def _describes_next(tokens: Sequence[str], first: int, at: int) -> bool:
    """Whether a word like "left" is an adjective: "two left shoes", not "two shoes left of"."""
    if at - first > 3 or not all(map(describes, tokens[first:at])) or at + 1 >= len(tokens):
        return False
    after = tokens[at + 1]
    ends = is_break(after) or after in DETERMINERS | AUXILIARIES or begins_number(after)
    return after != "of" and not ends


def _is_side(tokens: Sequence[str], number: Number, at: int) -> bool:
    """Whether a word like "top" is a thing here: "a tank top", "an elephant's back"."""
    noun = number.value == 1 and at > number.end and tokens[at] not in ("left", "right")
    return noun and tokens[at + 1 : at + 2] != ["of"]


def _colours_in(words: tuple[str, ...], names: Mapping[str, str]) -> set[str]:
    """The colours that `words` mention, "red-brown" included; `names` maps words to colours."""
    parts = (part for word in words for part in word.split("-"))
    return {names[part] for part in parts if part in names}


def summed(pairs: list[tuple[str, int]]) -> dict[str, int]:
    """Counts by name; counts of the same name add up."""
    counts: dict[str, int] = {}
    for key, count in pairs:
        counts[key] = counts.get(key, 0) + count
    return counts


def unreadable(text: str, why: str, example: str = COLOUR_EXAMPLE) -> ValueError:
    """The error for a text from which no counts can be read.

    Args:
        text: the prompt or the `counts` setting.
        why: the reason, a clause without a full stop.
        example: texts that can be read, each in double quotes.
    """
    return ValueError(
        f'Cannot read counts from "{_short(text, 200)}": {_short(why, 300)}. '
        f"Write for example {example}."
    )


def _short(text: str, longest: int) -> str:
    """`text` as one line of at most `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}…"
