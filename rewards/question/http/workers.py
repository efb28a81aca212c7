"""Several requests at a time in worker threads, which can all be abandoned at once."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import TypeVar

T = TypeVar("T")

TICK = 0.1  # seconds between two polls


class ServerError(ValueError):
    """A request that failed.

    Args:
        sentence: what went wrong.
        status: the HTTP status of the answer, None without an answer.
        retry: whether another try may help.
        wait: seconds that the server asks to wait before it, None if it asks nothing.
        temporary: whether the server says that it loads, or when to come back. Then it gets as
            much time as an answer.
    """

    def __init__(
        self,
        sentence: str,
        status: int | None = None,
        retry: bool = False,
        wait: float | None = None,
        temporary: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.status, self.retry, self.wait, self.temporary = status, retry, wait, temporary


class Calls:
    """The requests that run in worker threads. Another thread can abandon them all."""

    def __init__(self) -> None:
        self.ended, self.lock = threading.Event(), threading.Lock()
        self.sockets: set[socket.socket] = set()
        self.cause: BaseException | None = None

    @contextmanager
    def holding(self, sock: socket.socket) -> Iterator[None]:
        """Let `abandon` close `sock` meanwhile."""
        with self.lock:
            if self.ended.is_set():
                raise ServerError("abandoned")
            self.sockets.add(sock)
        try:
            yield
        finally:
            with self.lock:
                self.sockets.discard(sock)

    def sleep(self, seconds: float) -> None:
        """Sleep; raise ServerError as soon as the calls are abandoned."""
        if self.ended.wait(seconds):
            raise ServerError("abandoned")

    def attempt(self, job: Callable[["Calls"], T]) -> T:
        """The result of a job. If it fails, abandon the others before its thread takes another."""
        if self.ended.is_set():
            raise ServerError("abandoned")
        try:
            return job(self)
        except BaseException as error:
            self.abandon(error)
            raise

    def abandon(self, cause: BaseException | None = None) -> None:
        """End all calls. Only the first cause is kept: later failures follow from it."""
        with self.lock:
            if not self.ended.is_set():
                self.cause = cause
            self.ended.set()
            for sock in self.sockets:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it


def run_together(
    jobs: Sequence[Callable[[Calls], T]], concurrency: int, poll: Callable[[], None]
) -> list[T]:
    """Run jobs in threads and return their results in order. If one raises, abandon all others.

    Args:
        jobs: functions of the `Calls` that they belong to.
        concurrency: how many run at a time.
        poll: called every `TICK` seconds; if it raises, all jobs are abandoned.
    """
    calls, pool = Calls(), ThreadPoolExecutor(concurrency, thread_name_prefix="flow_search_http")
    try:
        futures = [pool.submit(calls.attempt, job) for job in jobs]
        pending = set(futures)
        while pending:
            poll()
            done, pending = wait(pending, TICK, FIRST_EXCEPTION)
            if calls.cause is not None:
                raise calls.cause
        return [future.result() for future in futures]
    finally:
        calls.abandon()
        pool.shutdown(wait=False, cancel_futures=True)
