"""How to ask servers about an image, and where their answers hold the first token's likelihoods.

A *dialect* is a path, the body of a request, and the place of `top_logprobs` in the answer, a list
of {"token": str, "logprob": float}. vLLM, llama.cpp, OpenAI and Ollama (from 0.12.11) speak CHAT.
OLLAMA is Ollama's own API. LM Studio (from 0.3.39) gives likelihoods only in RESPONSES.
"""

import math
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

TOP = 20  # the most alternatives that vLLM (by default), Ollama and OpenAI give
# Entries beside the answer that hold what a model thought before it answered.
THOUGHTS = ("reasoning_content", "reasoning", "reasoning_details", "thinking")
ALONE = "answers with its reasoning alone"
HIDDEN = "answers with a token that is not shown, as models do that think first"
ALOUD = "begins its answers with its reasoning"
# How thoughts begin if they are in the text itself, in lower case.
MARKS = ("<think", "<thought", "<reason", "<seed:think", "<|channel", "<|begin_of_thought")
MARKS += ("[think", "◁think", "<unused94>")

Top = list[tuple[str, float]]


class Question(NamedTuple):
    """A question about one image, or about a source image and the image.

    Args:
        model: its name on the server.
        text: the question.
        pngs: the images in order, PNG files in base64.
    """

    model: str
    text: str
    pngs: tuple[str, ...]

    @property
    def data_uris(self) -> list[str]:
        return [f"data:image/png;base64,{png}" for png in self.pngs]


class Dialect(NamedTuple):
    """One way to ask a server.

    Args:
        name: for messages.
        path: maps the path of the API to the path of the request.
        body: makes the body of the request.
        place: returns the likelihoods in an answer, None if there are none.
        thought: returns why an answer seems to hold only thoughts, "" if it does not. Anything but
            `ALONE` is a guess, for answers without likelihoods.
    """

    name: str
    path: Callable[[str], str]
    body: Callable[[Question], dict[str, Any]]
    place: Callable[[Any], Any]
    thought: Callable[[Any], str]

    def top(self, answer: Any) -> Top | None:
        """(token, log p) of the likeliest first tokens, in order; None if the answer has none."""
        entries = self.place(answer)
        if not isinstance(entries, list) or not entries:
            return None
        pairs = [(dig(entry, "token"), dig(entry, "logprob")) for entry in entries]
        for token, value in pairs:
            # Rounding may leave log 1 a little above 0. A NaN fails all comparisons. JSON may hold
            # integers that are too large for a float.
            valid = isinstance(value, int | float) and not isinstance(value, bool)
            valid = valid and (-1e300 <= value <= 1e-3 or value == -math.inf)
            if not isinstance(token, str) or not valid:
                raise ValueError(f"token {token!r} with log-probability {value!r}")
        return sorted(pairs, key=lambda pair: -pair[1])


def dig(value: Any, *steps: str | int) -> Any:
    """`value[steps[0]][steps[1]]…`, None if there is no such place."""
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def probability(top: Top, yes: frozenset[str], no: frozenset[str]) -> float:
    """P(yes) / (P(yes) + P(no)) over the spellings of each; NaN if neither is in `top`.

    Args:
        top: (token, log p) of the likeliest first tokens.
        yes: spellings of yes, in lower case.
        no: spellings of no, in lower case.
    """
    mass = [
        sum(math.exp(value) for token, value in top if plain(token) in answers)
        for answers in (yes, no)
    ]
    return mass[0] / sum(mass) if sum(mass) > 0.0 else math.nan


def log_share(top: Top, answer: Collection[str], alternatives: Collection[str]) -> float:
    """The log-probability that an answer with these likeliest first tokens is the one hoped for.

    log p(A) - log(p(A) + p(O)) with alternatives, log p(A) without. An answer that is not listed
    counts as much as the last token that is: it is at most as likely.

    Args:
        top: (token, log p) of the likeliest first tokens.
        answer: words for the answer hoped for, in lower case.
        alternatives: words for those it is compared with, in lower case; a token must be a word.

    Returns: NaN if there are alternatives, and none of all these words is in `top`.
    """
    if not alternatives:
        begins = [p for token, p in top if plain(token) and _begins(plain(token), answer)]
        return min(math.log(sum(map(math.exp, begins)) or max(math.exp(top[-1][1]), 1e-30)), 0.0)
    masses = [
        sum(math.exp(p) for token, p in top if plain(token) in words)
        for words in (answer, alternatives)
    ]
    if not sum(masses):
        return math.nan
    least = max(math.exp(top[-1][1]), 1e-30)
    hoped, rest = (mass or least for mass in masses)
    return math.log(hoped) - math.log(hoped + rest)


