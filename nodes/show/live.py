"""A search as the panel follows it: events with trace rows and small images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from ...samplers.purse import Purse
from ...samplers.types import SCORED, SearchEvent
from ..host.guard import guard
from ..host.image_bytes import shrink
from ..host.objective import Images
from .best import Best
from .events import WAITING, Events, Sender
from .gallery import RESULT, THUMBNAIL, Gallery
from .output import output_file

Rows = list[dict[str, Any]]


class Live:
    """Sends what one search does to the browser that runs it.

    Args:
        sender: sends the events of this search.
        best: the best image so far, updated before each call of `see`.
        purse: of the search.
        logged: tasks whose failure is already in the log.
    """

    def __init__(self, sender: Sender, best: Best, purse: Purse, logged: set[str]) -> None:
        self.best, self.logged = best, logged
        self.plain_file: dict[str, str] | None = None  # of the plain image, in the temp folder
        self.events, self.gallery = Events(sender, purse), Gallery(sender.node_id)

    def begin(
        self,
        method: str,
        sigmas: list[float],
        maximum: float | None = None,
        limit: float | None = None,
    ) -> None:
        """Announce that the search begins.

        Args:
            method: its key in the registry.
            sigmas: its times.
            maximum: the highest score there is, if the reward has one.
            limit: seconds after which the search ends, if it has such a limit.
        """
        self.events.start(method, sigmas, maximum, limit)

    def chosen(self, chosen: Mapping[str, Any]) -> None:
        """Send what automatic settings came to, if any were."""
        if chosen:
            self.events.choose(chosen)

    def see(self, event: SearchEvent, rows: Rows, images: Images) -> None:
        """Send an event, with the image of a new best or of what the search moves to.

        Args:
            event: of the search.
            rows: the trace rows that it added or changed.
            images: what the objective kept of it.
        """
        with guard("show an image in the panel", self.logged):
            for particle in self._to_show(event, rows, images):
                image = self.gallery.find(particle)
                self.events.show(particle, partial(self.gallery.message, particle, image))
        self.events.send(event.kind, rows)

    def advance(self) -> None:
        """The network was called: send what is spent, at most once a second."""
        self.events.advance()

    def _to_show(self, event: SearchEvent, rows: Rows, images: Images) -> list[int]:
        if event.kind not in SCORED:
            return self.gallery.moved(rows)
        self.gallery.see(rows, dict(images.small))
        return [self.best.image.id] if self.best.improved else []

    def end(
        self, winners: Mapping[int, Tensor], rows: Rows, stopped: str, best: int, start: int
    ) -> None:
        """The search has ended.

        Args:
            winners: images by particle id, best first.
            rows: trace rows that changed since the last event.
            stopped: why it ended.
            best: id of the result.
            start: id of the start that it descends from.
        """
        with guard("show an image in the panel", self.logged):
            for particle in [*list(winners)[:0:-1], best]:
                size = RESULT if particle == best else THUMBNAIL
                small = shrink(winners[particle][0])
                show = partial(self.gallery.message, particle, small, size)
                self.events.show(particle, show, max(WAITING, len(winners)))
        self.events.done(rows, stopped, best, start, list(winners))

    def plain(self, image: Tensor, entry: Mapping[str, Any]) -> None:
        """Send the plain sampler's image with the last message, and keep its file.

        Args:
            image: (1,H,W,3), or a video (1,T,H,W,3).
            entry: the report's, with its score and its id.
        """
        with guard("show an image in the panel", self.logged):
            sent = self.gallery.message("plain", shrink(image[0]), RESULT)
            facts = {name: entry[name] for name in ("id", "reward") if name in entry}
            self.events.plain = facts | {name: sent[name] for name in ("jpeg", "file")}
            self.plain_file = sent["file"]

    def unfinished(self, paths: Sequence[str]) -> None:
        """Images of this search, or of those before it, were saved as it ended early."""
        files = [file for file in map(output_file, paths) if file is not None]
        self.events.unfinished(files)
