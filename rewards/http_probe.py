"""The first look at a server before a run: what it serves, and whether it can do what is needed.

A model is picked, and asked about two pictures, red and blue. It must take them, tell the
likelihoods of its first token, begin with a yes or a no, and see a difference: some servers drop
pictures without a word. Whatever is lacking is one sentence that says what to do.
"""

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from PIL import Image

from .http_calls import Calls, Server, ServerError, together
from .http_dialects import CHAT, OLLAMA, RESPONSES, Dialect, Question, Top, dig, probability

SIDE = 224  # pixels of the pictures of the probe: some models refuse small ones
# What to do without likelihoods, by the `owned_by` that servers give their models.
ADVICE = {
    "library": "Ollama tells them from version 0.12.11 on: update it",
    "organization_owner": "LM Studio tells them from version 0.3.39 on, at /v1/responses: update "
    "it and its runtimes, or serve the model with llama.cpp",
}
OTHERWISE = "use vLLM, llama.cpp, Ollama 0.12.11 or newer, or LM Studio 0.3.39 or newer"


class Link(NamedTuple):
    """How a server is asked: the model, and the dialect in which it tells likelihoods."""

    model: str
    dialect: Dialect


@dataclass(frozen=True)
class Asker:
    """Questions to one server; ``extra`` goes into every request, over what is there."""

    server: Server
    extra: Mapping[str, Any]
    yes: frozenset[str]
    no: frozenset[str]

    def top(self, link: Link, text: str, png: str, calls: Calls) -> Top | None:
        """Likelihoods of the first token of the answer, None if the server tells none."""
        body = link.dialect.body(Question(link.model, text, png)) | self.extra
        answer = self.server.ask(link.dialect.path(self.server.path), body, calls)
        try:
            return link.dialect.top(answer)
        except ValueError as error:
            raise ServerError(f"{self.server} does not tell log-probabilities: {error}") from error

    def probability(self, top: Top) -> float:
        return probability(top, self.yes, self.no)


def connect(asker: Asker, model: str, text: str, poll: Callable[[], None]) -> Link:
    """The link to the server's ``model``, its first if that is empty; ValueError if unfit."""
    return together([lambda calls: _connect(asker, model, text, calls)], 1, poll)[0]


def _connect(asker: Asker, model: str, text: str, calls: Calls) -> Link:
    model, owner = _model(asker.server, model, calls)
    red, blue = _flat("red"), _flat("blue")
    link, first = _speaking(asker, Link(model, CHAT), owner, text, red, calls)
    second = asker.top(link, text, blue, calls)
    if first == second:
        raise ServerError(
            f"{asker.server} answers the same whatever picture it is shown: {model} does not see "
            "pictures as it is served there, serve a vision model (with llama.cpp, its mmproj too)"
        )
    if not any(asker.probability(top or []) >= 0.0 for top in (first, second)):
        raise ServerError(
            f"{model} begins its answers with {first[0][0]!r}, and neither yes nor no is among its "
            f"{len(first)} likeliest first tokens: let the question call for Yes or No, "
            "switch its thinking off (extra), or take another model"
        )
    return link


def _model(server: Server, model: str, calls: Calls) -> tuple[str, str]:
    """The model's full name and who it says owns it, "" if the server lists none at all."""
    try:
        answer = server.ask(f"{server.path}/models", None, calls)
    except ServerError as error:
        if error.status in (404, 405, 501) and model:
            return model, ""
        raise
    listed = dig(answer, "data")
    listed = listed if isinstance(listed, list) else []
    found = [entry for entry in listed if isinstance(dig(entry, "id"), str)]
    names = [entry["id"] for entry in found]
    if not names:
        raise ServerError(
            f"{server}/models lists no models, wanted an OpenAI-compatible server with a vision "
            "model: check the url, or load a model there"
        )
    # Ollama lists "name:latest" as such and takes "name".
    wanted = next((n for n in (model, f"{model}:latest") if n in names), "" if model else names[0])
    if not wanted:
        shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
        raise ServerError(f"model {model!r} given, {server} has: {shown}")
    return wanted, str(dig(found[names.index(wanted)], "owned_by"))


def _speaking(
    asker: Asker, link: Link, owner: str, text: str, png: str, calls: Calls
) -> tuple[Link, Top]:
    """The first dialect in which the server tells likelihoods, and those of ``png``."""
    try:
        top = asker.top(link, text, png, calls)
    except ServerError as error:
        if error.status in (400, 404, 413, 415, 422, 500, 501):
            raise ServerError(
                f"{error}: {link.model} was asked about a picture, with log-probabilities; serve a "
                "vision model (with llama.cpp, its mmproj too) by a server that has both"
            ) from error
        raise
    if top:
        return link, top
    for dialect in (OLLAMA, RESPONSES):
        other = Link(link.model, dialect)
        try:
            top = asker.top(other, text, png, calls)
        except ServerError:  # most servers have no such path
            top = None
        if top:
            return other, top
    raise ServerError(
        f"{asker.server} answers without log-probabilities, which the score is made of: "
        f"{ADVICE.get(owner, OTHERWISE)}"
    )


def _flat(colour: str) -> str:
    return png_base64(Image.new("RGB", (SIDE, SIDE), colour))


def png_base64(picture: Image.Image) -> str:
    """A PNG file, lossless, packed lightly: that is ten times as fast and costs a few per cent."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
