"""Reads counts from text: "three red circles and two blue squares", or "red: 3, blue: 2".

A text is cut into phrases at punctuation, conjunctions, prepositions, "the" and its like, and at
every number that counts: ``prompt_tokens`` tells which do, ``prompt_numbers`` reads them. What is
not understood is an error, never a guess.
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
NO_NUMBER = {  # pairs of words that begin like a number, and count nothing
    *[("no", word) for word in ("more", "less", "fewer", "other", "others", "longer", "one")],
    ("one", "another"), ("single", "file"), ("no", "matter"), ("no", "doubt"),
}  # fmt: skip
ALL_OF = frozenset("detail direction side corner day way colour color time".split())
_NAME = re.compile(r"[^\W\d_][\w '-]*")


@dataclass(frozen=True)
class Phrase:
    """Words with the number before them: None if there is none or it is vague ("some").

    `firm` is False for the number of a bare article: "a photo" need not be something to count.
    `before` and `after` are the tokens around it; `direct`: the next one begins without a break.
    """

    count: int | None
    words: tuple[str, ...]
    firm: bool
    text: str
    before: str = ""
    after: str = ""
    direct: bool = False
    pairs: bool = False  # "a pair of", "two pairs of": two to a pair
    listed: bool = False  # "red: 3": the whole name is given

    @property
    def scenery(self) -> bool:
        """Whether it is the ground, or the table that something stands on."""
        if self.firm:
            return False
        ground = not (GROUNDS | {"scene"}).isdisjoint(self.words)
        placed = self.before in PLACING or self.after in ("with", "of")
        return ground or (placed and not (SURFACES | MADE_THINGS).isdisjoint(self.words))


def counts_by_colour(
    text: str, colours: Collection[str], aliases: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Counts asked for each colour named in ``text``; a colour named twice adds up.

    ValueError, in one sentence, if a number lacks a known colour, a colour lacks a number, or there
    is neither. "a white background" and other scenery is passed over.
    """
    try:
        return summed(_asked_by_colour(text, colours, dict(aliases or {})))
    except Unclear as why:
        raise unreadable(text, str(why)) from None


def _asked_by_colour(
    text: str, colours: Collection[str], aliases: Mapping[str, str]
) -> list[tuple[str, int]]:
    names = {colour: colour for colour in colours} | aliases
    asked = []
    for phrase in read_phrases(cleaned(text)):
        found = _colours_in(phrase.words, names)
        measure = not found and not MEASURES.isdisjoint(phrase.words[:1])  # "3 pm"
        if phrase.scenery or measure or not (found or phrase.firm):
            continue
        if not found:
            known = ", ".join(colours)
            raise Unclear(f'"{phrase.text}" names none of the colours {known}')
        if len(found) > 1:
            raise Unclear(f'"{phrase.text}" names more than one colour')
        # "a pile of red circles" is not one, and "a photo of" counts nothing.
        if phrase.count is None or ("of" in phrase.words and not phrase.firm):
            raise Unclear(f'"{phrase.text}" has no clear number')
        asked.append((found.pop(), phrase.count))
    if not asked:
        raise Unclear("it has no number before a colour")
    return asked


def read_phrases(text: str) -> list[Phrase]:
    """Cut a ``cleaned`` text into phrases, counted or not, in order; Unclear if it is vague."""
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
    """Raise Unclear if the words around a number make it vague, or leave a choice."""
    start = not earlier or not earlier[0].isalnum() or earlier in ("of", "with")
    subject = before == "about" and not start and _is_noun(earlier)  # "a comic about two cats"
    vague = (before in INEXACT and not subject) or (earlier, before) in INEXACT_PAIRS
    vague |= before in ("over", "around", "under") and start and (number.value or 0) >= 10
    vague |= after == "or" and following in ("more", "less", "fewer", "so")
    if number.firm and vague:
        raise Unclear(f'"{text}" is not an exact number')
    if before == "or" or before in DENIED:
        raise Unclear(f'"{text}" leaves open whether it is wanted')
    if before == "without" and (number.firm or after in ("and", "or", ",")):
        raise Unclear(f'"{text}" leaves open what is wanted')


def _is_noun(word: str) -> bool:
    return not (is_break(word) or is_doing(word) or describes(word) or word in AUXILIARIES)


def _check_shares(tokens: Sequence[str]) -> None:
    for word, after in pairwise([*tokens, ""]):
        shares = word in ("apiece", "respectively", "per")
        shares |= word == "every" and after not in ALL_OF
        if shares or (word == "each" and after != "other"):
            raise Unclear(f'"{word}" leaves the whole number open')


def _read_pairs(text: str) -> list[Phrase]:
    """Read "red: 3, blue: two"; empty if ``text`` is not of that form throughout."""
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
    """The words of the phrase whose number was read, and where they end.

    "a large, shiny ball": adjectives in a row go on over commas and "and".
    """
    words: list[str] = []
    at, row = number.end, number.value == 1
    while True:
        begun = len(words)
        while at < len(tokens) and not _ends_phrase(tokens, number, at):
            words.append(tokens[at])
            at += 1
        row = row and len(words) > begun and all(map(describes, words[begun:]))
        more = at
        while more < at + 2 and more < len(tokens) and tokens[more] in (",", "and"):
            more += 1
        if not row or not at < more < len(tokens) or _ends_phrase(tokens, number, more):
            return tuple(words), at
        at = more


def _ends_phrase(tokens: Sequence[str], number: Number, at: int) -> bool:
    """Whether a new phrase begins at ``at``: after a break, or with a number of its own."""
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
    """Whether a word like "top" is the thing: "a tank top", "an elephant's back"."""
    noun = number.value == 1 and at > number.end and tokens[at] not in ("left", "right")
    return noun and tokens[at + 1 : at + 2] != ["of"]


def _colours_in(words: tuple[str, ...], names: Mapping[str, str]) -> set[str]:
    parts = (part for word in words for part in word.split("-"))
    return {names[part] for part in parts if part in names}


def summed(pairs: list[tuple[str, int]]) -> dict[str, int]:
    """Counts by name; those of one name add up."""
    counts: dict[str, int] = {}
    for key, count in pairs:
        counts[key] = counts.get(key, 0) + count
    return counts


def unreadable(text: str, why: str, example: str = COLOUR_EXAMPLE) -> ValueError:
    """The error of a ``text`` that no counts can be read from."""
    return ValueError(
        f'cannot read counts from "{_short(text, 200)}": {_short(why, 300)}; '
        f"write for example {example}"
    )


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}…"
