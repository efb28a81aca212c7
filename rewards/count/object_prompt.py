"""Read from text what a detector should look for, and how many of each.

"six red airplanes flying over a camel" -> {"red airplane": 6, "camel": 1}. Adjectives stay; verbs
and the words after them go. A plural becomes its singular, and phrases of the same name add up.
Places and kinds of image ("a desert", "a photo") are ignored unless a number stands before them.
Times and measures ("5 pm") are always ignored. A text that is not understood is an error, never a
guess. `prompt_counts` reads phrases and numbers, `noun_phrase` nouns and verbs.
"""

import re

from .count_lexicon import (
    ABSTRACT,
    ARRANGEMENTS,
    DETERMINERS,
    DOERS,
    FIRM_ABSTRACT,
    FRACTIONS,
    GROUNDS,
    LIMBS,
    MADE_THINGS,
    MEASURES,
    MEDIA,
    PLACES,
    PLACING,
    PRONOUNS,
    SIZES,
    STRIPPED,
    SURFACES,
    UNITS,
)
from .describing import COLOUR_WORDS
from .noun_phrase import nameless, plural_at, plural_phrase, singular_phrase
from .number_words import GROUPS, Unclear
from .plurals import PAIRED, is_plural, singular
from .prompt_counts import Phrase, read_phrases, unreadable
from .prompt_tokens import cleaned

__all__ = ["object_counts", "singular"]

EXAMPLE = '"six airplanes and seven camels", or in the field `counts` "airplanes: 6, camels: 7"'
COLOURED_THINGS = frozenset({"orange", "violet"})
OF_A_MEDIUM = frozenset({"", ".", "\n", "with", "by", "in", "from", "showing", "featuring"})
SHAPES = frozenset({"shape", "form", "style", "silhouette"})
_COLOUR = f"({'|'.join(sorted(COLOUR_WORDS))})"
# One thing of two colours. For several things only black and white certainly means that.
TWO_COLOURED = re.compile(rf"(\b(?:an?|one) ){_COLOUR} and {_COLOUR}(?= [a-z])")
MONOCHROME = re.compile(r"\bblack and white(?= [a-z])")


def object_counts(text: str) -> dict[str, int]:
    """Counts by singular name; ValueError if none can be read."""
    try:
        return _counts(text)
    except Unclear as why:
        raise unreadable(text, str(why), EXAMPLE) from None


def _counts(text: str) -> dict[str, int]:
    whole = TWO_COLOURED.sub(r"\1\2-and-\3", cleaned(text))
    phrases = read_phrases(MONOCHROME.sub("black-and-white", whole))
    counts: dict[str, int] = {}
    previous: Phrase | None = None
    for phrase, after in zip(phrases, [*phrases, None][1:], strict=True):
        name, count = _thing(phrase, previous, after), phrase.count
        previous = phrase
        if not name:
            continue
        count = 1 if count is None else count // (2 if _of_pairs(phrase) else 1)
        again = " ".join(name) in counts and phrase.firm and phrase.before in DETERMINERS
        if again and counts[" ".join(name)] != count:
            raise Unclear(f'"{phrase.text}" may be some of the things named before')
        if not again:  # "two dogs … the two dogs" are the same dogs
            counts[" ".join(name)] = counts.get(" ".join(name), 0) + count
    if not counts:
        raise Unclear("it has no number")
    return counts


def _thing(phrase: Phrase, previous: Phrase | None, after: Phrase | None) -> tuple[str, ...]:
    """The name of what a phrase counts; empty if it does not count anything."""
    if phrase.count is None:
        return _shared_article(phrase, previous)
    words = tuple(word for word in phrase.words if "." not in word)
    if len(words) > 1 and words[0] in STRIPPED and words[1] != "of":
        words = words[1:]  # "two more dogs"
    if phrase.listed or _of_pairs(phrase):
        name = words if _of_pairs(phrase) else _singular_head(words, plural_at(words))
    elif _is_measure(words, phrase):
        return ()
    elif phrase.count == 1 or (phrase.count == 0 and plural_at(words) is None):
        name = _single_thing(words, phrase, previous, after)
    else:
        name = plural_phrase(words)
    if name is None:
        return ()
    if _is_nameless(name, phrase, after):
        raise Unclear(f'"{phrase.text}" does not say what to count')
    return name


def _single_thing(
    words: tuple[str, ...], phrase: Phrase, previous: Phrase | None, after: Phrase | None
) -> tuple[str, ...] | None:
    """The name of one thing; None if the phrase is to be ignored."""
    name = singular_phrase(words, phrase.before == "and", phrase.direct)
    of = words[len(name) : len(name) + 1] == ("of",)
    shape = previous is not None and not SHAPES.isdisjoint(previous.words[-2:-1])
    if shape and phrase.before == "of":
        return None  # "a cloud in the shape of a heart"
    if phrase.direct and not phrase.firm and name and name[-1].endswith("'s"):
        return None  # "a woman's two dogs"
    if (of and not phrase.firm) or _is_ignored(phrase, name, after):
        return None  # "a bowl of apples", "a photo"
    name = _singular_head(name, len(name) - 1 if phrase.firm else None)
    return name + (words[len(name) :] if of else ())


