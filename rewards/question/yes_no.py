"""A yes-or-no question about an image, scored by how likely the answer is yes.

With p = softmax(logits) of the answer's first token, and Y, N the tokens that spell yes and no:

    relative      p(Y) / (p(Y) + p(N))          in [0, 1]; other answers do not count
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
QUESTION = 'Does this figure show "{}"? Please answer Yes or No.'


def question_field() -> str:
    """The setting `question`."""
    return field(
        default=QUESTION,
        metadata={
            "tooltip": "Question about the image, to be answered with Yes or No. {} stands for the "
            "prompt.",
            "multiline": True,
            "advanced": True,
        },
    )


def form_field() -> str:
    """The setting `form`."""
    return field(
        default="relative",
        metadata={
            "tooltip": "relative: p(yes) / (p(yes) + p(no)). probability: p(Yes). log_margin: "
            "log p(yes) - log p(no), best for gradients.",
            "choices": ("relative", "probability", "log_margin"),
        },
    )


def check_question(question: str) -> None:
    """Raise ValueError unless `question` has exactly one place for the prompt."""
    if question.count("{}") != 1:
        raise ValueError(
            f"The question has no single place for the prompt: got {question!r}, expected one {{}}."
        )


def check_prompt(prompt: str) -> None:
    """Raise ValueError if `prompt` has no text to ask about."""
    check_characters(prompt)
    if not prompt.strip():
        raise ValueError("VQAScore needs a prompt to ask about: got an empty one, expected text.")


@dataclass(frozen=True)
class Answers:
    """Ids of the tokens that spell yes, and of those that spell no.

    The first one of each is the spelling that continues the chat.
    """

    yes: tuple[int, ...]
    no: tuple[int, ...]

    def score(self, logits: torch.Tensor, form: str) -> torch.Tensor:
        """Logits (V,) of the answer's first token -> score (), float32; `form` as in the module."""
        logp = torch.log_softmax(logits.float(), dim=-1)
        if form == "probability":
            return logp[self.yes[0]].exp()
        margin = logp[list(self.yes)].logsumexp(0) - logp[list(self.no)].logsumexp(0)
        return margin if form == "log_margin" else torch.sigmoid(margin)


def find_answers(token: Callable[[str], int | None], after_blank: bool = False) -> Answers:
    """The tokens of the answers yes and no.

    Args:
        token: returns the one token that spells a word, None if there is none.
        after_blank: whether the answer continues a line such as "Assistant:", so that it is " Yes"
            if that is a token.

    Raises:
        ValueError: "Yes" or "No" is not a single token.
    """
    spellings = []
    for words in (YES, NO):
        ids = [token(word) for word in words]
        if ids[0] is None:
            raise ValueError(
                f"The tokenizer cannot spell {words[0]!r}: got no single token, expected one."
            )
        if after_blank:
            ids.insert(0, ids[1])
        spellings.append(tuple(dict.fromkeys(i for i in ids if i is not None)))
    return Answers(*spellings)
