"""Read counts of coloured shapes: "three red circles", or "red circles: 3"."""

from collections.abc import Mapping

from .colours import ALIASES, COLOURS
from .count_lexicon import MEASURES
from .number_words import Unclear
from .prompt_counts import Phrase, read_phrases, summed, unreadable
from .prompt_tokens import cleaned

__all__ = ["SHAPES", "Pair", "shape_counts"]

Pair = tuple[str, str]  # colour, shape
SHAPES = {  # words, in the singular
    "circle": ("circle", "disc", "disk", "dot"),
    "square": ("square",),
    "triangle": ("triangle",),
}
NAMED_SHAPES = {
    w + end: shape for shape, words in SHAPES.items() for w in words for end in ("", "s")
}
NAMED_COLOURS = {colour: colour for colour in COLOURS} | ALIASES
EXAMPLE = (
    '"three red circles and two blue squares", or in the field `counts` "red circles: 3, blue '
    'squares: 2"'
)


def shape_counts(text: str) -> dict[Pair, int]:
    """Counts by (colour, shape) in a text; counts of the same pair are added.

    "a white background" and other scenery are skipped.

    Raises:
        ValueError: a number lacks a known colour or shape, a pair lacks a number, or there is none.
    """
    try:
        counts = [_pair(phrase) for phrase in read_phrases(cleaned(text)) if not _skipped(phrase)]
        if not counts:
            raise Unclear("it has no number before a colour and a shape")
    except Unclear as why:
        raise unreadable(text, str(why), EXAMPLE) from None
    return summed(counts)


def _skipped(phrase: Phrase) -> bool:
    """Whether a phrase counts nothing: scenery, a measure, a thing without number and names."""
    named = _names(phrase, NAMED_COLOURS) or _names(phrase, NAMED_SHAPES)
    measure = not named and not MEASURES.isdisjoint(phrase.words[:1])  # "3 pm"
    return phrase.scenery or measure or not (named or phrase.firm)


def _pair(phrase: Phrase) -> tuple[Pair, int]:
    pair = []
    for what, names in (("colour", NAMED_COLOURS), ("shape", NAMED_SHAPES)):
        named = _names(phrase, names)
        if len(named) != 1:
            choices = ", ".join(dict.fromkeys(names.values()))
            many = f"more than one {what}" if named else f"none of the {what}s {choices}"
            raise Unclear(f'"{phrase.text}" names {many}')
        pair += named
    # "a pile of red circles" is not one, and "a drawing of" counts nothing.
    if phrase.count is None or ("of" in phrase.words and not phrase.firm):
        raise Unclear(f'"{phrase.text}" has no clear number')
    return (pair[0], pair[1]), phrase.count


def _names(phrase: Phrase, names: Mapping[str, str]) -> set[str]:
    parts = (part for word in phrase.words for part in word.split("-"))
    return {names[part] for part in parts if part in names}
