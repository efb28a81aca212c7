"""The text encoder of the demo model: a closed vocabulary, no weights.

A caption is one to three phrases "<number> <colour> <shape>", joined by "and" or commas. Each
phrase becomes one token of 64 numbers, the one-hot pair (colour, number) beside the one-hot pair
(colour, shape); the pooled vector is their sum. Tokens need no position: the order of the phrases
means nothing. The empty text is all zero and serves as the unconditional prompt. `WordTableCLIP`
has just what the stock CLIP Text Encode node calls.
"""

import re

import torch
from torch import Tensor

from .scenes import COLOURS, KINDS, NUMBERS, SHAPES, Triple

WIDTH = 64
_COLOURS, _SHAPES = list(COLOURS), list(SHAPES)
_NUMBER = {word: n for n, word in enumerate(NUMBERS, 1)}
_NUMBER |= {str(n): n for n in _NUMBER.values()} | {"a": 1, "an": 1}
_SHAPE = {word: i for i, name in enumerate(_SHAPES) for word in (name, name + "s")}
VOCABULARY = (*_NUMBER, *_COLOURS, *_SHAPE, "and")


def parse(text: str) -> list[Triple]:
    """Caption -> [(count, colour index, shape index)]; ValueError if it cannot be read."""
    words = [word for word in re.findall(r"[^\s,.;]+", text.lower())]
    for word in words:
        if word not in VOCABULARY:
            raise ValueError(
                f'The demo model does not know the word "{word}"; it knows {", ".join(VOCABULARY)}.'
            )
    words = [word for word in words if word != "and"]
    phrases = [words[i : i + 3] for i in range(0, len(words), 3)]
    for phrase in phrases:
        readable = (
            len(phrase) == 3
            and phrase[0] in _NUMBER
            and phrase[1] in COLOURS
            and phrase[2] in _SHAPE
        )
        if not readable:
            raise ValueError(
                f'The demo model reads phrases like "three red circles", got "{" ".join(phrase)}".'
            )
    if len(phrases) > KINDS:
        raise ValueError(
            f"The demo model reads up to {KINDS} kinds of shapes, got {len(phrases)}: {text!r}."
        )
    return [(_NUMBER[n], _COLOURS.index(c), _SHAPE[s]) for n, c, s in phrases]


def embed(kinds: Tensor) -> tuple[Tensor, Tensor]:
    """kinds (n, 3, 3) -> tokens (n, 3, 64), pooled (n, 64). Rows with count 0 stay zero."""
    count, colour, shape = kinds.unbind(-1)
    tokens = torch.zeros(*count.shape, WIDTH, device=kinds.device)
    tokens.scatter_(-1, (colour * 6 + (count - 1).clamp(min=0))[..., None], 1.0)
    tokens.scatter_(-1, (len(_COLOURS) * 6 + colour * len(_SHAPES) + shape)[..., None], 1.0)
    tokens = tokens * (count > 0)[..., None]
    return tokens, tokens.sum(1)


def encode(texts: list[str]) -> tuple[Tensor, Tensor]:
    """Captions -> tokens (n, 3, 64), pooled (n, 64)."""
    rows = [parse(text) for text in texts]
    return embed(torch.tensor([row + [(0, 0, 0)] * (KINDS - len(row)) for row in rows]))


class WordTableCLIP:
    """What the stock CLIP Text Encode node asks of a CLIP, over the closed vocabulary."""

    def tokenize(self, text: str) -> list[Triple]:
        """Caption -> phrases as (count, colour index, shape index)."""
        return parse(text)

    def encode_from_tokens_scheduled(self, tokens: list[Triple]) -> list:
        """Phrases -> ComfyUI CONDITIONING [[tokens (1, 3, 64), {"pooled_output": (1, 64)}]]."""
        rows = tokens + [(0, 0, 0)] * (KINDS - len(tokens))
        cond, pooled = embed(torch.tensor([rows]))
        return [[cond, {"pooled_output": pooled}]]
