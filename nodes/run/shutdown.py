"""Saves the best result so far if the process ends while a search runs."""

from __future__ import annotations

import atexit
import signal
import threading
from collections.abc import Callable
from typing import Any

from ..host.guard import guard
from ..show.events import server

SIGNALS = ("SIGTERM", "SIGHUP", "SIGBREAK")  # SIGBREAK: a console window of Windows is closed
PATIENCE = 5.0  # seconds to save; a stopped process is killed after 5 (Windows) or 10 (Docker)


class Shutdown:
    """Calls `save` once if the process ends by a signal or at exit while the block runs.

    The host does not handle SIGTERM, which ends the process at once. While the block runs, a
    handler saves and then calls the previous handler. Only the main thread may change handlers. In
    a server the search runs in another thread, so the server's loop changes them.
    """

    def __init__(self, save: Callable[[], Any]) -> None:
        self.save = save
        self.previous: dict[int, Any] = {}
        self.saved = threading.Lock()
        self.over = False

    def __enter__(self) -> Shutdown:
        atexit.register(self._save)  # for Ctrl-C, which ends the host without a signal handler
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
            previous = signal.getsignal(number)
            if previous not in (None, signal.SIG_IGN):  # None: not set by Python
                self.previous[number] = previous
                signal.signal(number, self._handle)

    def _restore(self) -> None:
        for number, previous in self.previous.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, previous)

    def _handle(self, number: int, frame: Any) -> None:
        # In another thread: the interrupted code may hold a lock that saving needs.
        saving = threading.Thread(target=self._save, daemon=True)
        saving.start()
        saving.join(PATIENCE)
        previous = self.previous[number]
        if callable(previous):
            previous(number, frame)
            return
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    def _save(self) -> None:
        if not self.over and self.saved.acquire(blocking=False):
            with guard("save the best result before the end of the process"):
                self.save()
