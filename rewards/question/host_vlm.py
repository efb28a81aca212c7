"""VQAScore by a vision-language model that the host loads with Load CLIP.

The host's CLIP only returns text. It chooses each token by the logits that the method `logits` of
one of its parts computes. While it generates one token we record these logits, so that the score is
the same as for other models: see `yes_no`. Templates and preprocessing are the host's. Images are
scored one by one. Not differentiable. This module imports nothing of the host: `probe` checks
whether an object can do all that is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch

from ..pixels.resize import resized
from ..types import Files, Question, check_batch
from .asking import Pick, check_questions, pick
from .edits import checked_source, question_for, source_field
from .yes_no import Answers, check_prompt, check_question, find_answers, form_field, question_field

Tokens = Mapping[str, Any] | Sequence[Any]  # rows of (token, weight), or {encoder: rows}
EXPECTED = (
    "expected a vision-language model that takes images in ComfyUI's Generate Text node "
    "(Qwen3-VL, Qwen3.5, Gemma 3 or 4)"
)
WRITERS = "expected a language model of ComfyUI's Generate Text node, such as Qwen3-VL or Gemma 3"
# Each of the host's tokenizers has another option that makes it add nothing to the text.
BARE = {"skip_template": True, "llama_template": "{}", "thinking": True, "min_length": 1}


class HostClip(Protocol):
    """The part of the host's CLIP that we use."""

    cond_stage_model: torch.nn.Module

    def tokenize(self, text: str, **options: object) -> Tokens:
        """The tokens of `text` in the model's template; each image takes the place of a token."""

    def generate(self, tokens: Tokens, do_sample: bool, max_length: int) -> list[int]:
        """Load the model and generate.

        Args:
            tokens: as `tokenize` returns them.
            do_sample: False takes the likeliest token each time.
            max_length: tokens to generate.
        """

    def decode(self, token_ids: list[int]) -> str:
        """The text of the tokens."""


def _first_row(tokens: Tokens) -> list[object]:
    rows = next(iter(tokens.values())) if isinstance(tokens, Mapping) else tokens
    return [token[0] for token in rows[0]]


@dataclass(frozen=True)
class HostVlmScorer:
    """A connected CLIP, which the host loads and unloads.

    Args:
        clip: the host's CLIP.
        speaker: the part of it that computes logits.
        answers: the tokens that spell yes and no.
        question: with {} for the prompt.
        form: of the score, as in `yes_no`.
        source: (1, H, W, 3) in [0, 1], which the image is an edit of; None without one.
    """

    clip: HostClip
    speaker: torch.nn.Module
    answers: Answers
    question: str
    form: str
    source: torch.Tensor | None = None
    module: ClassVar[None] = None
    asks: ClassVar[bool] = True

    @property
    def compares(self) -> bool:
        return self.source is not None

    def check(self, prompt: str) -> None:
        check_prompt(prompt)

    def check_questions(self, questions: list[Question]) -> None:
        check_questions(questions)
        for question in questions:
            self._pick(question)

    def judge(self, images: torch.Tensor, questions: list[Question]) -> torch.Tensor:
        check_batch(images, [""] * len(images))
        picks = [self._pick(question) for question in questions]
        log_p = torch.full((len(images), len(questions)), float("nan"), device=images.device)
        for i, image in enumerate(images.detach()):
            if torch.isfinite(image).all():
                for k, question in enumerate(questions):
                    log_p[i, k] = picks[k].log_p(self._answer(question.text, image))
        return log_p

    def _pick(self, question: Question) -> Pick:
        return pick(
            question, lambda text: _tokens(self.clip, text), lambda id: self.clip.decode([id])
        )

    def _answer(self, question: str, image: torch.Tensor) -> torch.Tensor:
        """Logits (V,) of the first token of the answer to a question about an image (H, W, 3)."""
        return self._logits(image_tokens(self.clip, question, image, self.source))

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        scores = torch.full((len(prompts),), float("nan"), device=images.device)
        for i, image in enumerate(images.detach()):
            if torch.isfinite(image).all():  # 8-bit preprocessing would hide a NaN
                logits = self._answer(self.question.replace("{}", prompts[i]), image)
                scores[i] = self.answers.score(logits, self.form)
        return scores

    @torch.no_grad()
    def _logits(self, tokens: Tokens) -> torch.Tensor:
        """Logits (V,) of the first token of the answer."""
        recorded, logits_of = [], self.speaker.logits

        def record(hidden: torch.Tensor) -> torch.Tensor:
            recorded.append(logits_of(hidden))
            return recorded[-1]

        self.speaker.logits = record  # hides the method of the class
        try:
            self.clip.generate(tokens, do_sample=False, max_length=1)
        finally:
            del self.speaker.logits
        return recorded[0][0, -1]


