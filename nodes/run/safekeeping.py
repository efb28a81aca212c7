"""Keeps the results of a node's searches until the node returns, and saves them if it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..host.guard import guard
from .journal import Journal
from .shutdown import Shutdown
from .survival import Part, rescue, save

LEVEL = 1  # of PNG's compression in the journal, whose files are soon replaced


class Safekeeping:
    """Saves unfinished images if a search is cancelled, fails, or the process is asked to end.

    It surrounds the searches of a batch. After a kill, a crash or a power cut, only the journal is
    left.

    Args:
        node_id: execution id of the search node.
        prompt_id: id of the prompt.
        journal: whether to keep a journal.
    """

    def __init__(self, node_id: str, prompt_id: str | None, journal: bool) -> None:
        self.whose = node_id, prompt_id
        self.journal: Journal | None = None
        with guard("begin the journal of the search"):
            self.journal = Journal() if journal else None
        self.shutdown = Shutdown(self._last)
        self.ended: list[Part] = []
        self.unfinished: Callable[[BaseException | None], list[Part]] = lambda error: []
        self.say: Callable[[list[str]], None] = lambda paths: None

    def __enter__(self) -> Safekeeping:
        self.shutdown.__enter__()
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.shutdown.__exit__()
        saved = error is None or self._rescue(error)
        if self.journal is not None:
            self.journal.close(keep=not saved)
        self._forget()

    def begin(
        self,
        unfinished: Callable[[BaseException | None], list[Part]],
        say: Callable[[list[str]], None] = lambda paths: None,
    ) -> None:
        """Begin a search.

        Args:
            unfinished: returns its best images so far, for the error that ended it.
            say: called with the paths of the images that were saved when it ended early.
        """
        self.unfinished, self.say = unfinished, say

    def better(self, finished: bool) -> None:
        """Offer the new best of the running search to the journal."""
        if self.journal is not None:
            unfinished = self.unfinished
            self._offer(lambda: unfinished(None), finished)

    def tick(self) -> None:
        """Let the journal write what waits."""
        if self.journal is not None:
            self.journal.tick()

    def end(self, part: Part, last: bool) -> None:
        """Keep the result of the running search. After the `last` one the node returns."""
        if self.journal is not None and not last:
            self._offer(lambda: [part], True)
        self.ended.append(part)
        self._forget()

    def _forget(self) -> None:
        """Let go of the search, whose models would otherwise stay as long as this does."""
        self.unfinished, self.say = (lambda error: []), (lambda paths: None)

    def _offer(self, make: Callable[[], list[Part]], urgent: bool) -> None:
        def write() -> Iterator[str]:
            for images, report in make():
                names = self.journal.names(len(images))
                yield from save(images, report, *self.whose, names, LEVEL)

        self.journal.offer(len(self.ended), write, urgent)

    def _rescue(self, error: BaseException | None) -> bool:
        parts = list(self.ended)
        with guard("report the best result so far"):
            parts += self.unfinished(error)
        whole, paths = rescue(parts, error, *self.whose)
        with guard("tell the browser where the images are"):
            self.say(paths)
        return whole

    def _last(self) -> None:
        if self._rescue(None) and self.journal is not None:
            self.journal.close()
