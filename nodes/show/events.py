"""Live events of a search on the web socket. Nothing else sends the pack's event."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server import PromptServer

from ...samplers.purse import Purse
from ..host.guard import guard

EVENT = "flow_search.event"
VERSION = 1
INTERVAL = 0.1  # seconds between messages that have proposals only
PROGRESS = 1.0  # seconds without a message, after which one says what is spent
PICTURES = 0.25  # seconds between messages with images
WAITING = 4  # images that may wait for the next such message; older ones are dropped


def server() -> Any:
    """The host's server, or None in a script."""
    return getattr(PromptServer, "instance", None)


def client_id() -> str | None:
    """Id of the client that runs the prompt, or None."""
    return getattr(server(), "client_id", None)


@dataclass(frozen=True)
class Sender:
    """What a search belongs to.

    Args:
        node_id: execution id of the search node.
        prompt_id: id of the prompt.
        workflow: id of the workflow.
        image: place of the searched image in the batch, from 0.
        images: number of images in the batch.
    """

    node_id: str
    prompt_id: str | None = None
    workflow: str | None = None
    image: int = 0
    images: int = 1


class Events:
    """Sends report rows of one search to the client that runs the prompt. Proposals are bundled.

    Each message has `version`, the fields of Sender, `kind`, `spent` and `budget` in NFE, and
    `seconds` so far. `rows` are those of the trace that are new or changed. It may have `pictures`:
    a list of {"id", "jpeg", "file"}, with a small JPEG in base64 and a larger file in the temp
    folder. If workers evaluate particles, `workers` says once a second what each does (crewed.py).

    The first kind is "start", with the reward's `maximum` and the time `limit` in seconds if there
    is one. If settings were automatic, "choose" follows, with what they came to as `chosen`. Then
    come the kinds of SearchEvent, and "progress" during a long round. The last is "done", with
    `stopped`, `best`, `start` and `top`, and maybe with `plain`: the score and the image that the
    plain sampler makes of the same seed. A search that was cancelled or failed sends "unfinished"
    with the files `saved`.

    Args:
        sender: of the messages.
        purse: of the search.
        clock: seconds, to bundle messages.
    """

    def __init__(
        self, sender: Sender, purse: Purse, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.sender, self.purse, self.clock = sender, purse, clock
        self.rows: list[dict[str, Any]] = []
        self.pictures: dict[int, Callable[[], dict[str, Any]]] = {}
        self.plain: dict[str, Any] | None = None  # the plain sampler's image, for the last message
        self.sent = self.pictured = -math.inf  # times of the last message, and with images
        self.logged: set[str] = set()
        self.workers: Callable[[], dict[str, Any]] | None = None  # what they do
        self.crewed = -math.inf  # time of the last message that said so

    def start(
        self,
        method: str,
        sigmas: list[float],
        maximum: float | None = None,
        limit: float | None = None,
    ) -> None:
        """Announce a search. The client drops its earlier search of this node.

        Args:
            method: name of the search.
            sigmas: times of the trajectory, falling.
            maximum: highest value of the reward, if it has one.
            limit: seconds after which the search ends, if it has such a limit.
        """
        entries = {"maximum": maximum, "limit": limit}
        optional = {name: value for name, value in entries.items() if value is not None}
        self._flush("start", method=method, sigmas=sigmas, **optional)

    def choose(self, chosen: Mapping[str, Any]) -> None:
        """Send what automatic settings came to: the report's entry."""
        self._flush("choose", chosen=chosen)

    def show(
        self, particle: int, make: Callable[[], dict[str, Any]], waiting: int = WAITING
    ) -> None:
        """Send an image with one of the next messages.

        Args:
            particle: its id.
            make: called when that message is sent, or never if too many images wait.
            waiting: images that may wait.
        """
        self.pictures.pop(particle, None)
        self.pictures[particle] = make
        while len(self.pictures) > waiting:
            del self.pictures[next(iter(self.pictures))]

    def send(self, kind: str, rows: list[dict[str, Any]]) -> None:
        """Queue copies of rows. All kinds but "propose" send at once everything that waits.

        Args:
            kind: of the SearchEvent.
            rows: of the trace.
        """
        self.rows += [dict(row) for row in rows]
        if kind == "propose" and self.clock() - self.sent < INTERVAL:
            return
        self._flush(kind)

    def advance(self) -> None:
        """Send what is spent and everything that waits, if the last message is a second old."""
        if self.clock() - self.sent >= PROGRESS:
            self._flush("progress")

    def done(
        self, rows: list[dict[str, Any]], stopped: str, best: int, start: int, top: Sequence[int]
    ) -> None:
        """Send the last message, with everything that waits.

        Args:
            rows: of the trace, new or changed.
            stopped: why the search ended.
            best: id of the particle that is the result.
            start: id of the start of that particle.
            top: ids of all particles that are returned, best first.
        """
        self.rows += [dict(row) for row in rows]
        self.pictured = -math.inf
        plain = {} if self.plain is None else {"plain": self.plain}
        self._flush("done", stopped=stopped, best=best, start=start, top=list(top), **plain)

    def unfinished(self, saved: list[dict[str, str]]) -> None:
        """Send that the search was cancelled or failed, and the files of its saved images."""
        self.pictures = {}
        self.workers = None  # they have ended, too, and would all be reported as lost
        self._flush("unfinished", saved=saved)

    def _flush(self, kind: str, **more: Any) -> None:
        now, purse = self.clock(), self.purse
        message = {"version": VERSION, **vars(self.sender), "kind": kind, **more}
        message |= {"rows": self.rows, "spent": purse.nfe, "budget": int(purse.total)}
        message["seconds"] = round(purse.elapsed, 2)
        self.rows, self.sent = [], now
        if server() is None:
            return
        if self.workers is not None and (kind == "done" or now - self.crewed >= PROGRESS):
            self.crewed = now
            with guard("say what the workers do", self.logged):
                message["workers"] = self.workers()
        if self.pictures and now - self.pictured >= PICTURES:
            waiting, self.pictures, self.pictured = self.pictures, {}, now
            message["pictures"] = []
            for make in waiting.values():
                with guard("make an image for the panel", self.logged):
                    message["pictures"].append(make())
        with guard("send an event to the browser", self.logged):
            server().send_sync(EVENT, message, client_id())