def image_tokens(
    clip: HostClip, question: str, image: torch.Tensor, source: torch.Tensor | None = None
) -> Tokens:
    """A question about an image, as the model takes it.

    Args:
        clip: the host's CLIP.
        question: without a place for a prompt.
        image: (H, W, 3) in [0, 1].
        source: (1, H, W, 3), which the model sees first, in the size of the image.

    Raises:
        ValueError: the model takes no images, or not two.
    """
    images = image[None]
    if source is not None:
        planes = source.to(image.device, image.dtype).movedim(-1, 1)
        planes = resized(planes, tuple(image.shape[:2]), "bicubic").clamp(0.0, 1.0)
        images = torch.cat([planes.movedim(1, -1), images])
    tokens = clip.tokenize(
        question, image=images, skip_template=False, min_length=1, thinking=False
    )
    kinds = [token.get("type") for token in _first_row(tokens) if isinstance(token, Mapping)]
    if kinds != ["image"] * len(images):
        taken = "no images" if source is None or not kinds else "one image at a time"
        raise ValueError(f"The connected CLIP takes {taken}: {EXPECTED}.")
    return tokens


def probe(
    clip: HostClip | None, source: torch.Tensor | None = None
) -> tuple[torch.nn.Module, Answers]:
    """The part of `clip` that computes logits, and its tokens for yes and no.

    Args:
        clip: the host's CLIP.
        source: (1, H, W, 3) that it is to see before each image.

    Raises:
        ValueError: there is no CLIP, or it cannot answer questions about images.
    """
    if clip is None:
        raise ValueError(f"No CLIP is connected: {EXPECTED}. Use Load CLIP.")
    model = getattr(clip, "cond_stage_model", None)
    parts = model.modules() if isinstance(model, torch.nn.Module) else ()
    speakers = [part for part in parts if _has(part, "logits", "generate")]
    if not (speakers and _has(clip, "tokenize", "generate", "decode")):
        raise ValueError(f"The connected CLIP generates no text: {EXPECTED}.")
    image_tokens(clip, "An image?", torch.zeros(64, 64, 3), source)
    return speakers[0], find_answers(lambda word: _token(clip, word))


def check_writer(clip: HostClip) -> None:
    """Raise ValueError unless `clip` generates text."""
    parts = getattr(clip, "cond_stage_model", None)
    able = isinstance(parts, torch.nn.Module) and _has(clip, "tokenize", "generate", "decode")
    if not (able and any(_has(part, "generate") for part in parts.modules())):
        raise ValueError(f"The connected CLIP generates no text: {WRITERS}.")


def _has(thing: object, *methods: str) -> bool:
    return all(callable(getattr(thing, name, None)) for name in methods)


def _token(clip: HostClip, word: str) -> int | None:
    """The one token that spells `word`, None if there is none."""
    last = _first_row(clip.tokenize(word, **BARE))[-1]
    return int(last) if clip.decode([last]).strip() == word.strip() else None


def _tokens(clip: HostClip, text: str) -> list[int]:
    """The tokens of `text`: the shortest end of the row that spells it. None if no end does."""
    row = [int(token) for token in _first_row(clip.tokenize(text, **BARE))]
    for start in range(len(row) - 1, -1, -1):
        if clip.decode(row[start:]).strip() == text.strip():
            return row[start:]
    return []


@dataclass(frozen=True)
class HostVlmScore:
    """Settings of VQAScore by a connected CLIP.

    Args:
        clip: the host's CLIP, None without a connection.
        form: of the score, as in `yes_no`.
        question: with {} for the prompt.
        source: (1, H, W, C) in [0, 1], which the image is an edit of; None without one.
    """

    gradient: ClassVar[bool] = False

    clip: Any = field(
        default=None,
        metadata={
            "tooltip": "A vision-language model: Qwen3-VL, Qwen3.5, Gemma 3 or Gemma 4.",
            "socket": "clip",
        },
    )
    form: str = form_field()
    question: str = question_field()
    source: "torch.Tensor | None" = source_field()

    def load(self, files: Files | None = None) -> HostVlmScorer:
        """Check the CLIP. `files` are not used."""
        check_question(self.question)
        source = checked_source(self.source)
        speaker, answers = probe(self.clip, source)
        question = question_for(self.question, source)
        return HostVlmScorer(self.clip, speaker, answers, question, self.form, source)