def _begins(token: str, words: Collection[str]) -> bool:
    return any(word.startswith(token) for word in words)


def plain(token: str) -> str:
    """A token in lower case, without blanks and the marks that tokenizers write for them."""
    return token.replace("\u2581", " ").replace("\u0120", " ").strip().lower()


def _chat(question: Question) -> dict[str, Any]:
    pictures = [{"type": "image_url", "image_url": {"url": uri}} for uri in question.data_uris]
    content = [*pictures, {"type": "text", "text": question.text}]
    return {
        "model": question.model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": TOP,
    }


def _ollama(question: Question) -> dict[str, Any]:
    return {
        "model": question.model,
        "messages": [{"role": "user", "content": question.text, "images": list(question.pngs)}],
        "stream": False,
        "options": {"temperature": 0, "num_predict": 1},
        "logprobs": True,
        "top_logprobs": TOP,
    }


def _responses(question: Question) -> dict[str, Any]:
    pictures = [{"type": "input_image", "image_url": uri} for uri in question.data_uris]
    content = [*pictures, {"type": "input_text", "text": question.text}]
    return {
        "model": question.model,
        "input": [{"role": "user", "content": content}],
        "max_output_tokens": 16,  # the least that OpenAI takes
        "temperature": 0,
        "include": ["message.output_text.logprobs"],
        "top_logprobs": TOP,
    }


def _output(answer: Any) -> Any:
    """Likelihoods of the first message. Other items, such as reasoning, may stand before it."""
    items = dig(answer, "output")
    items = items if isinstance(items, list) else []
    message = next((item for item in items if dig(item, "type") == "message"), None)
    return dig(message, "content", 0, "logprobs", 0, "top_logprobs")


def _text(content: Any) -> str:
    """The text of content, which is a string or a list of parts; some parts may be thoughts."""
    if isinstance(content, list):
        return "".join(_text(dig(part, "text")) for part in content)
    return content.strip() if isinstance(content, str) else ""


def _thought(text: str, reasoned: bool, cut: bool) -> str:
    if text:
        return ALOUD if begins_thought(text) else ""
    return ALONE if reasoned else HIDDEN if cut else ""


def begins_thought(token: str) -> bool:
    """Whether a text begins as thoughts do."""
    return plain(token).startswith(MARKS)


def _chat_thought(answer: Any) -> str:
    message, content = (dig(answer, "choices", 0, "message", *at) for at in ((), ("content",)))
    parts = content if isinstance(content, list) else []
    reasoned = any(dig(message, name) for name in THOUGHTS)
    reasoned |= any(dig(part, "type") in ("thinking", "reasoning") for part in parts)
    reasoned |= bool(dig(answer, "usage", "completion_tokens_details", "reasoning_tokens"))
    cut = dig(answer, "choices", 0, "finish_reason") == "length"
    return _thought(_text(content), reasoned, cut)


def _ollama_thought(answer: Any) -> str:
    reasoned = any(dig(answer, "message", name) for name in THOUGHTS)
    text = _text(dig(answer, "message", "content"))
    return _thought(text, reasoned, dig(answer, "done_reason") == "length")


def _responses_thought(answer: Any) -> str:
    items = dig(answer, "output")
    items = items if isinstance(items, list) else []
    text = "".join(_text(dig(item, "content")) for item in items if dig(item, "type") == "message")
    reasoned = any(dig(item, "type") == "reasoning" for item in items)
    return _thought(text, reasoned, dig(answer, "status") == "incomplete")


CHAT = Dialect(
    "/chat/completions",
    lambda path: f"{path}/chat/completions",
    _chat,
    lambda answer: dig(answer, "choices", 0, "logprobs", "content", 0, "top_logprobs"),
    _chat_thought,
)
OLLAMA = Dialect(
    "Ollama's /api/chat",
    lambda path: f"{path.removesuffix('/v1')}/api/chat",
    _ollama,
    lambda answer: dig(answer, "logprobs", 0, "top_logprobs"),
    _ollama_thought,
)
RESPONSES = Dialect(
    "/responses", lambda path: f"{path}/responses", _responses, _output, _responses_thought
)
