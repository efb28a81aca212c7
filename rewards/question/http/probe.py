"""The first contact with a server before a run: what it serves, and whether that is enough.

It chooses a model and asks it about two images, red and blue. The model must take them, report the
likelihoods of its first token, and begin with yes or no. It must also answer differently, because
some servers drop images silently. If something is missing, the error says what to do.
"""

import base64
import io
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from PIL import Image

from .calls import Server
from .dialects import (
    ALONE,
    CHAT,
    OLLAMA,
    RESPONSES,
    Dialect,
    Question,
    Top,
    begins_thought,
    dig,
    probability,
)
from .workers import Calls, ServerError, run_together

log = logging.getLogger("flow_search")

SIDE = 224  # side of the probe's images, in pixels: some models refuse small ones
# What to do without likelihoods, by the `owned_by` of the server's models.
ADVICE = {
    "library": "Ollama reports them from version 0.12.11 on: update it",
    "organization_owner": "LM Studio reports them from version 0.3.39 on, at /v1/responses: update "
    "it and its runtimes, or serve the model with llama.cpp",
}
OTHER_ADVICE = "Use vLLM, llama.cpp, Ollama 0.12.11 or newer, or LM Studio 0.3.39 or newer"
# The value of `extra` that switches thinking off, by `owned_by`.
EFFORT = '{"reasoning_effort": "none"}'
TEMPLATE = '{"chat_template_kwargs": {"enable_thinking": false}}'
SWITCHES = {
    "library": EFFORT,
    "organization_owner": '{"reasoning": {"effort": "none"}}',
    "llamacpp": TEMPLATE,
    "sglang": TEMPLATE,
    "vllm": TEMPLATE,
}


class Thinking(ServerError):
    """The answer holds nothing but thoughts."""


class Served(NamedTuple):
    """What a server serves.

    Args:
        model: the model to ask.
        owner: `owned_by` of the server's models, "" if it lists none.
        listed: the models that the server lists, if `model` is none of them.
    """

    model: str
    owner: str = ""
    listed: tuple[str, ...] = ()


class Link(NamedTuple):
    """How to ask a server.

    Args:
        model: its name.
        dialect: the one in which the server reports likelihoods.
        owner: `owned_by` of its models, "" if it lists none.
    """

    model: str
    dialect: Dialect
    owner: str = ""


@dataclass(frozen=True)
class Asker:
    """Asks questions of one server.

    Args:
        server: where requests go.
        extra: replaces or adds fields of each request; None removes a field.
        yes: spellings of yes, in lower case.
        no: spellings of no, in lower case.
        source: an image that stands before each other one, a PNG file in base64; "" without one.
    """

    server: Server
    extra: Mapping[str, Any]
    yes: frozenset[str]
    no: frozenset[str]
    source: str = ""

    def top(self, link: Link, text: str, png: str, calls: Calls) -> Top | None:
        """(token, log p) of the answer's likeliest first tokens, None if the server has none.

        Args:
            link: how to ask.
            text: the question.
            png: the image, a PNG file in base64.
            calls: the calls that this request belongs to.

        Raises:
            ServerError: the request failed, or the answer holds nothing but thoughts: their
                likelihoods are not the answer's.
        """
        pngs = (self.source, png) if self.source else (png,)
        body = link.dialect.body(Question(link.model, text, pngs)) | self.extra
        body = {name: value for name, value in body.items() if value is not None}
        answer = self.server.ask(link.dialect.path(self.server.path), body, calls)
        try:
            top = link.dialect.top(answer)
        except ValueError as error:
            got = self.server.quoted(error)
            raise ServerError(
                f"{self.server} reports invalid log-probabilities: got {got}, expected at most 0."
            ) from None
        thought = link.dialect.thought(answer)
        if thought == ALONE or (thought and not top):
            name = self.server.quoted(link.model)
            raise Thinking(
                f"{name} {thought}: expected yes or no as its first token. To get that, "
                f"{thinking_advice(link)}."
            )
        return top

    def probability(self, top: Top) -> float:
        """The score of an answer with these likelihoods."""
        return probability(top, self.yes, self.no)


def thinking_advice(link: Link) -> str:
    """How to switch the model's thinking off on this server."""
    if link.dialect is OLLAMA:
        switch = '{"think": false}'
    else:
        switch = SWITCHES.get(link.owner, f"{EFFORT} or {TEMPLATE}")
    return f"switch its thinking off with extra {switch}, or take a model that does not think"


def connect(asker: Asker, model: str, text: str, poll: Callable[[], None]) -> Link:
    """The link to a model on a server.

    Args:
        asker: asks the server.
        model: its name, "" for the first that the server lists.
        text: a question to try.
        poll: called while waiting; raises if the run was cancelled.

    Raises:
        ValueError: the server or the model cannot be used.
    """
    return run_together([lambda calls: _connect(asker, model, text, calls)], 1, poll)[0]


