"""Words that are numbers, and tokens that only look like numbers."""

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
)
_TENS = "thirty forty fifty sixty seventy eighty ninety"
NUMBERS = {word: value for value, word in enumerate(_WORDS.split())} | {"no": 0, "single": 1}
NUMBERS |= {word: 10 * value for value, word in enumerate(_TENS.split(), 3)}
SCALES = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 1_000_000}
SCALES |= {f"{word}s": value for word, value in SCALES.items()}
_GROUPS = (
    "pair:2 couple:2 duo:2 twosome:2 trio:3 threesome:3 quartet:4 quartette:4 foursome:4 quintet:5 "
    "sextet:6 septet:7 octet:8 brace:2 triplet:3 score:20 gross:144"
)
GROUPS = {word: int(value) for word, _, value in (pair.partition(":") for pair in _GROUPS.split())}
GROUPS |= {f"{word}s": value for word, value in GROUPS.items()}
BARE_GROUPS = frozenset("pair pairs couple couples".split())  # "a couple dogs", without "of"
LARGEST = 1_000_000


class Name(str):
    """A token that contains a number but is not a count: the 66 of "route 66"."""


class Unclear(ValueError):
    """Why a prompt cannot be read."""


def number_value(token: str) -> int | None:
    """The number that `token` stands for (digits, a word or "twenty-one"), else None."""
    if isinstance(token, Name):
        return None
    if token.isascii() and token.isdigit():
        return int(token) if len(token) < 10 else 10 * LARGEST
    tens, _, unit = token.partition("-")
    if is_tens(NUMBERS.get(tens, 0)) and 1 <= NUMBERS.get(unit, 0) <= 9:
        return NUMBERS[tens] + NUMBERS[unit]
    return NUMBERS.get(token)


def is_tens(value: int) -> bool:
    """Whether `value` is 20, 30, ... 90."""
    return 20 <= value < 100 and value % 10 == 0


def parts_of_number(token: str) -> list[str]:
    """The words of "half-dozen" or "one-hundred-and-two"; any other token unchanged."""
    parts = token.split("-")
    if parts[-1] == "odd" and (parts[0] in SCALES or number_value(parts[0]) is not None):
        raise Unclear(f'"{token}" is not an exact number')
    number = all(part in NUMBERS or part in SCALES or part in ("half", "and") for part in parts)
    return parts if number and any(part in SCALES for part in parts) else [token]
