"""What a judge does with a question: the tokens of its answers, and how likely they are.

With p = softmax(logits) of the answer's first token. A are the first tokens of the answer hoped
for, and O those of its alternatives:

    log P = log p(A) - log(p(A) + p(O))     with alternatives: yes and no, or numbers
            log p(A)                        without

Each word counts in small letters, capitals and both, with and without a blank before it. A number,
a yes or a no must be a single token: the first token of "12" would be that of "1" as well.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

from ..types import Question, check_characters

Encode = Callable[[str], list[int]]  # a text -> its tokens, with nothing before or after them
Decode = Callable[[int], str]  # a token -> its text
BLANKS = " \u2581\u0120"  # a blank, and what tokenizers write for one


class Pick(NamedTuple):
    """First tokens of the answer hoped for, and of those it is compared with."""

    answer: list[int]
    alternatives: list[int]

    def log_p(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (…, V) of the answer's first token -> log P (…), float32."""
        logp = torch.log_softmax(logits.float(), dim=-1)
        hoped = logp[..., self.answer].logsumexp(-1)
        if not self.alternatives:
            return hoped
        return torch.nn.functional.logsigmoid(hoped - logp[..., self.alternatives].logsumexp(-1))


def pick(question: Question, encode: Encode, decode: Decode) -> Pick:
    """The tokens of a question's answers.

    Args:
        question: to be asked.
        encode: of the judge's tokenizer.
        decode: of the judge's tokenizer.

    Raises:
        ValueError: the tokenizer has no first token for the answer.
    """
    whole = bool(question.alternatives)
    answer = list(dict.fromkeys(_first_tokens(question.answer, encode, decode, whole)))
    alternatives = set(_first_tokens(question.alternatives, encode, decode, whole)) - set(answer)
    if not answer or (whole and not alternatives):
        kind = "single token" if whole else "first token"
        raise ValueError(
            f"The judge cannot spell {question.answer[0]!r}: got no {kind}, expected one. Ask "
            "whether it is so, to be answered with yes."
        )
    return Pick(answer, sorted(alternatives))


def _first_tokens(
    words: tuple[str, ...], encode: Encode, decode: Decode, whole: bool
) -> Iterator[int]:
    for form in (form for word in words for form in (word, word.capitalize(), word.upper())):
        for spelling in (form, f" {form}"):
            # A blank of its own begins any word, and an unknown token is no beginning of this one.
            texts = ((token, decode(token).strip(BLANKS)) for token in encode(spelling))
            first, text = next(((t, text) for t, text in texts if text), (0, ""))
            if text and (text == form if whole else form.startswith(text)):
                yield first


def check_questions(questions: list[Question], commands: set[str] = frozenset()) -> None:
    """Raise ValueError if a question is empty, or holds half of a character or a command.

    Args:
        questions: to be asked.
        commands: tokens that the model reads as commands.
    """
    for question in questions:
        check_characters(question.text)
        if not question.text.strip():
            raise ValueError("A question is empty: got no text, expected some.")
        check_commands(question.text, commands)


def check_commands(text: str, commands: set[str]) -> None:
    """Raise ValueError if `text` holds one of the tokens that the model reads as commands."""
    if held := sorted(token for token in commands if token in text):
        raise ValueError(
            f"The prompt holds text that the model reads as a command: got {held[0]!r}, "
            "expected plain text."
        )
