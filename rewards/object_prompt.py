"""Reads what to count from text, and names it as a detector is asked for it.

"six red airplanes flying over a camel" -> {"red airplane": 6, "camel": 1}: adjectives stay, verbs
and what follows them go, a plural becomes its singular, phrases of the same name add up. Places
and pictures ("a desert", "a photo") are passed over unless a number stands before them; times and
measures ("5 pm") always are. What is not understood is an error, never a guess. For phrases and
numbers see ``prompt_counts``.
"""

import re

from .colours import ALIASES, COLOURS
from .prompt_counts import SCENERY, Phrase, read_phrases, summed, unreadable

EXAMPLE = '"six airplanes and seven camels", or in the setting counts "airplanes: 6, camels: 7"'
NOT_COUNTED = SCENERY | frozenset(
    "photo photograph picture image painting drawing illustration render rendering view shot scene "
    "style landscape desert beach field forest meadow street road sea ocean lake river park garden "
    "room kitchen city village sunset sunrise dawn day night".split()
)
# A number before these counts nothing in the picture: "at 5 pm", "a 6 year old girl".
MEASURES = frozenset(
    "am pm o'clock o’clock year years month months hour hours minute minutes mm cm m km px kg "
    "percent degrees".split()
)
VERBS = frozenset("is are was were has have that which who".split())
THINGS_IN_ING = frozenset(
    "ring earring king viking wing string spring swing painting drawing building pudding ceiling "
    "duckling gosling seedling dumpling stocking railing starling awning".split()
)
PAIRED = frozenset(  # of which a pair is one thing
    "scissors jeans pants trousers shorts leggings tights pyjamas pajamas binoculars headphones "
    "earphones sunglasses eyeglasses glasses goggles pliers tweezers tongs".split()
)
SAME_IN_PLURAL = frozenset(
    "sheep deer fish goldfish jellyfish starfish moose bison elk salmon trout squid shrimp cattle "
    "aircraft spacecraft species series dice".split()
) | PAIRED - {"glasses"}
IRREGULAR = dict(
    pair.split(":")
    for pair in (
        "people:person children:child mice:mouse geese:goose feet:foot teeth:tooth oxen:ox "
        "wolves:wolf knives:knife leaves:leaf loaves:loaf shelves:shelf halves:half calves:calf "
        "elves:elf scarves:scarf thieves:thief wives:wife hooves:hoof cacti:cactus "
        "irises:iris lenses:lens"
    ).split()
)
# Only the s goes, against the rules for -ies, -oes, -ches, -xes and -uses.
DROP_S = frozenset(
    "cookies brownies smoothies hoodies movies zombies ties neckties pies magpies selfies genies "
    "shoes horseshoes toes canoes oboes moustaches mustaches quiches axes fuses muses".split()
)
BARE = frozenset({*COLOURS, *ALIASES, "black", "white", "grey", "gray"})  # of no thing
_COLOUR = f"({'|'.join(sorted(BARE))})"
# One thing of two colours; of several things only black and white is surely that.
TWO_COLOURED = re.compile(rf"(\b(?:an?|one) ){_COLOUR} and {_COLOUR}(?= [a-z])")
MONOCHROME = re.compile(r"\bblack and white(?= [a-z])")
NOT_MEN = frozenset({"ramen", "specimen", "omen", "stamen", "abdomen"})


def object_counts(text: str) -> dict[str, int]:
    """Counts by singular name; ValueError, in one sentence, if none can be read."""
    whole = TWO_COLOURED.sub(r"\1\2-and-\3", text.lower())
    phrases = read_phrases(MONOCHROME.sub("black-and-white", whole))
    asked = []
    for phrase, after in zip(phrases, [*phrases, None][1:], strict=True):
        if phrase.count is None or (words := _thing(phrase)) is None:
            continue
        # "three large, shiny balls": the noun is in the next phrase, or beyond.
        cut_short = _plural_at(words) is None and after is not None and after.count is None
        if _nameless(words, phrase.count) or (phrase.count > 1 and cut_short):
            raise unreadable(text, f'"{phrase.text}" does not say of what', EXAMPLE)
        asked.append(_counted(phrase, words))
    if not asked:
        raise unreadable(text, "it has no number", EXAMPLE)
    return summed(asked)


def singular(word: str) -> str:
    """The singular of an English noun; ``word`` itself if it looks like no plural."""
    for plural, single in IRREGULAR.items():
        if word.endswith(plural):
            return word.removesuffix(plural) + single
    if word.endswith("men") and word not in NOT_MEN:
        return word.removesuffix("men") + "man"
    no_plural = not word.endswith("s") or word.endswith(("ss", "us", "is")) or len(word) < 3
    if no_plural or word in SAME_IN_PLURAL:
        return word
    if word in DROP_S:
        return word.removesuffix("s")
    if word.endswith("ies"):
        return word.removesuffix("ies") + "y"
    us = word.endswith("uses") and not word.endswith("ouses")
    hissing = word.endswith(("oes", "ches", "shes", "xes", "sses", "zzes"))
    return word.removesuffix("es" if us or hissing else "s")


def _thing(phrase: Phrase) -> tuple[str, ...] | None:
    """The words of ``phrase`` up to its verb; None if they are nothing to count."""
    words = tuple(word for word in phrase.words if "." not in word)
    end = next((i for i in range(1, len(words)) if _is_verb(words, i)), len(words))
    words = words[:end]
    place = not phrase.firm and words[-1:] and words[-1] in NOT_COUNTED
    return None if place or (words and words[0] in MEASURES) else words


def _nameless(words: tuple[str, ...], count: int) -> bool:
    """Whether ``words`` name no thing: "one black", "two of the dogs"; one orange is a fruit."""
    if not words or "of" in (words[0], words[-1]):
        return True
    return BARE.issuperset(words) and (words, count) != (("orange",), 1)


def _is_verb(words: tuple[str, ...], at: int) -> bool:
    word, last = words[at], at == len(words) - 1
    doing = word.endswith("ing") and word not in THINGS_IN_ING
    return word in VERBS or (doing and (last or _is_plural(words[at - 1])))


def _is_plural(word: str) -> bool:
    return word in SAME_IN_PLURAL or singular(word) != word


def _plural_at(words: tuple[str, ...]) -> int | None:
    """Where the noun that is counted stands: before "of", or else the last plural."""
    end = words.index("of") if "of" in words else len(words)
    return next((i for i in reversed(range(end)) if _is_plural(words[i])), None)


def _counted(phrase: Phrase, words: tuple[str, ...]) -> tuple[str, int]:
    """Name and count; "three pairs of binoculars" are three."""
    at = _plural_at(words)
    if phrase.pairs and at is not None and words[at] in PAIRED and "of" not in words:
        return " ".join(words[: at + 1]), phrase.count // 2
    return _name(words, phrase.count), phrase.count


def _name(words: tuple[str, ...], count: int) -> str:
    at = _plural_at(words)
    if count == 1 or at is None:
        return " ".join(words)
    rest = words[at + 1 :] if "of" in words else ()
    return " ".join((*words[:at], singular(words[at]), *rest))
