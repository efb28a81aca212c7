"""Read a number in the tokens of a prompt: "two thousand", "half a dozen", "a trio of"."""

from collections.abc import Sequence
from dataclasses import dataclass

from .count_lexicon import ADJECTIVES, ARTICLES, VAGUE
from .number_words import BARE_GROUPS, GROUPS, LARGEST, SCALES, Unclear, is_tens, number_value


@dataclass(frozen=True)
class Number:
    """The number before a phrase.

    Args:
        value: None if there is no number or a vague one ("some").
        firm: False for a bare article, which need not be a count.
        end: index of the first token after the number.
        pairs: True for "a pair of" and "two pairs of", where `value` counts two per pair.
    """

    value: int | None
    firm: bool
    end: int
    pairs: bool = False


_LAST_WORDS = ("dozen", "dozens", "no", "single")  # no number goes on after these


def begins_number(token: str) -> bool:
    """Whether a new phrase with a number begins with `token`."""
    return token in ARTICLES or token in VAGUE or token == "half" or number_value(token) is not None


def read_number(tokens: Sequence[str], start: int) -> Number:
    """The number at index `start`; Unclear if it is too large or a fraction."""
    article = tokens[start] in ARTICLES
    at = start + article
    number = _half(tokens, at) or _group(tokens, at, article) or _cardinal(tokens, at, article)
    if number is not None:
        return _times_group(tokens, number)
    if _word(tokens, at) in VAGUE:
        at += 1
        while _word(tokens, at) in SCALES:  # "several hundred"
            at += 1
        if number_value(_word(tokens, at)) is not None:
            raise Unclear(f'"{tokens[at - 1]} {tokens[at]}" is not an exact number')
        return Number(None, False, at)
    return Number(1 if article else None, False, at)


def _half(tokens: Sequence[str], at: int) -> Number | None:
    """The 6 of "half a dozen"."""
    if _word(tokens, at) != "half":
        return None
    dozen = at + 1 + (_word(tokens, at + 1) == "a")
    if _word(tokens, dozen) == "dozen":
        return Number(6, True, dozen + 1 + (_word(tokens, dozen + 1) == "of"))
    if _word(tokens, at + 1) in ARTICLES:
        raise Unclear(f'"half {tokens[at + 1]}" is not a whole number')
    return None


def _cardinal(tokens: Sequence[str], start: int, article: bool) -> Number | None:
    """The number "two thousand one hundred and five" or, after an article, "a hundred"."""
    begins_with_scale = _word(tokens, start) in SCALES and (article or tokens[start] == "dozen")
    if article and not begins_with_scale:
        if _word(tokens, start) == "baker's":
            return Number(13, True, start + 2) if _word(tokens, start + 1) == "dozen" else None
        if _word(tokens, start) != "single":
            return None  # "a three": the three begins a new phrase
    value, at = _summed_words(tokens, start, 1 if begins_with_scale else None)
    if at == start:
        return None
    if value > LARGEST:
        raise Unclear(f"a number is larger than {LARGEST}")
    return Number(value, True, at + (_word(tokens, at) == "single"))


def _summed_words(tokens: Sequence[str], at: int, part: int | None) -> tuple[int, int]:
    """The value of the number words from index `at` on, and the index after them.

    `part` is the value so far below the next "thousand" or "million", None if there is none yet.
    """
    total, last = 0, 0
    while at < len(tokens):
        token = tokens[at]
        scale, value = SCALES.get(token), number_value(token)
        if scale is not None and part is not None and not (scale == 100 and part >= 100):
            if scale >= 1000:
                total, part, last = total + part * scale, None, scale
            else:
                part, last = part * scale, scale
        elif value is not None and _continues(value, part, total, last, token):
            part, last = (part or 0) + value, value
        elif not (token == "and" and last >= 100 and _adds(tokens, at + 1)):
            break
        at += 1
        if token in _LAST_WORDS:
            break
    return total + (part or 0), at


def _continues(value: int, part: int | None, total: int, last: int, token: str) -> bool:
    """Whether `token`, of this `value`, belongs to the number: "five" after "twenty"."""
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
    """The number of "a trio of", "a happy couple of" or "pair of"."""
    first = at
    while article and at - first < 2 and _word(tokens, at) in ADJECTIVES:
        at += 1
    word = _word(tokens, at)
    of = _word(tokens, at + 1) == "of"
    if word not in GROUPS or not (of or (article and at == first and word in BARE_GROUPS)):
        return None
    if not of and _word(tokens, at + 1) in SCALES:
        raise Unclear(f'"{word} {tokens[at + 1]}" is not an exact number')
    if not article and word.endswith("s"):  # "pairs of shoes" does not say how many
        return Number(None, False, at + 1)
    return Number(GROUPS[word], True, at + 1 + of, word.startswith("pair"))


def _times_group(tokens: Sequence[str], number: Number) -> Number:
    """The number times the group after it ("two pairs of"), or past the "of" of "two dozen of"."""
    word = _word(tokens, number.end)
    of = _word(tokens, number.end + 1) == "of"
    if number.value is not None and word in GROUPS and (of or word in BARE_GROUPS):
        pairs = word.startswith("pair")
        return Number(number.value * GROUPS[word], True, number.end + 1 + of, pairs)
    scaled = _word(tokens, number.end - 1) in SCALES
    return Number(number.value, number.firm, number.end + (scaled and word == "of"), number.pairs)


def _word(tokens: Sequence[str], at: int) -> str:
    """The token at index `at`, empty outside."""
    return tokens[at] if 0 <= at < len(tokens) else ""
