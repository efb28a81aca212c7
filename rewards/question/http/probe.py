"""The first look at a server before a run: what it serves, and whether it can do what is needed.

A model is picked, and asked about two pictures, red and blue. It must take them, tell the
likelihoods of its first token, begin with a yes or a no, and see a difference: some servers drop
pictures without a word. Whatever is lacking is one sentence that says what to do.
"""

import base64
import io
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from PIL import Image

from .calls import Calls, Server, ServerError, together
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

log = logging.getLogger("flow_search")

SIDE = 224  # pixels of the pictures of the probe: some models refuse small ones
# What to do without likelihoods, by the `owned_by` that servers give their models.
ADVICE = {
    "library": "Ollama tells them from version 0.12.11 on: update it",
    "organization_owner": "LM Studio tells them from version 0.3.39 on, at /v1/responses: update "
    "it and its runtimes, or serve the model with llama.cpp",
}
OTHERWISE = "use vLLM, llama.cpp, Ollama 0.12.11 or newer, or LM Studio 0.3.39 or newer"
# What switches thinking off, as `extra` has it, by the same.
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
    """The answer is of thoughts alone."""


class Served(NamedTuple):
    """The model to ask, who the server says owns what it lists, "" if it lists nothing, and the
    names that it lists if the model is none of them."""

    model: str
    owner: str = ""
    others: tuple[str, ...] = ()


class Link(NamedTuple):
    """How a server is asked: the model, and the dialect in which it tells likelihoods."""

    model: str
    dialect: Dialect
    owner: str = ""


@dataclass(frozen=True)
class Asker:
    """Questions to one server; ``extra`` goes into every request, over what is there, and None in
    it takes a field away."""

    server: Server
    extra: Mapping[str, Any]
    yes: frozenset[str]
    no: frozenset[str]

    def top(self, link: Link, text: str, png: str, calls: Calls) -> Top | None:
        """Likelihoods of the first token of the answer, None if the server tells none.

        Those of a thought are not the answer's: an answer that has nothing else is an error.
        """
        body = link.dialect.body(Question(link.model, text, png)) | self.extra
        body = {name: value for name, value in body.items() if value is not None}
        answer = self.server.ask(link.dialect.path(self.server.path), body, calls)
        try:
            top = link.dialect.top(answer)
        except ValueError as error:
            said = self.server.quoted(error)
            raise ServerError(f"{self.server} does not tell log-probabilities: {said}") from None
        thought = link.dialect.thought(answer)
        if thought == ALONE or (thought and not top):
            said = f"{self.server.quoted(link.model)} {thought}"
            raise Thinking(f"{said}, wanted yes or no as its first token: {unthink(link)}")
        return top

    def probability(self, top: Top) -> float:
        return probability(top, self.yes, self.no)


def unthink(link: Link) -> str:
    """What switches a model's thinking off, where it is served."""
    if link.dialect is OLLAMA:
        switch = '{"think": false}'
    else:
        switch = SWITCHES.get(link.owner, f"{EFFORT} or {TEMPLATE}")
    return f"switch its thinking off with extra {switch}, or take a model that does not think"


def connect(asker: Asker, model: str, text: str, poll: Callable[[], None]) -> Link:
    """The link to the server's ``model``, its first if that is empty; ValueError if unfit."""
    return together([lambda calls: _connect(asker, model, text, calls)], 1, poll)[0]


def _connect(asker: Asker, model: str, text: str, calls: Calls) -> Link:
    new = replace(asker, server=replace(asker.server, new=True))
    served = _model(new.server, model, calls)
    red, blue = _flat("red"), _flat("blue")
    link, first = _speaking(new, served, text, red, calls)
    second = asker.top(link, text, blue, calls)
    name = asker.server.quoted(link.model)
    if first == second:
        raise ServerError(
            f"{asker.server} answers the same whatever picture it is shown: {name} does not see "
            "pictures as it is served there, serve a vision model (with llama.cpp, its mmproj too)"
        )
    tops = [top for top in (first, second) if top]
    thinks = any(begins_thought(top[0][0]) for top in tops)
    if thinks or not any(asker.probability(top) >= 0.0 for top in tops):
        told = "it thinks before it answers" if thinks else "it does not answer the question"
        raise ServerError(
            f"{name} begins its answers with {asker.server.quoted(first[0][0])!r}, wanted yes or "
            f"no among its {len(first)} likeliest first tokens: {told}. Let the question call for "
            f"Yes or No, or {unthink(link)}"
        )
    return link


def _model(server: Server, model: str, calls: Calls) -> Served:
    """The model to ask. One that the user names is asked whether or not the server lists it."""
    path = f"{server.path}/models"
    try:
        # The question itself is what to wait for, if there is a model to ask it.
        listed = server.once(path, None, calls) if model else server.ask(path, None, calls)
    except ServerError:
        if model:
            return Served(model)
        raise
    names, owners = _listed(listed)
    owner = owners[0] if owners else ""
    # Ollama lists "name:latest" as such and takes "name".
    for name in (model, f"{model}:latest") if model else names[:1]:
        if name in names:
            return Served(name, owners[names.index(name)])
    if not model:
        raise ServerError(
            f"{server}/models lists no models, wanted an OpenAI-compatible server with a vision "
            "model: check the url, load a model there, or name one that it does not list"
        )
    log.info("%s does not list the model %r, which is asked all the same.", server, model)
    return Served(model, owner, tuple(names))


def _listed(answer: Any) -> tuple[list[str], list[str]]:
    """The names of the models that a server lists, and their owners."""
    found = answer if isinstance(answer, list) else dig(answer, "data") or dig(answer, "models")
    names, owners = [], []
    for entry in found if isinstance(found, list) else []:
        keys = (dig(entry, "id"), dig(entry, "name"), dig(entry, "model"), entry)
        name = next((key for key in keys if isinstance(key, str) and key), None)
        if name is not None:
            names.append(name)
            owners.append(str(dig(entry, "owned_by")))
    return names, owners


def _speaking(asker: Asker, served: Served, text: str, png: str, calls: Calls) -> tuple[Link, Top]:
    """The first dialect in which the server tells likelihoods, and those of ``png``."""
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
    usual = replace(asker, server=replace(asker.server, new=False))
    for dialect in (OLLAMA, RESPONSES):
        other = link._replace(dialect=dialect)
        try:
            top = usual.top(other, text, png, calls)
        except Thinking as error:
            thinking, top = thinking or error, None
        except ServerError:  # most servers have no such path
            top = None
        if top:
            return other, top
    raise thinking or ServerError(
        f"{asker.server} answers without log-probabilities, which the score is made of: "
        f"{ADVICE.get(served.owner, OTHERWISE)}"
    )


def _refused(server: Server, served: Served, error: ServerError) -> ServerError:
    """What the server said to the first question, with what may be wrong about it."""
    name, said = server.quoted(served.model), str(error)
    if error.status in (400, 404, 413, 415, 422, 500, 501):
        said += (
            f": {name} was asked about a picture, with log-probabilities; serve a vision model "
            "(with llama.cpp, its mmproj too) by a server that has both"
        )
    if served.others and error.status is not None:
        names = ", ".join(served.others[:20]) + (", …" if len(served.others) > 20 else "")
        said += f". model {name!r} given, {server} has: {server.quoted(names)}"
    return ServerError(said, error.status)


def _flat(colour: str) -> str:
    return png_base64(Image.new("RGB", (SIDE, SIDE), colour))


def png_base64(picture: Image.Image) -> str:
    """A PNG file, lossless, packed lightly: that is ten times as fast and costs a few per cent."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
