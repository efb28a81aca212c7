"""The end of the process while a search runs: what was found is saved first."""

from __future__ import annotations

import atexit
import signal
import threading
from collections.abc import Callable
from typing import Any

from ..host.guard import guard
from ..show.events import server

SIGNALS = ("SIGTERM", "SIGHUP", "SIGBREAK")  # SIGBREAK: a console window of Windows is closed
PATIENCE = 5.0  # seconds; who stops a process kills it after 5 (Windows) or 10 (Docker)


class Shutdown:
    """While the block runs, `save` is called once before the process ends by a signal or at exit.

    The host leaves SIGTERM to the system, which ends the process at once. A handler goes before the
    one that is there, and only as long as the block runs; then that one does what it did before.
    Only the main thread may change handlers: in a server its loop does, which the search is not in.
    """

    def __init__(self, save: Callable[[], Any]) -> None:
        self.save = save
        self.before: dict[int, Any] = {}
        self.once = threading.Lock()
        self.over = False

    def __enter__(self) -> Shutdown:
        atexit.register(self._save)  # after Ctrl-C, which the host takes for its end
        self._in_main_thread(self._install)
        return self

    def __exit__(self, *error: Any) -> None:
        self.over = True
        atexit.unregister(self._save)
        self._in_main_thread(self._restore)

    def _in_main_thread(self, change: Callable[[], None]) -> None:
        with guard("watch for the end of the process"):
            if threading.current_thread() is threading.main_thread():
                change()
            elif server() is not None:
                server().loop.call_soon_threadsafe(change)

    def _install(self) -> None:
        if self.over or threading.current_thread() is not threading.main_thread():
            return
        for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
            before = signal.getsignal(number)
            if before not in (None, signal.SIG_IGN):  # None: not set by Python
                self.before[number] = before
                signal.signal(number, self._handle)

    def _restore(self) -> None:
        for number, before in self.before.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, before)

    def _handle(self, number: int, frame: Any) -> None:
        # In a thread of its own: what was interrupted here may hold a lock that saving needs.
        saving = threading.Thread(target=self._save, daemon=True)
        saving.start()
        saving.join(PATIENCE)
        before = self.before[number]
        if callable(before):
            before(number, frame)
            return
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _save(self) -> None:
        if not self.over and self.once.acquire(blocking=False):
            with guard("save what was found before the end of the process"):
                self.save()