def _connect(asker: Asker, model: str, text: str, calls: Calls) -> Link:
    patient = replace(asker, server=replace(asker.server, starting=True))
    served = _model(patient.server, model, calls)
    red, blue = _flat("red"), _flat("blue")
    link, first = _find_dialect(patient, served, text, red, calls)
    second = asker.top(link, text, blue, calls)
    name = asker.server.quoted(link.model)
    if first == second:
        raise ServerError(
            f"{asker.server} answers the same for each image: {name} does not see images there. "
            "Serve a vision model (with llama.cpp, its mmproj too)."
        )
    tops = [top for top in (first, second) if top]
    thinks = any(begins_thought(top[0][0]) for top in tops)
    if thinks or not any(asker.probability(top) >= 0.0 for top in tops):
        problem = "thinks before it answers" if thinks else "does not answer the question"
        raise ServerError(
            f"{name} {problem}: got {asker.server.quoted(first[0][0])!r} as its first token, "
            f"expected yes or no among its {len(first)} likeliest first tokens. Ask for Yes or No "
            f"in the question, or {thinking_advice(link)}."
        )
    return link


def _model(server: Server, model: str, calls: Calls) -> Served:
    """The model to ask. A model that the user names need not be in the server's list."""
    path = f"{server.path}/models"
    try:
        # If the model is named, the question itself can wait for a server that starts.
        listed = server.ask_once(path, None, calls) if model else server.ask(path, None, calls)
    except ServerError:
        if model:
            return Served(model)
        raise
    names, owners = _listed(listed)
    owner = owners[0] if owners else ""
    # Ollama lists "name:latest" and takes "name".
    for name in (model, f"{model}:latest") if model else names[:1]:
        if name in names:
            return Served(name, owners[names.index(name)])
    if not model:
        raise ServerError(
            f"{server}/models lists no models: expected an OpenAI-compatible server with a vision "
            "model. Check the url, load a model there, or name a model that it does not list."
        )
    log.info("%s does not list the model %r. It is used all the same.", server, model)
    return Served(model, owner, tuple(names))


def _listed(answer: Any) -> tuple[list[str], list[str]]:
    """The names of the models that a server lists, and their owners."""
    entries = answer if isinstance(answer, list) else dig(answer, "data") or dig(answer, "models")
    names, owners = [], []
    for entry in entries if isinstance(entries, list) else []:
        keys = (dig(entry, "id"), dig(entry, "name"), dig(entry, "model"), entry)
        name = next((key for key in keys if isinstance(key, str) and key), None)
        if name is not None:
            names.append(name)
            owners.append(str(dig(entry, "owned_by")))
    return names, owners


def _find_dialect(
    asker: Asker, served: Served, text: str, png: str, calls: Calls
) -> tuple[Link, Top]:
    """The link by the first dialect in which the server has likelihoods, and those of `png`."""
    link = Link(served.model, CHAT, served.owner)
    thinking = None
    try:
        top = asker.top(link, text, png, calls)
    except Thinking as error:
        thinking, top = error, None
    except ServerError as error:
        raise _refused(asker.server, served, error) from None
    if top:
        return link, top
    started = replace(asker, server=replace(asker.server, starting=False))
    for dialect in (OLLAMA, RESPONSES):
        another = link._replace(dialect=dialect)
        try:
            top = started.top(another, text, png, calls)
        except Thinking as error:
            thinking, top = thinking or error, None
        except ServerError:  # most servers have no such path
            top = None
        if top:
            return another, top
    raise thinking or ServerError(
        f"{asker.server} answers without log-probabilities, which the score needs. "
        f"{ADVICE.get(served.owner, OTHER_ADVICE)}."
    )


def _refused(server: Server, served: Served, error: ServerError) -> ServerError:
    """The server's error about the first question, with advice."""
    name, sentences = server.quoted(served.model), [str(error)]
    if error.status in (400, 404, 413, 415, 422, 500, 501):
        sentences += [
            f"{name} was asked about an image, with log-probabilities",
            "Serve a vision model (with llama.cpp, its mmproj too) on a server that has both",
        ]
    if served.listed and error.status is not None:
        names = ", ".join(served.listed[:20]) + (", …" if len(served.listed) > 20 else "")
        sentences += [f"{server} lists other models: got {name!r}, expected {server.quoted(names)}"]
    end = "." if len(sentences) > 1 else ""
    return ServerError(". ".join(text.removesuffix(".") for text in sentences) + end, error.status)


def _flat(colour: str) -> str:
    return png_base64(Image.new("RGB", (SIDE, SIDE), colour))


def png_base64(picture: Image.Image) -> str:
    """A PNG file in base64. Light compression is ten times as fast and a few per cent larger."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