def _shared_article(phrase: Phrase, previous: Phrase | None) -> tuple[str, ...]:
    """The name "woman" in "a man and woman"; empty for any other phrase without a number."""
    if previous is None or previous.count != 1 or previous.after != "and" != phrase.before:
        return ()
    if not phrase.words or not previous.words or previous.words[-1] not in DOERS:
        return ()
    name = singular_phrase(phrase.words, joined=True)
    return name if name[-1] in DOERS and not is_plural(name[-1]) else ()


def _singular_head(words: tuple[str, ...], at: int | None) -> tuple[str, ...]:
    """`words` with the noun at index `at` in the singular."""
    if at is None or not words or words[at] in PAIRED:
        return words
    return (*words[:at], singular(words[at]), *words[at + 1 :])


def _of_pairs(phrase: Phrase) -> bool:
    """Whether a pair is one thing: "three pairs of binoculars" are three things."""
    at = plural_at(phrase.words)
    paired = at is not None and phrase.words[at] in PAIRED
    return phrase.pairs and paired and "of" not in phrase.words


def _is_measure(words: tuple[str, ...], phrase: Phrase) -> bool:
    """Whether the number of `phrase` is a measure, as in "5 pm"; Unclear if it may be a count."""
    if words and words[0] in FRACTIONS and (phrase.firm or words[1:] == ("of",)):
        raise Unclear(f'"{phrase.text}" is not a whole number')
    if not words or words[0] not in MEASURES:
        return len(words) > 1 and words[0] in UNITS and words[1] in SIZES
    if words[1:] and (not phrase.firm or (any(map(is_plural, words[1:])) and "old" not in words)):
        raise Unclear(f'"{phrase.text}" may be a number of things or a measure')
    return True


def _is_ignored(phrase: Phrase, name: tuple[str, ...], after: Phrase | None) -> bool:
    """Whether the name of one thing is a place, a kind of image or an idea, not a thing."""
    last = name[-1] if name else ""
    if not phrase.firm and phrase.before in ("as", "like", "than"):
        return True
    if phrase.count == 0 and phrase.text.startswith("zero "):
        return True  # "zero gravity"
    placed = phrase.before in PLACING
    if phrase.firm:
        limb = last in LIMBS and len(name) == 1 and placed
        idea = len(name) == 1 and last in FIRM_ABSTRACT
        return limb or idea or (phrase.count == 0 and last in GROUNDS)
    if last in PLACES | GROUNDS and phrase.before == "" and phrase.after == "and":
        if after is not None and after.count is not None:
            raise Unclear(f'"{phrase.text}" may be the place or a thing in it')
    if last in MEDIA | PLACES | GROUNDS | ABSTRACT or name == ("little",):
        return True
    if last in ARRANGEMENTS and phrase.before in ("in", "into"):
        return True
    return (placed and last in SURFACES) or (last in MADE_THINGS and _is_medium(phrase, after))


def _is_medium(phrase: Phrase, after: Phrase | None) -> bool:
    """Whether "a painting" is the image itself and not a thing in it."""
    if phrase.before in PLACING:
        return True
    if phrase.after == "in" and after is not None and after.before == "front":
        return False  # "a painting in front of a pig"
    listed = after is not None and after.count is not None and phrase.after in (",", "and")
    if not phrase.before and phrase.after == ",":
        raise Unclear(f'"{phrase.text}" may be the image or a thing in it')
    if not phrase.before:
        return phrase.direct or phrase.after in OF_A_MEDIUM
    return not listed and phrase.before in (",", ".", "\n")


def _is_nameless(name: tuple[str, ...], phrase: Phrase, after: Phrase | None) -> bool:
    """Whether `name` is not a thing: "one black", "two of the dogs". An orange may be one."""
    if not name or name[-1] not in COLOURED_THINGS:
        return nameless(name) or name[-1] in PRONOUNS or (name[-1] in GROUPS and len(name) == 1)
    shades = {"bright", "dark", "light", "pale", "deep", "vivid"}
    shared = (  # "an orange and a blue ball"
        phrase.count == len(name) == 1
        and phrase.after == "and"
        and after is not None
        and after.count == 1
        and len(after.words) > 1
        and after.words[0] in COLOUR_WORDS
    )
    thing = phrase.count == 1 or plural_at(phrase.words) is not None
    return not thing or shared or not shades.isdisjoint(name)
