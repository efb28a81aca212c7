"""Where a worker's jobs wait until the search node there takes them."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Closed(Exception):
    """The search is over here. Its argument says why."""


@dataclass
class Box:
    """Jobs of one search, and their answers.

    Args:
        search: its number. A worker may be told to end a search when it has begun the next one.
        sent: what the search sent along with the graph.
        jobs: (packed job, where its answer goes); None ends the search here.
        state: "loads" until the search node waits for jobs; then "ready"; a sentence after an
            error.
    """

    search: int
    sent: dict[str, Any]
    jobs: queue.Queue = field(default_factory=queue.Queue)
    state: str = "loads"

    def perform(self, packed: dict[str, Any]) -> Any:
        """The answer of a job, or the exception that it raised."""
        answers: queue.Queue = queue.Queue()
        self.jobs.put((packed, answers))
        while True:
            try:
                return answers.get(timeout=1.0)
            except queue.Empty:
                if self.state != "ready":
                    return Closed(self.state)

    def serve(self, perform: Callable[[dict[str, Any]], Any]) -> None:
        """Do jobs until the search is over."""
        self.state = "ready"
        while (entry := self.jobs.get()) is not None:
            packed, answers = entry
            try:
                answers.put(perform(packed))
            except Exception as error:
                answers.put(error)

    def close(self, state: str) -> None:
        """Take no more jobs. Those that wait get `state` as their error."""
        self.state = state


BOXES: dict[int, Box] = {}  # that prepare in this process, by their searches
