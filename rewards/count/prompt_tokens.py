"""Cut a prompt into the tokens from which counts are read.

The text becomes lower case; typographic characters and HTML entities become plain characters.
Weights ("(cat:1.2)"), tags of LoRA files and quoted words (text in the image) are removed. A number
that is part of a name or a measure ("route 66", "1985", "$5", "16:9") becomes a `Name`, which is
never read as a number. Each step takes time linear in the length of the prompt.
"""

import html
import re
import unicodedata

from ..likeness.prompt_text import normalized
from .count_lexicon import (
    ADJECTIVES,
    ARTICLES,
    AUXILIARIES,
    BREAKS,
    CURRENCIES,
    DETERMINERS,
    FOREIGN_NUMERALS,
    FOREIGN_PLURALS,
    FOREIGN_WORDS,
    GLUED_UNITS,
    NAME_HEADS,
    NAME_HEADS_THAT_ACT,
    OPENERS,
    PAST,
    VAGUE,
    VERBS,
)
from .describing import is_past
from .number_words import NUMBERS, Name, Unclear, number_value, parts_of_number
from .plurals import is_plural, singular

_PLAIN = str.maketrans({"‘": "'", "’": "'", "ʼ": "'", "‐": "-", "‑": "-", "“": '"', "”": '"'})
_MARKED = re.compile(r"<[^<>\n]*>")
_QUOTED = re.compile(
    r'(?<!\w)"[^"\n]*"|«[^«»\n]*»|「[^「」\n]*」|「[^「」\n]*」|' + r"(?<!\w)'[^'\n]*'(?!\w)"
)
_INCHES = re.compile(r'(?<=\d)"')
_WEIGHT = re.compile(r" ?: ?\d+(?:\.\d+)?(?= ?[)\]])")
_NOON = re.compile(r"(?<=\d) ?([ap])\.m\b\.?")
_THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")
_TOKEN = re.compile(
    r"[^\W_]+(?:(?:[-']|(?<=\d)[.:/×⁄](?=\d)|(?<=\bf)/(?=\d))[^\W_]+)*(?:(?<=s)'(?= [^\W\d_]))?"
    r"|[^\w\s]|_|\n"
)
_GLUED = re.compile(r"(\d{1,6})([^\W\d_]{3,})")
_RANGE = re.compile(r"\d+-\d+")
_TIMES = re.compile(r"(\d{1,3})x|x\d{1,3}")  # "2x dogs", "dogs x3"
_OPENING = OPENERS | DETERMINERS | ARTICLES | AUXILIARIES | ADJECTIVES | VERBS | PAST | VAGUE
LOOK_AHEAD = 6  # how many words after a number may hold its noun


def cleaned(text: str) -> str:
    """`text` in lower case and plain characters, with single blanks. Quoted words stay."""
    text = normalized("NFKC", html.unescape(text).translate(_PLAIN)).translate(_PLAIN)
    lines = (" ".join(line.split()) for line in text.lower().split("\n"))
    return "\n".join(filter(None, lines))


def tokens_of(text: str) -> list[str]:
    """Tokens of a `cleaned` text; Unclear if it is not English or if a number in it is vague."""
    text = _MARKED.sub(" ", text)
    bare = _QUOTED.sub(" ", text)
    if not bare.strip(" .,;:!?"):  # the whole prompt in quotes
        bare = text.replace('"', " ")
    bare = _WEIGHT.sub("", _INCHES.sub(" inch", bare)).replace("_", " ")
    bare = _NOON.sub(r" \1m", bare)
    bare = _THOUSANDS.sub(lambda match: match[0].replace(",", ""), bare)
    tokens = [part for token in _TOKEN.findall(bare) for part in _unglued(token)]
    _check_language(tokens)
    return _with_names(tokens)


def is_break(token: str) -> bool:
    """Whether `token` ends a phrase: a preposition, a conjunction or a punctuation mark."""
    return token in BREAKS or not token[0].isalnum()


def _unglued(token: str) -> list[str]:
    """The tokens "2" and "girls" of "2girls"; "35mm", "8k" and "90s" stay whole."""
    glued = _GLUED.fullmatch(token)
    if "-" in token:
        return parts_of_number(token)
    if glued is None or glued[2] in GLUED_UNITS or singular(glued[2]) in GLUED_UNITS:
        return [token]
    if int(glued[1]) == 1 or is_plural(glued[2]) or glued[2] == "other":
        return [glued[1], glued[2]]
    return [token]


