"""The text encoder of the demo model: a closed vocabulary, no weights.

A caption is one to three phrases "<number> <colour> <shape>", joined by "and" or commas. Each
phrase becomes one token of 64 numbers: the one-hot pair (colour, number), then the one-hot pair
(colour, shape). The pooled vector is the sum of the tokens. Tokens have no position, because the
order of phrases has no meaning. The empty text is all zero and is the unconditional prompt.
`WordTableCLIP` has only the methods that ComfyUI's CLIP Text Encode node calls.
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
    phrases = _phrases(text)
    for phrase in phrases:
        readable = (
            len(phrase) == 3
            and phrase[0] in _NUMBER
            and phrase[1] in COLOURS
            and phrase[2] in _SHAPE
        )
        if not readable:
            raise ValueError(
                f'The demo model cannot read a phrase: got "{" ".join(phrase)}", expected one like '
                '"three red circles".'
            )
    if len(phrases) > KINDS:
        raise ValueError(
            f"The demo model cannot read so many phrases: got {len(phrases)} in {text!r}, "
            f"expected at most {KINDS}."
        )
    return [(_NUMBER[n], _COLOURS.index(c), _SHAPE[s]) for n, c, s in phrases]


def _phrases(text: str) -> list[list[str]]:
    """The words of the caption in groups of three, without "and"; ValueError for other words."""
    words = re.findall(r"[^\s,.;]+", text.lower())
    for word in words:
        if word not in VOCABULARY:
            raise ValueError(
                f'The demo model does not know a word: got "{word}", expected one of '
                f"{', '.join(VOCABULARY)}."
            )
    words = [word for word in words if word != "and"]
    return [words[i : i + 3] for i in range(0, len(words), 3)]


def embed(kinds: Tensor) -> tuple[Tensor, Tensor]:
    """kinds (n, 3, 3) -> tokens (n, 3, 64), pooled (n, 64). Rows with count 0 are zero."""
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
    """A CLIP for ComfyUI's CLIP Text Encode node, with the closed vocabulary."""

    def tokenize(self, text: str) -> list[Triple]:
        """Caption -> phrases as (count, colour index, shape index)."""
        return parse(text)

    def encode_from_tokens_scheduled(self, tokens: list[Triple]) -> list:
        """Phrases -> ComfyUI CONDITIONING [[tokens (1, 3, 64), {"pooled_output": (1, 64)}]]."""
        rows = tokens + [(0, 0, 0)] * (KINDS - len(tokens))
        cond, pooled = embed(torch.tensor([rows]))
        return [[cond, {"pooled_output": pooled}]]
