"""Whether a word describes or names a thing, judged by word lists and endings."""

from .colours import ALIASES, COLOURS
from .count_lexicon import (
    ADJECTIVES,
    ADJECTIVES_IN_LY,
    DIRECTIONS,
    NOUNS_IN_ED,
    NOUNS_IN_LY,
    THINGS_IN_ING,
)

COLOUR_WORDS = frozenset({*COLOURS, *ALIASES, "black", "white", "grey", "gray"})
_ENDINGS = ("ous", "less", "istic", "esque", "ical", "like", "matic", "able", "ible")
_HANDFUL = frozenset("handful mouthful armful spoonful bucketful table vegetable cable".split())


def is_adverb(word: str) -> bool:
    """Whether `word` is an adverb: "happily", but not "family" or "friendly"."""
    return word.endswith("ly") and word not in NOUNS_IN_LY | ADJECTIVES_IN_LY


def describes(word: str) -> bool:
    """Whether `word` cannot be a thing: an adjective, a colour, an adverb or a participle."""
    if word in ADJECTIVES or word in COLOUR_WORDS or word in ADJECTIVES_IN_LY or is_adverb(word):
        return True
    if word in _HANDFUL:
        return False
    adjective = word.endswith(_ENDINGS) and len(word) > 5 or word.endswith("ful")
    return adjective or is_past(word) or is_doing(word)


def modifies(word: str) -> bool:
    """Whether `word` describes a thing or stands before one: "men's", "x-ray", "3d"."""
    belongs = word.endswith(("'s", "s'")) or not word.isalpha()
    return belongs or word in DIRECTIONS or describes(word)


def is_past(word: str) -> bool:
    """Whether `word` is an -ed form: "chased", but not "bed"."""
    return word.endswith("ed") and len(word) > 3 and word not in NOUNS_IN_ED


def is_doing(word: str) -> bool:
    """Whether `word` is an -ing form: "running", but not "ring"."""
    return word.endswith("ing") and len(word) > 4 and word not in THINGS_IN_ING