def _check_language(tokens: list[str]) -> None:
    """Raise Unclear at the first token that is not English."""
    for at, token in enumerate(tokens):
        after = tokens[at + 1] if at + 1 < len(tokens) else ","
        before = tokens[at - 1] if at else ""
        numeral = token in FOREIGN_NUMERALS and after[0].isalpha()
        thing = token in FOREIGN_PLURALS and (before == "six" or before.isdigit())
        if numeral or thing or token in FOREIGN_WORDS or not _latin(token):
            raise Unclear(f'"{token}" is not English')


def _latin(token: str) -> bool:
    return token.isascii() or all(
        unicodedata.name(letter, "").startswith(("LATIN", "MODIFIER", "MASCULINE", "FEMININE"))
        for letter in set(token)
        if letter.isalpha()
    )


def _with_names(tokens: list[str]) -> list[str]:
    """The tokens, with a `Name` for each number that belongs to a name or a measure."""
    result: list[str] = []
    for at, token in enumerate(tokens):
        before = result[-1] if result else "\n"
        if token in {"%", "°"} | CURRENCIES and before.isdigit():
            result[-1] = Name(before + token)
        elif before in NAME_HEADS and _is_number_word(token) and not _head_acts(tokens, at):
            result[-1:] = [Name(before), Name(token)]
        elif not (token.isascii() and token.isdigit()):
            result.append(Name(token) if _RANGE.fullmatch(token) else token)
            _check_range(tokens, at)
        elif before in CURRENCIES or before == "#":
            result[-1] = Name(before + token)
        elif _in_name(tokens, at, before):
            result[-1:] = [Name(before) if before in NAME_HEADS else before, Name(token)]
        else:
            result.append(token)
    return result


def _is_number_word(token: str) -> bool:
    return token not in ("no", "single") and token[0].isalpha() and number_value(token) is not None


def _head_acts(tokens: list[str], at: int) -> bool:
    """Whether the word before the number at `at` is a verb: "two cats catch three mice"."""
    if tokens[at - 1] not in NAME_HEADS_THAT_ACT:
        return False
    if at > 1 and is_plural(tokens[at - 2]):
        return True
    if at > 1 and not is_break(tokens[at - 2]) and _plural_follows(tokens, at + 1):
        raise Unclear(f'"{tokens[at - 1]} {tokens[at]}" may be a name or a number')
    return False


def _in_name(tokens: list[str], at: int, before: str) -> bool:
    """Whether the digits at `at` belong to the word before them or are a year."""
    if before in NAME_HEADS:
        return not _head_acts(tokens, at)
    counted = _plural_follows(tokens, at + 1)
    year = len(tokens[at]) == 4 and 1100 <= int(tokens[at]) < 2100
    if year and counted and int(tokens[at]) % 100:
        raise Unclear(f'"{tokens[at]}" may be a year or a number')
    if year and not counted:
        return True
    if _opens(before) or isinstance(before, Name):
        return False
    after = tokens[at + 1] if at + 1 < len(tokens) else "\n"
    if counted or (tokens[at] == "1" and not is_break(after)):
        raise Unclear(f'"{before} {tokens[at]}" may be a name or a number')
    return True


def _opens(before: str) -> bool:
    """Whether a number after the word `before` begins a new phrase."""
    if is_break(before) or before in _OPENING or before in NUMBERS or before[0].isdigit():
        return True
    return is_plural(before) or before.endswith(("ing", "ly", "s")) or is_past(before)


def _plural_follows(tokens: list[str], at: int) -> bool:
    for token in tokens[at : at + LOOK_AHEAD]:
        if is_break(token) or token in DETERMINERS or token in GLUED_UNITS:
            return False
        if is_plural(token):
            return True
    return False


def _check_range(tokens: list[str], at: int) -> None:
    """Raise Unclear if the token at `at` is a range ("2-3") or a multiplier ("2x") of things."""
    token = tokens[at]
    if _RANGE.fullmatch(token) and _plural_follows(tokens, at + 1):
        raise Unclear(f'"{token}" is not one number')
    times = _TIMES.fullmatch(token)
    before = times and not times[1] and at > 0 and is_plural(tokens[at - 1])
    if before or (times and times[1] and _plural_follows(tokens, at + 1)):
        raise Unclear(f'"{token}" is not a plain number')
