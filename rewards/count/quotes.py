"""The texts that a prompt puts in quotes: 'a sign that says "OPEN"' -> ["OPEN"]."""

import re

PAIRS = (('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"), ("‹", "›"), ("「", "」"))
QUOTED = re.compile("|".join(f"{a}([^{a}{b}]+){b}" for a, b in PAIRS))
# An apostrophe inside a word is no quote: "the dog's 'HI'".
SINGLE = re.compile(r"(?<!\w)[‘']([^‘’']+(?:[’'](?=\w)[^‘’']*)*)[’'](?!\w)")


def quoted_texts(prompt: str) -> list[str]:
    """The texts in quotes, in order; those in single quotes only if there are no others."""
    texts = ("".join(match.groups("")).strip() for match in _quotes(prompt).finditer(prompt))
    return [text for text in texts if text]


def without_quotes(prompt: str) -> str:
    """The prompt with a blank in place of each text in quotes."""
    return _quotes(prompt).sub(" ", prompt)


def _quotes(prompt: str) -> re.Pattern[str]:
    return QUOTED if QUOTED.search(prompt) else SINGLE
