"""How servers are asked about a picture, and where they answer with likelihoods of the first token.

A *dialect* is a path, the body of a request, and the place of ``top_logprobs`` in the answer, a
list of {"token": str, "logprob": float}. CHAT is what vLLM, llama.cpp, Ollama (0.12.11 on) and
OpenAI speak; OLLAMA its own API; RESPONSES what LM Studio (0.3.39 on) gives likelihoods in alone.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

TOP = 20  # the most that vLLM (by default), Ollama and OpenAI give

Top = list[tuple[str, float]]


class Question(NamedTuple):
    """``png`` is a PNG file in base64."""

    model: str
    text: str
    png: str

    @property
    def data_uri(self) -> str:
        return f"data:image/png;base64,{self.png}"


class Dialect(NamedTuple):
    """``path`` maps the path of the API to that of the request."""

    name: str
    path: Callable[[str], str]
    body: Callable[[Question], dict[str, Any]]
    place: Callable[[Any], Any]

    def top(self, answer: Any) -> Top | None:
        """The likeliest first tokens and log p, likeliest first; None if the answer has none."""
        found = self.place(answer)
        if not isinstance(found, list) or not found:
            return None
        pairs = [(dig(entry, "token"), dig(entry, "logprob")) for entry in found]
        for token, value in pairs:
            # Rounding may leave log 1 a little above 0; a NaN is not <= anything.
            sound = isinstance(value, int | float) and value <= 1e-3
            if not isinstance(token, str) or not sound:
                raise ValueError(f"token {token!r} of log-probability {value!r} answered")
        return sorted(pairs, key=lambda pair: -pair[1])


def dig(found: Any, *steps: str | int) -> Any:
    """``found[steps[0]][steps[1]]…``, None where there is no such place."""
    for step in steps:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def probability(top: Top, yes: frozenset[str], no: frozenset[str]) -> float:
    """P(yes) / (P(yes) + P(no)) over the spellings of each; NaN if neither is in ``top``."""
    mass = [
        sum(math.exp(value) for token, value in top if plain(token) in answers)
        for answers in (yes, no)
    ]
    return mass[0] / sum(mass) if sum(mass) > 0.0 else math.nan


def plain(token: str) -> str:
    """A token without blanks, or the marks that tokenizers write for them, in lower case."""
    return token.replace("\u2581", " ").replace("\u0120", " ").strip().lower()


def _chat(asked: Question) -> dict[str, Any]:
    picture = {"type": "image_url", "image_url": {"url": asked.data_uri}}
    content = [picture, {"type": "text", "text": asked.text}]
    return {
        "model": asked.model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": TOP,
    }


def _ollama(asked: Question) -> dict[str, Any]:
    return {
        "model": asked.model,
        "messages": [{"role": "user", "content": asked.text, "images": [asked.png]}],
        "stream": False,
        "options": {"temperature": 0, "num_predict": 1},
        "logprobs": True,
        "top_logprobs": TOP,
    }


def _responses(asked: Question) -> dict[str, Any]:
    picture = {"type": "input_image", "image_url": asked.data_uri}
    content = [picture, {"type": "input_text", "text": asked.text}]
    return {
        "model": asked.model,
        "input": [{"role": "user", "content": content}],
        "max_output_tokens": 16,  # OpenAI's least
        "temperature": 0,
        "include": ["message.output_text.logprobs"],
        "top_logprobs": TOP,
    }


def _output(answer: Any) -> Any:
    """Likelihoods of the first message: there may be other items, such as reasoning, before it."""
    items = dig(answer, "output")
    items = items if isinstance(items, list) else []
    message = next((item for item in items if dig(item, "type") == "message"), None)
    return dig(message, "content", 0, "logprobs", 0, "top_logprobs")


CHAT = Dialect(
    "/chat/completions",
    lambda path: f"{path}/chat/completions",
    _chat,
    lambda answer: dig(answer, "choices", 0, "logprobs", "content", 0, "top_logprobs"),
)
OLLAMA = Dialect(
    "Ollama's /api/chat",
    lambda path: f"{path.removesuffix('/v1')}/api/chat",
    _ollama,
    lambda answer: dig(answer, "logprobs", 0, "top_logprobs"),
)
RESPONSES = Dialect("/responses", lambda path: f"{path}/responses", _responses, _output)
