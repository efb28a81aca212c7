"""A yes-or-no question about a picture, scored by how likely the answer is yes.

With p = softmax(logits) of the answer's first token, and Y, N the tokens that spell yes and no:

    relative      p(Y) / (p(Y) + p(N))          in [0, 1]; what else may be said does not count
    probability   p("Yes")                      in [0, 1]; VQAScore, Lin et al., arXiv 2404.01291
    log_margin    log p(Y) - log p(N)           any number; the logit of relative, never saturated

Higher is better, and differentiable.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from ..types import check_characters

YES = ("Yes", " Yes", "yes", " yes", "YES", " YES")
NO = ("No", " No", "no", " no", "NO", " NO")


def question_field() -> str:
    """The setting of the question."""
    return field(
        default='Does this figure show "{}"? Please answer Yes or No.',
        metadata={
            "tooltip": "What the model is asked about the picture; {} stands for the prompt. It "
            "must call for Yes or No.",
            "multiline": True,
            "advanced": True,
        },
    )


def form_field() -> str:
    """The setting of the score's form."""
    return field(
        default="relative",
        metadata={
            "tooltip": "relative: the probability of yes over that of yes and no, 0 to 1. "
            "probability: that of the answer Yes, as VQAScore is published. log_margin: how much "
            "likelier yes is than no, as a logarithm; best for gradients.",
            "choices": ("relative", "probability", "log_margin"),
        },
    )


def check_question(question: str) -> None:
    """Raise ValueError unless the prompt has one place in ``question``."""
    if question.count("{}") != 1:
        raise ValueError(f"question {question!r}: one {{}} for the prompt wanted")


def check_prompt(prompt: str) -> None:
    """Raise ValueError if there is nothing to ask about."""
    check_characters(prompt)
    if not prompt.strip():
        raise ValueError("VQAScore needs a prompt to ask about: got none")


@dataclass(frozen=True)
class Answers:
    """Ids of the tokens that spell yes, the answer as the chat goes on first, and of those that
    spell no."""

    yes: tuple[int, ...]
    no: tuple[int, ...]

    def score(self, logits: torch.Tensor, form: str) -> torch.Tensor:
        """Logits (V,) of the answer's first token -> score (), float32, by ``form``."""
        logp = torch.log_softmax(logits.float(), dim=-1)
        if form == "probability":
            return logp[self.yes[0]].exp()
        margin = logp[list(self.yes)].logsumexp(0) - logp[list(self.no)].logsumexp(0)
        return margin if form == "log_margin" else torch.sigmoid(margin)


def find_answers(token: Callable[[str], int | None], after_blank: bool = False) -> Answers:
    """``token(word)`` is the one token that spells ``word``, None if there is no such token.

    ``after_blank``: the answer goes on in the line of "Assistant:", as " Yes" if that is a token.
    """
    found = []
    for words in (YES, NO):
        ids = [token(word) for word in words]
        if ids[0] is None:
            raise ValueError(f"the tokenizer has no single token {words[0]!r}: VQAScore needs one")
        if after_blank:
            ids.insert(0, ids[1])
        found.append(tuple(dict.fromkeys(i for i in ids if i is not None)))
    return Answers(*found)
