"""VQAScore of a T5: how likely it is to give the answer hoped for to a question about a picture.

With a_1 ... a_n the tokens of the answer, its end among them ("Yes", </s>):

    log           mean_i log p(a_i | picture, question, a_1 ... a_i-1)          at most 0
    probability   exp(log) = sqrt(p("Yes") p(</s> | "Yes")), not p("Yes")       in [0, 1]
    log_margin    log of the answer less log of its opposite                    any number

Higher is better. "probability" is VQAScore as published (Lin et al., arXiv 2404.01291); the other
two do not flatten out near 0 and 1, which gradients like. Differentiable in the images. Pictures of
one prompt run as one batch, which needs no padding: a batch changes a score by rounding only.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..files.source import reading
from ..files.weights import Source
from ..memo import Memo
from ..types import check_batch
from .sharp_logits import sharpen
from .yes_no import check_prompt, check_question

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import T5ForConditionalGeneration

Tokens = list[list[int]]
TOKENIZER = Source("the tokenizer.json of FLAN-T5", "https://huggingface.co/google/flan-t5-xl")
PAD, END = 0, 1  # </s> is 1; T5 starts an answer with its padding


class PictureReader(torch.nn.Module):
    """A T5, and what turns a picture and the tokens of a question into its input. Abstract."""

    t5: "T5ForConditionalGeneration"

    def pixels(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, H, W, 3) in [0, 1] -> normalised pixels (B, 3, S, S)."""
        raise NotImplementedError

    def embed(self, pixels: torch.Tensor, *tokens: torch.Tensor) -> torch.Tensor:
        """Pixels (B, 3, S, S), and what the family's ``ask`` made of the question -> (B, L, D)."""
        raise NotImplementedError


@dataclass(frozen=True)
class T5Scorer:
    """A loaded model. ``ask`` gives a question's tokens; ``answers`` are that hoped for and its
    opposite.
    """

    module: PictureReader
    ask: Callable[[str], Tokens]
    tokenizer: "Tokenizer"
    question: str
    answers: tuple[str, str]
    form: str
    texts: Memo[tuple[Tokens, Tokens]] = field(default_factory=Memo)

    def check(self, prompt: str) -> None:
        check_prompt(prompt)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        rows = {p: [i for i, q in enumerate(prompts) if p == q] for p in dict.fromkeys(prompts)}
        scores = torch.cat([self._score(images[own], p) for p, own in rows.items()])
        order = torch.tensor([i for own in rows.values() for i in own], device=scores.device)
        # A crop may cut a NaN away: it must show all the same.
        finite = torch.isfinite(images).flatten(1).all(1)
        return scores[order.argsort()].to(images.device).masked_fill(~finite, float("nan"))

    def _score(self, images: torch.Tensor, prompt: str) -> torch.Tensor:
        """Scores (B,) of pictures of one prompt."""
        weight = self.module.t5.lm_head.weight
        asked, hoped = self.texts(prompt, self._tokens)
        pixels = self.module.pixels(images.to(weight.device, torch.float32)).to(weight.dtype)
        tokens = [torch.tensor(ids, device=weight.device) for ids in asked]
        logs = answer_logs(self.module.t5, self.module.embed(pixels, *tokens), hoped)
        if self.form == "log_margin":
            return logs[0] - logs[1]
        return logs[0].exp() if self.form == "probability" else logs[0]

    def _tokens(self, prompt: str) -> tuple[Tokens, Tokens]:
        answers = self.answers[: 2 if self.form == "log_margin" else 1]
        hoped = [self.tokenizer.encode(answer.replace("{}", prompt)).ids for answer in answers]
        return self.ask(self.question.replace("{}", prompt)), hoped


def answer_logs(
    t5: "T5ForConditionalGeneration", embeds: torch.Tensor, answers: Tokens
) -> list[torch.Tensor]:
    """Mean log-probability (B,) of each answer to what ``embeds`` (B, L, D) show, float32.

    The picture is encoded once for all answers.
    """
    encoded = t5.encoder(inputs_embeds=embeds)
    means = []
    for answer in answers:
        wanted = torch.tensor(answer, device=embeds.device).expand(len(embeds), -1)
        given = torch.cat([torch.full_like(wanted[:, :1], PAD), wanted[:, :-1]], dim=1)
        logits = t5(encoder_outputs=encoded, decoder_input_ids=given, use_cache=False).logits
        logs = logits.float().log_softmax(-1).gather(-1, wanted[..., None])
        means.append(logs[..., 0].mean(1))
    return means


def prepare(t5: "T5ForConditionalGeneration") -> None:
    """Have one embedding for questions and answers, and none of it in the logits, which are sharp.

    transformers ties ``lm_head`` to the embeddings of any T5 and scales by their width then:
    FLAN-T5's are its own, unscaled. 4.x reads that off the one attribute, 5.x off the other.
    """
    sharpen(t5.lm_head)
    t5.set_input_embeddings(t5.shared)
    for config in (t5.config, t5.decoder.config):
        config.tie_word_embeddings = config.scale_decoder_outputs = False


def load_tokenizer(folder: Path, fallback: Path | None) -> "Tokenizer":
    """T5's tokenizer from ``folder``, or else from ``fallback``."""
    for file in (path / "tokenizer.json" for path in (folder, fallback) if path):
        found = read_tokenizer(file, TOKENIZER) if file.is_file() else None
        if found and [found.token_to_id(word) for word in ("<pad>", "</s>")] == [PAD, END]:
            return found
    raise TOKENIZER.error(folder, "has no T5 tokenizer")


def read_tokenizer(file: Path, source: Source) -> "Tokenizer":
    """That of a tokenizer.json, but without the padding and cutting that it may be saved with."""
    from tokenizers import Tokenizer

    with reading(file, source):
        tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def check_answers(question: str, answers: tuple[str, str]) -> None:
    """Raise ValueError unless these settings can be scored by."""
    check_question(question)
    if not all(answer.strip() for answer in answers):
        raise ValueError(f"answers {answers}: none of them may be empty")


def form_field() -> str:
    """The setting of the score's form."""
    return field(
        default="probability",
        metadata={
            "tooltip": "probability: that of the answer, 0 to 1, as VQAScore is published. log: "
            "its logarithm. log_margin: how much likelier the answer is than its opposite, as a "
            "logarithm; the last two are better for gradients.",
            "choices": ("probability", "log", "log_margin"),
        },
    )


def question_field(default: str) -> str:
    """The setting of the question."""
    tooltip = "What the model is asked about the picture; {} stands for the prompt."
    return field(
        default=default, metadata={"tooltip": tooltip, "multiline": True, "advanced": True}
    )


def answer_field(default: str) -> str:
    """The setting of the answer hoped for."""
    tooltip = "The answer whose probability is the score. Upper and lower case matter."
    return field(default=default, metadata={"tooltip": tooltip, "advanced": True})


def opposite_field(default: str) -> str:
    """The setting of the answer feared."""
    tooltip = "The answer that log_margin compares with; the other scores do not use it."
    return field(default=default, metadata={"tooltip": tooltip, "advanced": True})
