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

from ..types import Files, check_batch
from .yes_no import Answers, check_prompt, check_question, find_answers, form_field, question_field

Tokens = Mapping[str, Any] | Sequence[Any]  # rows of (token, weight), or {encoder: rows}
EXPECTED = (
    "expected a vision-language model that the host's Generate Text node can show an image "
    "(Qwen3-VL, Qwen3.5, Gemma 3 or 4)"
)


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
    """

    clip: HostClip
    speaker: torch.nn.Module
    answers: Answers
    question: str
    form: str
    module: ClassVar[None] = None

    def check(self, prompt: str) -> None:
        check_prompt(prompt)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        scores = torch.full((len(prompts),), float("nan"), device=images.device)
        for i, image in enumerate(images.detach()):
            if torch.isfinite(image).all():  # 8-bit preprocessing would hide a NaN
                tokens = image_tokens(self.clip, self.question.replace("{}", prompts[i]), image)
                scores[i] = self.answers.score(self._logits(tokens), self.form)
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


def image_tokens(clip: HostClip, question: str, image: torch.Tensor) -> Tokens:
    """A question about an image, as the model takes it.

    Args:
        clip: the host's CLIP.
        question: without a place for a prompt.
        image: (H, W, 3) in [0, 1].

    Raises:
        ValueError: the model takes no images.
    """
    tokens = clip.tokenize(
        question, image=image[None], skip_template=False, min_length=1, thinking=False
    )
    kinds = [token.get("type") for token in _first_row(tokens) if isinstance(token, Mapping)]
    if kinds != ["image"]:
        raise ValueError(f"The connected CLIP takes no images: {EXPECTED}.")
    return tokens


def probe(clip: HostClip | None) -> tuple[torch.nn.Module, Answers]:
    """The part of `clip` that computes logits, and its tokens for yes and no.

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
    image_tokens(clip, "A picture?", torch.zeros(64, 64, 3))
    return speakers[0], find_answers(lambda word: _token(clip, word))


def _has(thing: object, *methods: str) -> bool:
    return all(callable(getattr(thing, name, None)) for name in methods)


def _token(clip: HostClip, word: str) -> int | None:
    """The one token that spells `word`, None if there is none."""
    # Each of the host's tokenizers has another option that makes it add nothing to the word.
    bare = {"skip_template": True, "llama_template": "{}", "thinking": True, "min_length": 1}
    last = _first_row(clip.tokenize(word, **bare))[-1]
    return int(last) if clip.decode([last]).strip() == word.strip() else None


@dataclass(frozen=True)
class HostVlmScore:
    """Settings of VQAScore by a connected CLIP.

    Args:
        clip: the host's CLIP, None without a connection.
        form: of the score, as in `yes_no`.
        question: with {} for the prompt.
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

    def load(self, files: Files | None = None) -> HostVlmScorer:
        """Check the CLIP. `files` are not used."""
        check_question(self.question)
        speaker, answers = probe(self.clip)
        return HostVlmScorer(self.clip, speaker, answers, self.question, self.form)
