"""Reads a number in the tokens of a prompt: "two thousand", "half a dozen", "a trio of"."""

from collections.abc import Sequence
from dataclasses import dataclass

from .count_lexicon import ADJECTIVES, ARTICLES, VAGUE
from .number_words import BARE_GROUPS, GROUPS, LARGEST, SCALES, Unclear, is_tens, number_value


@dataclass(frozen=True)
class Number:
    """What is read before a phrase.

    `value` is None where there is no number or a vague one. `firm` is False for a bare article.
    `end` is the place of the first token after it. `pairs` marks "a pair of", two to a pair.
    """

    value: int | None
    firm: bool
    end: int
    pairs: bool = False


def begins_number(token: str) -> bool:
    """Whether a phrase with a number of its own begins with `token`."""
    return token in ARTICLES or token in VAGUE or token == "half" or number_value(token) is not None


def read_number(tokens: Sequence[str], start: int) -> Number:
    """The number at `start`; Unclear if it is too large or a fraction."""
    article = tokens[start] in ARTICLES
    at = start + article
    found = _half(tokens, at) or _group(tokens, at, article) or _cardinal(tokens, at, article)
    if found is not None:
        return _several(tokens, found)
    if _word(tokens, at) in VAGUE:
        at += 1
        while _word(tokens, at) in SCALES:  # "several hundred"
            at += 1
        if number_value(_word(tokens, at)) is not None:
            raise Unclear(f'"{tokens[at - 1]} {tokens[at]}" is not an exact number')
        return Number(None, False, at)
    return Number(1 if article else None, False, at)


def _half(tokens: Sequence[str], at: int) -> Number | None:
    if _word(tokens, at) != "half":
        return None
    dozen = at + 1 + (_word(tokens, at + 1) == "a")
    if _word(tokens, dozen) == "dozen":
        return Number(6, True, dozen + 1 + (_word(tokens, dozen + 1) == "of"))
    if _word(tokens, at + 1) in ARTICLES:
        raise Unclear(f'"half {tokens[at + 1]}" is not a whole number')
    return None


def _cardinal(tokens: Sequence[str], start: int, article: bool) -> Number | None:
    """The value of "two thousand one hundred and five"; an article is the one of "a hundred"."""
    total, part, last, at = 0, None, 0, start
    if _word(tokens, at) in SCALES and (article or tokens[at] == "dozen"):
        part = 1
    if article and part is None and tokens[at : at + 1] == ["baker's"]:
        return Number(13, True, at + 2) if _word(tokens, at + 1) == "dozen" else None
    if article and part is None and _word(tokens, at) != "single":
        return None  # "a three": the three begins a phrase of its own
    while at < len(tokens):
        token = tokens[at]
        scale, value = SCALES.get(token), number_value(token)
        if scale is not None and part is not None and not (scale == 100 and part >= 100):
            if scale >= 1000:
                total, part, last = total + part * scale, None, scale
            else:
                part, last = part * scale, scale
            at += 1
            if scale == 12:
                break
        elif value is not None and _fits(value, part, total, last, token):
            part, last, at = (part or 0) + value, value, at + 1
            if token in ("no", "single"):
                break
        elif token == "and" and last >= 100 and _adds(tokens, at + 1):
            at += 1
        else:
            break
    if at == start:
        return None
    value = total + (part or 0)
    if value > LARGEST:
        raise Unclear(f"a number is larger than {LARGEST}")
    return Number(value, True, at + (_word(tokens, at) == "single"))


def _fits(value: int, part: int | None, total: int, last: int, token: str) -> bool:
    if part is None:
        return total == 0 or (value < 1000 and not token.isdigit())
    if token.isdigit() or token in ("no", "zero", "single"):
        return False
    return (last >= 100 and value < 100) or (is_tens(last) and value <= 9)


def _adds(tokens: Sequence[str], at: int) -> bool:
    """Whether "and" continues a number: "a hundred and two"."""
    word = _word(tokens, at)
    return 0 < (number_value(word) or 0) < 100 and not word.isdigit()


def _group(tokens: Sequence[str], at: int, article: bool) -> Number | None:
    """ "a trio of", "a happy couple of", "pair of"."""
    first = at
    while article and at - first < 2 and _word(tokens, at) in ADJECTIVES:
        at += 1
    word = _word(tokens, at)
    of = _word(tokens, at + 1) == "of"
    if word not in GROUPS or not (of or (article and at == first and word in BARE_GROUPS)):
        return None
    if not of and _word(tokens, at + 1) in SCALES:
        raise Unclear(f'"{word} {tokens[at + 1]}" is not an exact number')
    if not article and word.endswith("s"):  # "pairs of shoes": nobody says how many
        return Number(None, False, at + 1)
    return Number(GROUPS[word], True, at + 1 + of, word.startswith("pair"))


def _several(tokens: Sequence[str], found: Number) -> Number:
    """ "two pairs of": the number times that of the group; "two dozen of" is over its "of"."""
    word = _word(tokens, found.end)
    of = _word(tokens, found.end + 1) == "of"
    if found.value is not None and word in GROUPS and (of or word in BARE_GROUPS):
        pairs = word.startswith("pair")
        return Number(found.value * GROUPS[word], True, found.end + 1 + of, pairs)
    scaled = _word(tokens, found.end - 1) in SCALES
    return Number(found.value, found.firm, found.end + (scaled and word == "of"), found.pairs)


def _word(tokens: Sequence[str], at: int) -> str:
    return tokens[at] if 0 <= at < len(tokens) else ""
