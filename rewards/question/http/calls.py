"""JSON over HTTP to one server, several requests at a time.

Only the address that the user typed is contacted: a redirect is an error, and no proxy is used,
whatever the environment says. The key stays in its environment variable: it is read for each
request, sent in the Authorization header where it may go there, and blotted out of all that a
server says before a message quotes it. No error is chained to one that may hold the server's words.
"""

import email.utils
import http.client
import json
import logging
import os
import random
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .address import PORTS, key_for, origin
from .exchange import Answer, TooLarge, connected, exchange
from .words import message_in, quoted

T = TypeVar("T")
log = logging.getLogger("flow_search")

CONNECT = 10.0  # seconds at most for a connection alone
BACK_OFF, LONGEST_BACK_OFF = 0.5, 30.0  # seconds: before the second try, doubling from there
LOADING_BACK_OFF = 3.0  # seconds at most between two looks at a server that loads its model
PATIENCE = 120.0  # seconds: a server that asks for a longer wait, and than time_out, has failed
LOADING = r"\b(loading|starting|warming|initiali[sz]ing|booting|waking|not (yet )?ready)\b"
TICK = 0.1  # seconds between two polls


class ServerError(ValueError):
    """A request that failed, in one sentence; ``status`` is the server's, None if it gave none.

    ``again`` tells whether another try may help, ``wait`` the seconds the server asks to let pass,
    ``passing`` that it says to come back, or that it loads: worth as long a wait as an answer.
    """

    def __init__(
        self,
        sentence: str,
        status: int | None = None,
        again: bool = False,
        wait: float | None = None,
        passing: bool = False,
    ) -> None:
        super().__init__(sentence)
        self.status, self.again, self.wait, self.passing = status, again, wait, passing


class Calls:
    """Requests under way in worker threads, and the means to abandon them all from another."""

    def __init__(self) -> None:
        self.over, self.lock = threading.Event(), threading.Lock()
        self.sockets: set[socket.socket] = set()
        self.cause: BaseException | None = None

    @contextmanager
    def holding(self, sock: socket.socket) -> Iterator[None]:
        with self.lock:
            if self.over.is_set():
                raise ServerError("abandoned")
            self.sockets.add(sock)
        try:
            yield
        finally:
            with self.lock:
                self.sockets.discard(sock)

    def sleep(self, seconds: float) -> None:
        if self.over.wait(seconds):
            raise ServerError("abandoned")

    def attempt(self, job: Callable[["Calls"], T]) -> T:
        """A job's result; if it fails the others are over before its thread takes the next."""
        if self.over.is_set():
            raise ServerError("abandoned")
        try:
            return job(self)
        except BaseException as error:
            self.abandon(error)
            raise

    def abandon(self, cause: BaseException | None = None) -> None:
        """End all calls; the first cause is kept, what fails because of it is none."""
        with self.lock:
            if not self.over.is_set():
                self.cause = cause
            self.over.set()
            for sock in self.sockets:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it


