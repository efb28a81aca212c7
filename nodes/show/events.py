"""Live events of a search on the web socket. The only place that names the event."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from server import PromptServer

from ..host.guard import guard

EVENT = "flow_search.event"
VERSION = 1
INTERVAL = 0.1  # seconds between messages that carry nothing but proposals
PICTURES = 0.25  # seconds between messages that carry pictures
WAITING = 4  # pictures that wait for the next such message, the newest


def server() -> Any:
    """The host's server; None in a script."""
    return getattr(PromptServer, "instance", None)


def client_id() -> str | None:
    """The client that runs the prompt."""
    return getattr(server(), "client_id", None)


@dataclass(frozen=True)
class Sender:
    """Whose search it is: node (execution id), prompt, workflow, and which image of a batch."""

    node_id: str
    prompt_id: str | None = None
    workflow: str | None = None
    image: int = 0
    images: int = 1


class Events:
    """Sends report rows of one search to the client that runs the prompt; proposals are bundled.

    A message: version, whose search it is, `kind` ("start", a kind of SearchEvent, and "done" with
    `stopped` at the end, or "unfinished" with the files `saved`), `rows` of the trace that are new
    or changed, `spent` of `budget`, and maybe `pictures`: [{"id", "jpeg": small, base64, "file":
    larger, in the temp folder}]. "start" brings the reward's `maximum`, where it has one.
    """

    def __init__(self, sender: Sender, clock: Callable[[], float] = time.monotonic) -> None:
        self.sender, self.clock = sender, clock
        self.rows: list[dict[str, Any]] = []
        self.pictures: dict[int, Callable[[], dict[str, Any]]] = {}
        self.sent = self.shown = -math.inf
        self.logged: set[str] = set()
        self.budget = 0

    def start(
        self, method: str, sigmas: list[float], budget: int, maximum: float | None = None
    ) -> None:
        """A search begins: what the client knew of this node is of an earlier one."""
        self.budget = budget
        highest = {} if maximum is None else {"maximum": maximum}
        self._flush("start", 0, budget, method=method, sigmas=sigmas, **highest)

    def show(self, particle: int, make: Callable[[], dict[str, Any]]) -> None:
        """Have a picture go out with one of the next messages; `make` is called then, or never."""
        self.pictures.pop(particle, None)
        self.pictures[particle] = make
        while len(self.pictures) > WAITING:
            del self.pictures[next(iter(self.pictures))]

    def send(self, kind: str, rows: list[dict[str, Any]], spent: int, budget: int) -> None:
        """Queue copies of `rows`; anything but a proposal is sent at once with what waits."""
        self.rows += [dict(row) for row in rows]
        if kind == "propose" and self.clock() - self.sent < INTERVAL:
            return
        self._flush(kind, spent, budget)

    def done(
        self,
        rows: list[dict[str, Any]],
        spent: int,
        budget: int,
        stopped: str,
        best: int,
        start: int,
    ) -> None:
        """The search has ended: the last message, with all that waits.

        Args:
            best: id of the particle that is the result.
            start: id of the start that it descends from.
        """
        self.rows += [dict(row) for row in rows]
        self.shown = -math.inf
        self._flush("done", spent, budget, stopped=stopped, best=best, start=start)

    def unfinished(self, saved: list[dict[str, str]], spent: int) -> None:
        """The search was cancelled or failed; `saved` are the pictures that were kept of it."""
        self.pictures = {}
        self._flush("unfinished", spent, self.budget, saved=saved)

    def _flush(self, kind: str, spent: int, budget: int, **more: Any) -> None:
        now = self.clock()
        message = {"version": VERSION, **vars(self.sender), "kind": kind, **more}
        message |= {"rows": self.rows, "spent": spent, "budget": budget}
        self.rows, self.sent = [], now
        if server() is None:
            return
        if self.pictures and now - self.shown >= PICTURES:
            waiting, self.pictures, self.shown = self.pictures, {}, now
            message["pictures"] = []
            for make in waiting.values():
                with guard("make a picture for the panel", self.logged):
                    message["pictures"].append(make())
        with guard("send an event to the browser", self.logged):
            server().send_sync(EVENT, message, client_id())
