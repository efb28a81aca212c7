"""Find the thing in the words after a number: "dogs happily wagged" -> the dogs.

For several things the noun is the first plural ("six red airplanes flying"), or the last plural in
a row of plurals ("two sports cars"). For one thing the name ends before the first verb: an
auxiliary, a verb from the word lists, an -ing form, or an -s or -ed form after a noun. A word is
taken for a noun if it does not describe (see `describing`). Where this stays open, the functions
raise Unclear.
"""

from collections.abc import Sequence
from itertools import pairwise

from .count_lexicon import (
    ABSTRACT,
    ACTS_TOO,
    ADVERBS,
    ATTRIBUTES_IN_ING,
    ATTRIBUTIVE_PLURALS,
    AUXILIARIES,
    BASE_VERBS,
    BOTH_PAST,
    COMPOUND_IN_ED,
    DOERS,
    PARTS_BEFORE_ED,
    PAST,
    PAST_OR_THING,
    POSTPOSITIVE,
    THINGS_MORE,
    VERBS,
    VERBS_OR_THINGS,
)
from .describing import COLOUR_WORDS, describes, is_adverb, is_doing, is_past, modifies
from .number_words import Unclear
from .plurals import is_plural, same_in_plural, singular

_NEVER_THINGS = BASE_VERBS | AUXILIARIES - {"can"} | (PAST - BOTH_PAST)
MOST_WORDS = 8
MOST_LETTERS = 80


def plural_phrase(words: Sequence[str]) -> tuple[str, ...]:
    """The name of several things, in the singular; empty if there is no plural."""
    end = words.index("of") if "of" in words else len(words)
    head = _plural_head(words[:end])
    if head is None:
        return ()
    if verbs := [word for word in words[:head] if word in _NEVER_THINGS]:
        raise Unclear(f'"{" ".join(words)}" has "{verbs[0]}" where a noun is expected')
    of = ("of", *_contents(words[head + 2 :])) if head + 1 == end < len(words) else ()
    return checked_name((*words[:head], singular(words[head]), *of))


def _contents(words: Sequence[str]) -> tuple[str, ...]:
    """The words after "of" in "bowls of ripe apples" or "glasses of red wine"."""
    head = _plural_head(words)
    return singular_phrase(words) if head is None else tuple(words[: head + 1])


def singular_phrase(
    words: Sequence[str], joined: bool = False, direct: bool = False
) -> tuple[str, ...]:
    """The name of one thing: the words before a verb or "of".

    Args:
        words: the words after the number or article.
        joined: the phrase follows "and", so its verb may be "play" as well as "plays".
        direct: the next phrase follows without a break, so there must be a verb between them.
    """
    described = next((at for at, word in enumerate(words) if not modifies(word)), len(words))
    for at in range(1, min(len(words), MOST_WORDS + 1)):
        if _acts(words, at, described) or _may_act(words, at, joined, direct):
            return checked_name(words[:at])
    if direct and len(words) > 1 and words[-1].endswith("ing"):
        return checked_name(words[:-1])  # "an iguana crossing the street"
    if direct and len(words) > 1 and (words[-1] in VERBS or not modifies(words[-2])):
        raise Unclear(f'the verb after "{" ".join(words)}" is not known')
    return checked_name(words)


def checked_name(words: Sequence[str]) -> tuple[str, ...]:
    """`words` as a name; Unclear if they are too long for one, or contain a times sign."""
    if len(words) > MOST_WORDS or sum(map(len, words)) > MOST_LETTERS:
        raise Unclear(f'"{" ".join(words)}" is too long for the name of a thing')
    if len(words) > 1 and not {"x", "×"}.isdisjoint(words):
        raise Unclear(f'"{" ".join(words)}" is not a plain name')
    return tuple(words)


def plural_at(words: Sequence[str]) -> int | None:
    """Index of the plural noun that names the things in `words`, None without a plural."""
    return _plural_head(words[: words.index("of")] if "of" in words else words)


def _plural_head(words: Sequence[str]) -> int | None:
    plurals = [at for at, word in enumerate(words) if is_plural(word)]
    for at, following in pairwise([*plurals, None]):
        if following == at + 1 and words[following] == "fish" and not same_in_plural(words[at]):
            return at  # "two bears fish"
        if following is None:
            return at
        after = words[at + 1]
        if at + 1 == following and not _is_s_verb(after):
            continue  # "sports cars", "fish bowls"
        attributive = words[at] in ATTRIBUTIVE_PLURALS or same_in_plural(words[at])
        if not attributive or _acts_after_plural(words, at + 1):
            return at
    return None


def _is_s_verb(word: str) -> bool:
    return singular(word) in BASE_VERBS


def _acts_after_plural(words: Sequence[str], at: int) -> bool:
    word = words[at]
    listed = word in VERBS | AUXILIARIES | PAST | ADVERBS | POSTPOSITIVE
    return listed or is_past(word) or is_doing(word) or is_adverb(word)


def _acts(words: Sequence[str], at: int, described: int) -> bool:
    """Whether the name of one thing ends before the word at `at`.

    `described` is the number of words at the start that only describe the thing.
    """
    word, last = words[at], words[at - 1]
    after = words[at + 1] if at + 1 < len(words) else None
    if word == "can" and after not in VERBS | AUXILIARIES:
        return False  # "a paint can"
    if word in AUXILIARIES or word == "of":
        return True
    if at <= described:
        return False  # the noun is still to come: "a red racing car", "a small spotted dog"
    if describes(word) and after in (None, "of") and word not in COLOUR_WORDS:
        return True  # "a cup full of", "a desk hidden by"
    if word in ADVERBS or word in POSTPOSITIVE or word in PAST or word in BASE_VERBS:
        return True
    if is_past(word):
        return _past_acts(word, last, after)
    if is_doing(word):
        return not (after is not None and word in ATTRIBUTES_IN_ING and last not in DOERS)
    if is_adverb(word):
        return True
    s_verb = word.endswith("s") and is_plural(word) and not same_in_plural(word)
    return s_verb and not (word in ATTRIBUTIVE_PLURALS and after is not None)


def _past_acts(word: str, last: str, after: str | None) -> bool:
    """Whether an -ed form after a noun is a verb: "dog chased cats", not "snow covered hill"."""
    if after is None or after in ADVERBS | ABSTRACT or is_plural(after) or is_adverb(after):
        return True
    if word in COMPOUND_IN_ED or last in PARTS_BEFORE_ED:
        return False
    if last in DOERS or last.endswith("man"):
        return True
    raise Unclear(f'"{last} {word} {after}" may be a thing or an action')


def _may_act(words: Sequence[str], at: int, joined: bool, direct: bool) -> bool:
    """Whether a word that can be a verb or a thing ("play", "saw", "painting") is a verb here."""
    word, last, ends = words[at], words[at - 1], at == len(words) - 1
    if word in ("crossing", "landing") and ends and not direct:
        raise Unclear(f'"{last} {word}" may be a thing or an action')
    if last not in DOERS and not last.endswith("man"):
        return False
    if word in VERBS_OR_THINGS and joined and word in THINGS_MORE:
        raise Unclear(f'"{last} {word}" may be a thing or an action')
    if word in VERBS_OR_THINGS:
        return joined
    if word in ACTS_TOO | PAST_OR_THING and ends and not direct:
        raise Unclear(f'"{last} {word}" may be a thing or an action')
    return word in ACTS_TOO | PAST_OR_THING


def nameless(words: Sequence[str]) -> bool:
    """Whether `words` do not name a thing, because they only describe."""
    return not words or describes(words[-1]) or "of" in (words[0], words[-1])
