"""VQAScore with a T5: how likely is the hoped answer to a question about an image?

With a_1 ... a_n the tokens of the answer, its end included ("Yes", </s>):

    log           mean_i log p(a_i | image, question, a_1 ... a_i-1)            at most 0
    probability   exp(log) = sqrt(p("Yes") p(</s> | "Yes")), not p("Yes")       in [0, 1]
    log_margin    log of the answer less log of its opposite                    any number

Higher is better. "probability" is VQAScore as published (Lin et al., arXiv 2404.01291). The other
two do not flatten near 0 and 1, which suits gradients. Differentiable in the images. Images of one
prompt run as one batch without padding, so that a batch changes a score by rounding only. As a
judge of a checklist it reads the first token of the answer, and sees each image once for all
questions.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch

from ..files.source import reading
from ..files.weights import Source
from ..memo import Memo
from ..types import Question, check_batch
from .asking import Pick, check_questions, pick
from .sharp_logits import sharpen
from .yes_no import check_prompt, check_question

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import T5ForConditionalGeneration
    from transformers.modeling_outputs import BaseModelOutput

Tokens = list[list[int]]
TOKENIZER = Source("the tokenizer.json of FLAN-T5", "https://huggingface.co/google/flan-t5-xl")
PAD, END = 0, 1  # END is </s>; a T5 starts its answers with PAD


class ImageReader(torch.nn.Module):
    """A T5, and what turns an image and the tokens of a question into its input. Abstract."""

    t5: "T5ForConditionalGeneration"

    def pixels(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, H, W, 3) in [0, 1] -> normalised pixels (B, 3, S, S)."""
        raise NotImplementedError

    def see(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (B, 3, S, S) -> what is the same for all questions (B, …)."""
        raise NotImplementedError

    def embed(self, features: torch.Tensor, *tokens: torch.Tensor) -> torch.Tensor:
        """What `see` returned, and the question's tokens as from `T5Scorer.ask` -> (B, L, D)."""
        raise NotImplementedError


@dataclass(frozen=True)
class T5Scorer:
    """A loaded model.

    Args:
        module: a T5 that reads images.
        ask: returns the tokens of a question, for `ImageReader.embed`.
        tokenizer: T5's, for the answers.
        question: with {} for the prompt.
        answers: the hoped answer, and its opposite.
        form: "probability", "log" or "log_margin", as in the module.
        texts: cache of the tokens of each prompt.
    """

    module: ImageReader
    ask: Callable[[str], Tokens]
    tokenizer: "Tokenizer"
    question: str
    answers: tuple[str, str]
    form: str
    texts: Memo[tuple[Tokens, Tokens]] = field(default_factory=Memo)
    asks: ClassVar[bool] = True
    compares: ClassVar[bool] = False

    def check(self, prompt: str) -> None:
        check_prompt(prompt)

    def check_questions(self, questions: list[Question]) -> None:
        check_questions(questions)
        for question in questions:
            self._pick(question)

    def judge(self, images: torch.Tensor, questions: list[Question]) -> torch.Tensor:
        check_batch(images, [""] * len(images))
        if not (len(images) and questions):
            return images.new_zeros(len(images), len(questions), dtype=torch.float32)
        features, columns = self._see(images), []
        for question in questions:
            embeds = self.module.embed(features, *self._on_device(self.ask(question.text)))
            logits = first_logits(self.module.t5, self.module.t5.encoder(inputs_embeds=embeds))
            columns.append(self._pick(question).log_p(logits))
        finite = torch.isfinite(images).flatten(1).all(1)
        log_p = torch.stack(columns, 1).to(images.device)
        return log_p.masked_fill(~finite[:, None], float("nan"))

    def _pick(self, question: Question) -> Pick:
        def encode(text: str) -> list[int]:
            return [token for token in self.tokenizer.encode(text).ids if token != END]

        return pick(question, encode, lambda token: self.tokenizer.id_to_token(token) or "")

    def _see(self, images: torch.Tensor) -> torch.Tensor:
        weight = self.module.t5.lm_head.weight
        pixels = self.module.pixels(images.to(weight.device, torch.float32)).to(weight.dtype)
        return self.module.see(pixels)

    def _on_device(self, question: Tokens) -> list[torch.Tensor]:
        device = self.module.t5.lm_head.weight.device
        return [torch.tensor(ids, device=device) for ids in question]

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        if not prompts:
            return images.new_zeros(0, dtype=torch.float32)
        rows = {p: [i for i, q in enumerate(prompts) if p == q] for p in dict.fromkeys(prompts)}
        scores = torch.cat([self._score(images[indices], p) for p, indices in rows.items()])
        order = torch.tensor(
            [i for indices in rows.values() for i in indices], device=scores.device
        )
        # Preprocessing may crop a NaN away, but the image must score NaN all the same.
        finite = torch.isfinite(images).flatten(1).all(1)
        return scores[order.argsort()].to(images.device).masked_fill(~finite, float("nan"))

    def _score(self, images: torch.Tensor, prompt: str) -> torch.Tensor:
        """Scores (B,) of images of one prompt."""
        question, answers = self.texts(prompt, self._tokens)
        embeds = self.module.embed(self._see(images), *self._on_device(question))
        logs = answer_logs(self.module.t5, embeds, answers)
        if self.form == "log_margin":
            return logs[0] - logs[1]
        return logs[0].exp() if self.form == "probability" else logs[0]

    def _tokens(self, prompt: str) -> tuple[Tokens, Tokens]:
        texts = self.answers[: 2 if self.form == "log_margin" else 1]
        answers = [self.tokenizer.encode(text.replace("{}", prompt)).ids for text in texts]
        return self.ask(self.question.replace("{}", prompt)), answers


def answer_logs(
    t5: "T5ForConditionalGeneration", embeds: torch.Tensor, answers: Tokens
) -> list[torch.Tensor]:
    """Mean log-probability (B,), float32, of each answer. The image is encoded once for all.

    Args:
        t5: the model.
        embeds: (B, L, D), images and question, as from `ImageReader.embed`.
        answers: tokens of each answer, its end included.
    """
    encoded = t5.encoder(inputs_embeds=embeds)
    means = []
    for answer in answers:
        labels = torch.tensor(answer, device=embeds.device).expand(len(embeds), -1)
        inputs = torch.cat([torch.full_like(labels[:, :1], PAD), labels[:, :-1]], dim=1)
        logits = t5(encoder_outputs=encoded, decoder_input_ids=inputs, use_cache=False).logits
        logs = logits.float().log_softmax(-1).gather(-1, labels[..., None])
        means.append(logs[..., 0].mean(1))
    return means


def first_logits(t5: "T5ForConditionalGeneration", encoded: "BaseModelOutput") -> torch.Tensor:
    """Logits (B, V) of the first token of the answer, from what the encoder returned."""
    hidden = encoded.last_hidden_state
    start = torch.full((len(hidden), 1), PAD, device=hidden.device)
    return t5(encoder_outputs=encoded, decoder_input_ids=start, use_cache=False).logits[:, 0]


def prepare(t5: "T5ForConditionalGeneration") -> None:
    """Set `t5` up as FLAN-T5: one embedding for questions and answers, a separate `lm_head`.

    transformers ties `lm_head` to the embeddings of a T5 and scales its input; FLAN-T5 does
    neither. transformers 4 reads the first attribute for that, transformers 5 the second. The
    logits become float32.
    """
    sharpen(t5.lm_head)
    t5.set_input_embeddings(t5.shared)
    for config in (t5.config, t5.decoder.config):
        config.tie_word_embeddings = config.scale_decoder_outputs = False


def load_tokenizer(folder: Path, fallback: Path | None) -> "Tokenizer":
    """T5's tokenizer from `folder`, or from the folder `fallback` if there is none."""
    for file in (path / "tokenizer.json" for path in (folder, fallback) if path):
        tokenizer = read_tokenizer(file, TOKENIZER) if file.is_file() else None
        if tokenizer and [tokenizer.token_to_id(word) for word in ("<pad>", "</s>")] == [PAD, END]:
            return tokenizer
    raise TOKENIZER.error(folder, "has no T5 tokenizer")


def read_tokenizer(file: Path, source: Source) -> "Tokenizer":
    """The tokenizer of a tokenizer.json, without the padding and truncation saved with it."""
    from tokenizers import Tokenizer

    with reading(file, source):
        tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def check_answers(question: str, answers: tuple[str, str]) -> None:
    """Raise ValueError unless `question` has a place for the prompt and no answer is empty."""
    check_question(question)
    if not all(answer.strip() for answer in answers):
        raise ValueError(f"An answer is empty: got {answers}, expected text in each.")


def form_field() -> str:
    """The setting `score`, the form of the score."""
    return field(
        default="probability",
        metadata={
            "tooltip": "probability, 0 to 1, is that of the answer. log and log_margin suit "
            "gradients better.",
            "choices": ("probability", "log", "log_margin"),
        },
    )


def question_field(default: str) -> str:
    """The setting `question`."""
    tooltip = "Question about the image. {} stands for the prompt."
    return field(
        default=default, metadata={"tooltip": tooltip, "multiline": True, "advanced": True}
    )


def answer_field(default: str) -> str:
    """The setting `answer`, the hoped answer."""
    tooltip = "The answer whose probability is the score. Case matters."
    return field(default=default, metadata={"tooltip": tooltip, "advanced": True})


def opposite_field(default: str) -> str:
    """The setting `opposite`, the opposite of the hoped answer."""
    tooltip = "The answer that log_margin compares with. The other scores do not use it."
    return field(default=default, metadata={"tooltip": tooltip, "advanced": True})
