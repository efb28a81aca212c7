"""Reads counts from text: "three red circles and two blue squares", or "red: 3, blue: 2".

A text is cut into phrases at punctuation, conjunctions, prepositions and at every number. A number
is digits, a word from zero to ninety-nine, "a hundred and two", "no", "a"/"an"/"single", "a pair
of", "a couple of", "a dozen", "half a dozen" or "two dozen". What is not understood is an error,
never a guess.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

COLOUR_EXAMPLE = '"three red circles and two blue squares" or "red: 3, blue: 2"'
_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
_TENS = "thirty forty fifty sixty seventy eighty ninety"
NUMBERS = {word: value for value, word in enumerate(_WORDS.split())} | {"no": 0, "single": 1}
NUMBERS |= {word: 10 * value for value, word in enumerate(_TENS.split(), 3)}
ARTICLES = frozenset({"a", "an"})
MULTIPLES = {"pair": 2, "pairs": 2, "couple": 2, "couples": 2}
MULTIPLES |= {"dozen": 12, "dozens": 12, "hundred": 100}
VAGUE = frozenset("some few several many multiple various numerous lots".split())
BREAKS = frozenset(
    "and or with plus without on in at against over above under below beneath beside between "
    "behind near by next to from inside around left right top bottom front".split()
)
SCENERY = frozenset(
    "background backdrop ground canvas paper sky table floor wall surface scene".split()
)
_TOKEN = re.compile(r"\d+\.\d+|[^\W_]+(?:[-'’][^\W_]+)*|[^\w\s]|_|\n")
_PAIR = re.compile(r"\s*([^\W\d_][\w '’-]*?)\s*[:=]\s*([a-z-]+|\d+)\s*")


@dataclass(frozen=True)
class Phrase:
    """Words with the number before them: None if there is none or it is vague ("some").

    ``firm`` is False for the number of a bare article: "a photo" need not be something to count.
    """

    count: int | None
    words: tuple[str, ...]
    firm: bool
    text: str

    @property
    def scenery(self) -> bool:
        return not self.firm and not SCENERY.isdisjoint(self.words)

    @property
    def pairs(self) -> bool:
        """Whether ``count`` is of "a pair of" or "two pairs of" something, two to a pair."""
        return self.text.split()[1:2] in (["pair"], ["pairs"])


def counts_by_colour(
    text: str, colours: Collection[str], aliases: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Counts asked for each colour named in ``text``; a colour named twice adds up.

    ValueError, in one sentence, if a number lacks a known colour, a colour lacks a number, or there
    is neither. "a white background" and other scenery is passed over.
    """
    names = {colour: colour for colour in colours} | dict(aliases or {})
    asked = []
    for phrase in read_phrases(text):
        found = _colours_in(phrase.words, names)
        if phrase.scenery or not (found or phrase.firm):
            continue
        if not found:
            known = ", ".join(colours)
            raise unreadable(text, f'"{phrase.text}" names none of the colours {known}')
        if len(found) > 1:
            raise unreadable(text, f'"{phrase.text}" names more than one colour')
        if phrase.count is None:
            raise unreadable(text, f'"{phrase.text}" has no clear number')
        asked.append((found.pop(), phrase.count))
    if not asked:
        raise unreadable(text, "it has no number before a colour")
    return summed(asked)


def read_phrases(text: str) -> list[Phrase]:
    """Cut ``text`` into phrases, counted or not, in order."""
    pairs = _read_pairs(text)
    if pairs:
        return pairs
    tokens = _TOKEN.findall(text.lower())
    phrases: list[Phrase] = []
    start = 0
    while start < len(tokens):
        count, firm, first = _read_number(tokens, start)
        end = first
        while end < len(tokens) and not _ends_phrase(tokens, end):
            end += 1
        words = tuple(tokens[first:end])
        if "of" in words and not firm:
            count = None  # "a pile of red circles" is not one, and "a photo of" counts nothing
        if words or firm:
            phrases.append(Phrase(count, words, firm, " ".join(tokens[start:end])))
        start = end + 1 if end < len(tokens) and _is_break(tokens[end]) else max(end, start + 1)
    return phrases


def _read_pairs(text: str) -> list[Phrase]:
    """Read "red: 3, blue: two"; empty if ``text`` is not of that form throughout."""
    phrases = []
    for part in filter(str.strip, re.split(r"[,;\n]", text.lower())):
        match = _PAIR.fullmatch(part)
        count = _number(match[2]) if match else None
        if match is None or count is None:
            return []
        phrases.append(Phrase(count, tuple(match[1].split()), True, part.strip()))
    return phrases


def _read_number(tokens: list[str], start: int) -> tuple[int | None, bool, int]:
    """The number at ``start``: its value or None, whether it is firm, and where its words begin."""
    at, count, firm = start, None, False
    if tokens[at] == "half":
        dozen = at + 1 + (tokens[at + 1 : at + 2] == ["a"])
        if tokens[dozen : dozen + 1] == ["dozen"]:
            return 6, True, dozen + 1
    if tokens[at] in ARTICLES or _number(tokens[at]) is not None:
        firm = tokens[at] not in ARTICLES
        count = 1 if not firm else _number(tokens[at])
        at += 1
    following = [*tokens[at : at + 2], "", ""][:2]
    if following[0] == "single" and count is not None:
        return count, True, at + 1
    if following[0] in MULTIPLES and (count is not None or following[0] == "dozen"):
        count = MULTIPLES[following[0]] * (1 if count is None else count)
        rest = tokens[at + 2 : at + 3] if following == ["hundred", "and"] else ()
        if rest and (_number(rest[0]) or 100) < 100:  # "a hundred and two sheep"
            return count + _number(rest[0]), True, at + 3
        return count, True, at + 1 + (following[1] == "of")
    if following[0] in VAGUE:
        return None, False, at + 1
    return count, firm, at


def _number(token: str) -> int | None:
    if re.fullmatch(r"[0-9]+", token):
        return int(token)
    tens, _, unit = token.partition("-")
    if NUMBERS.get(tens, 0) >= 20 and 1 <= NUMBERS.get(unit, 0) <= 9:
        return NUMBERS[tens] + NUMBERS[unit]
    return NUMBERS.get(token)


def _is_break(token: str) -> bool:
    return token in BREAKS or not token[0].isalnum()


def _ends_phrase(tokens: list[str], at: int) -> bool:
    """Whether a new phrase begins at ``at``: after a break, or with a number of its own."""
    token = tokens[at]
    return _is_break(token) or token in ARTICLES or token in VAGUE or _number(token) is not None


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
    quoted = " ".join(text.split())
    quoted = quoted if len(quoted) <= 200 else f"{quoted[:200]}…"
    return ValueError(f'cannot read counts from "{quoted}": {why}; write for example {example}')