def together(
    jobs: Sequence[Callable[[Calls], T]], concurrency: int, poll: Callable[[], None]
) -> list[T]:
    """Results in the order of ``jobs``, whatever order they end in; the first error is raised.

    ``poll`` is called every tenth of a second meanwhile. Whatever is raised, by it, by a job or by
    the user, the other jobs are abandoned at once.
    """
    calls, pool = Calls(), ThreadPoolExecutor(concurrency, thread_name_prefix="flow_search_http")
    try:
        futures = [pool.submit(calls.attempt, job) for job in jobs]
        left = set(futures)
        while left:
            poll()
            done, left = wait(left, TICK, FIRST_EXCEPTION)
            if calls.cause is not None:
                raise calls.cause
        return [future.result() for future in futures]
    finally:
        calls.abandon()
        pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Server:
    """Where requests go, and how patiently; ``path`` is that of the API, such as /v1.

    ``new`` says that the server may still be starting behind its gateway: 502, 503 and 504 are
    waited for then, whatever comes with them.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    key_env: str = ""
    time_out: float = 60.0
    retries: int = 3
    new: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}{self.path}"

    def key(self) -> str:
        """ "" without one; ValueError if it cannot be read or may not go to this server."""
        return key_for(self.key_env, self.scheme, self.host, self.port)

    def quoted(self, said: object) -> str:
        """What the server said, as a message may show it: short, and without the key."""
        return quoted(str(said), os.environ.get(self.key_env, "").strip() if self.key_env else "")

    def ask(self, path: str, body: Mapping[str, object] | None, calls: Calls) -> Any:
        """The JSON answered at ``path``, to a POST of ``body`` or else a GET; or a ServerError.

        Time-outs, broken connections and the statuses 408, 429 and 5xx are tried again, after as
        long as the server asks (Retry-After), or else after half a second, doubling each time. A
        server that loads its model, or says when to come back, is tried until ``time_out``.
        """
        end, tried = time.monotonic() + self.time_out, 0
        while True:
            try:
                return self.once(path, body, calls)
            except ServerError as error:
                remains = end - time.monotonic() if error.passing else 0.0
                if not error.again or (tried >= self.retries and remains <= 0.0):
                    raise self._given_up(error) from None
                pause = self._pause(error, tried)
                if tried >= self.retries:
                    pause = min(pause, remains)
                if tried == 0 and error.passing:
                    log.info("%s: waiting up to %g s.", error, self.time_out)
            calls.sleep(pause)
            tried += 1

    def _pause(self, error: ServerError, tried: int) -> float:
        if error.wait is not None and (tried < self.retries or error.wait > BACK_OFF):
            return error.wait
        longest = LOADING_BACK_OFF if error.passing else LONGEST_BACK_OFF
        steps = min(BACK_OFF * 2.0 ** min(tried, 20), longest)
        # A spread, so that requests refused together do not come back together.
        return steps * random.SystemRandom().uniform(0.5, 1.0)

    def _given_up(self, error: ServerError) -> ServerError:
        if not error.passing:
            return error
        sentence = f"{error}. It was waited for {self.time_out:g} s: raise time_out to wait longer."
        return ServerError(sentence, error.status)

    def once(self, path: str, body: Mapping[str, object] | None, calls: Calls) -> Any:
        """As `ask`, by a single try."""
        key = self.key()
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json"}
        headers |= {"Content-Type": "application/json"} if data is not None else {}
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        answer = self._exchange(path, data, headers, calls)
        if not 200 <= answer.status < 300:
            raise self._refused(answer, bool(key))
        return self._json(answer)

    def _exchange(
        self, path: str, data: bytes | None, headers: Mapping[str, str], calls: Calls
    ) -> Answer:
        name = origin(self.scheme, self.host, self.port).partition("://")[2]
        context = trusted() if self.scheme == "https" else None
        limit, start = min(CONNECT, self.time_out), time.monotonic()
        port = self.port or PORTS[self.scheme]
        try:
            with connected(context, self.host, port, start + limit, calls.holding) as sock:
                limit = self.time_out
                return exchange(sock, name, path, data, headers, start + limit)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreached(error, limit) from None

    def _json(self, answer: Answer) -> Any:
        try:
            found = json.loads(answer.text)
        except (ValueError, RecursionError):
            said = f"{self} answered {self.quoted(answer.text)!r}, wanted JSON"
            raise ServerError(said, answer.status) from None
        if isinstance(found, dict) and found.get("error"):  # some servers call that a success
            said = f"{self} answered {answer.status}: {self.quoted(message_in(answer.text))}"
            raise ServerError(said, answer.status)
        return found

    def _unreached(self, error: Exception, limit: float) -> ServerError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return ServerError(f"{self} has no valid certificate ({error.verify_message})")
        if isinstance(error, TooLarge):
            return ServerError(f"{self} answered {error}, wanted a line")
        if isinstance(error, TimeoutError):
            said = f"gave no answer within {limit:g} s"
        else:
            said = f"cannot be reached ({self.quoted(error) or type(error).__name__})"
        return ServerError(f"{self} {said}", again=True)

    def _refused(self, answer: Answer, keyed: bool) -> ServerError:
        status = answer.status
        if 300 <= status < 400:
            return ServerError(self._redirected(status, answer.headers.get("Location", "")), status)
        text = self.quoted(message_in(answer.text)) or self.quoted(answer.reason)
        said = f"{self} answered {status}" + (f": {text}" if text else "")
        if status in (401, 403):
            sent = f"the key in {self.key_env} was sent" if keyed else "no key was sent"
            return ServerError(f"{said} ({sent})", status)
        pause = _seconds(answer.headers.get("Retry-After"))
        if pause is not None and pause > max(PATIENCE, self.time_out):
            return ServerError(f"{said} (try again in {pause:.0f} s)", status)
        passing = pause is not None or bool(re.search(LOADING, text, re.IGNORECASE))
        passing |= self.new and status in (502, 503, 504)
        again = status in (408, 425, 429) or status >= 500
        return ServerError(said, status, again, pause, passing and again)

    def _redirected(self, status: int, location: str) -> str:
        try:
            to = urlsplit(location)
        except ValueError:
            to = urlsplit("")
        where = f"{to.scheme}://{to.netloc.rpartition('@')[2]}" if to.netloc else "elsewhere"
        return (
            f"{self} redirects to {self.quoted(where)} ({status}), which is not followed: if you "
            "trust that address, type it instead"
        )


def trusted() -> ssl.SSLContext:
    """The system's certificates; certifi's where Python knows none (python.org's for Macs)."""
    context, paths = ssl.create_default_context(), ssl.get_default_verify_paths()
    if sys.platform != "win32" and not (paths.cafile or paths.capath):
        with suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    return context


def _seconds(header: str | None) -> float | None:
    """Retry-After, seconds or a date; None if there is none that can be read."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
