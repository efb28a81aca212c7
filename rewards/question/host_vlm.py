"""VQAScore by a vision-language model that the host loads as a CLIP and generates text with.

The host's CLIP gives text only, chosen token by token from what a part of it, of a method
``logits``, makes of the last hidden state. While one token is generated that method is listened
to, so that the score is the same as of any model: see ``yes_no``. Templates and preprocessing are
the host's; pictures are scored one by one. Not differentiable. Nothing of the host is imported:
``probe`` tells whether the object given can do all of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch

from ..types import Files, check_batch
from .yes_no import Answers, check_prompt, check_question, find_answers, form_field, question_field

Tokens = Mapping[str, Any] | Sequence[Any]  # rows of (token, weight), by the name of the encoder


class HostClip(Protocol):
    """What is used of the host's CLIP."""

    cond_stage_model: torch.nn.Module

    def tokenize(self, text: str, **options: object) -> Tokens:
        """``text`` in the model's template, with its pictures in the place of a token each."""

    def generate(self, tokens: Tokens, do_sample: bool, max_length: int) -> list[int]:
        """Loads the model, too."""

    def decode(self, token_ids: list[int]) -> str:
        """Text."""


def _first_row(tokens: Tokens) -> list[object]:
    rows = next(iter(tokens.values())) if isinstance(tokens, Mapping) else tokens
    return [token[0] for token in rows[0]]


@dataclass(frozen=True)
class HostVlmScorer:
    """``speaker`` is the part of the CLIP that makes logits. The host loads and unloads it."""

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
            if torch.isfinite(image).all():  # what goes by 8 bits would hide it
                tokens = picture_tokens(self.clip, self.question.replace("{}", prompts[i]), image)
                scores[i] = self.answers.score(self._logits(tokens), self.form)
        return scores

    @torch.no_grad()
    def _logits(self, tokens: Tokens) -> torch.Tensor:
        """Logits (V,) of the first token of the answer."""
        heard, own = [], self.speaker.logits

        def listen(hidden: torch.Tensor) -> torch.Tensor:
            heard.append(own(hidden))
            return heard[-1]

        self.speaker.logits = listen  # goes before the class's method
        try:
            self.clip.generate(tokens, do_sample=False, max_length=1)
        finally:
            del self.speaker.logits
        return heard[0][0, -1]


def picture_tokens(clip: HostClip, question: str, image: torch.Tensor) -> Tokens:
    """The question about the picture (H, W, 3) as the model takes it; ValueError if it cannot."""
    tokens = clip.tokenize(
        question, image=image[None], skip_template=False, min_length=1, thinking=False
    )
    kinds = [token.get("type") for token in _first_row(tokens) if isinstance(token, Mapping)]
    if kinds != ["image"]:
        raise ValueError(
            "the connected CLIP takes no pictures: a vision-language model is wanted that the "
            "host's Generate Text node can show a picture (Qwen3-VL, Qwen3.5, Gemma 3 or 4)."
        )
    return tokens


def probe(clip: HostClip | None) -> tuple[torch.nn.Module, Answers]:
    """The part that makes logits, and what spells yes and no; ValueError of one sentence if not."""
    if clip is None:
        raise ValueError("no CLIP is connected: VQAScore needs a vision-language model to ask.")
    model = getattr(clip, "cond_stage_model", None)
    parts = model.modules() if isinstance(model, torch.nn.Module) else ()
    speakers = [part for part in parts if _has(part, "logits", "generate")]
    if not (speakers and _has(clip, "tokenize", "generate", "decode")):
        raise ValueError(
            "the connected CLIP generates no text: a vision-language model is wanted that the "
            "host's Generate Text node can use (Qwen3-VL, Qwen3.5, Gemma 3 or 4)."
        )
    picture_tokens(clip, "A picture?", torch.zeros(64, 64, 3))
    return speakers[0], find_answers(lambda word: _token(clip, word))


def _has(thing: object, *methods: str) -> bool:
    return all(callable(getattr(thing, name, None)) for name in methods)


def _token(clip: HostClip, word: str) -> int | None:
    """Each of the host's tokenizers is told in its own way to add nothing to the word."""
    bare = {"skip_template": True, "llama_template": "{}", "thinking": True, "min_length": 1}
    last = _first_row(clip.tokenize(word, **bare))[-1]
    return int(last) if clip.decode([last]).strip() == word.strip() else None


@dataclass(frozen=True)
class HostVlmScore:
    """Settings of VQAScore by a model of the host."""

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
        """Asks nothing of ``files``: the CLIP is the host's."""
        check_question(self.question)
        speaker, answers = probe(self.clip)
        return HostVlmScorer(self.clip, speaker, answers, self.question, self.form)
