"""What the searches of one node have found, kept until the node returns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..host.guard import guard
from .journal import Journal
from .shutdown import Shutdown
from .survival import Part, rescue, save

LEVEL = 1  # of PNG's packing in the journal: what is replaced soon need not be small


class Safekeeping:
    """Around the searches of a batch: when one is cancelled or fails, or the process is told to
    end, what was found is saved as an unfinished picture. What no handler sees (a kill, a crash, a
    power cut) leaves the journal."""

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

    def begin(
        self,
        unfinished: Callable[[BaseException | None], list[Part]],
        say: Callable[[list[str]], None] = lambda paths: None,
    ) -> None:
        """A search begins.

        Args:
            unfinished: gives its best picture so far.
            say: hears the paths of the pictures that were saved when it ended early.
        """
        self.unfinished, self.say = unfinished, say

    def better(self, finished: bool) -> None:
        """The running search has a new best, maybe a finished one."""
        if self.journal is not None:
            unfinished = self.unfinished
            self._offer(lambda: unfinished(None), finished)

    def tick(self) -> None:
        """Time has passed."""
        if self.journal is not None:
            self.journal.tick()

    def end(self, part: Part, last: bool) -> None:
        """The running search has its result; after the `last` the node returns."""
        if self.journal is not None and not last:
            self._offer(lambda: [part], True)
        self.ended.append(part)
        self.unfinished, self.say = (lambda error: []), (lambda paths: None)

    def _offer(self, make: Callable[[], list[Part]], urgent: bool) -> None:
        def write() -> Iterator[str]:
            for images, report in make():
                names = self.journal.names(len(images))
                yield from save(images, report, *self.whose, names, LEVEL)

        self.journal.offer(len(self.ended), write, urgent)

    def _rescue(self, error: BaseException | None) -> bool:
        parts = list(self.ended)
        with guard("report what was found"):
            parts += self.unfinished(error)
        whole, paths = rescue(parts, error, *self.whose)
        with guard("tell the browser where the pictures are"):
            self.say(paths)
        return whole

    def _last(self) -> None:
        if self._rescue(None) and self.journal is not None:
            self.journal.close()
