"""JSON over HTTP to one server, several requests at a time.

Only the address that the user typed is contacted: a redirect is an error, and no proxy is used,
whatever the environment says. The key stays in its environment variable: it is read for each
request, sent in the Authorization header where it may go there, and kept out of every message.
"""

import email.utils
import http.client
import json
import random
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

from .http_address import key_for

T = TypeVar("T")

CONNECT = 10.0  # seconds at most for a connection alone
BACK_OFF, LONGEST_BACK_OFF = 0.5, 30.0  # seconds: before the second try, doubling from there
PATIENCE = 120.0  # seconds: a server that asks for a longer wait has failed
LARGEST = 4 << 20  # bytes of an answer
TICK = 0.1  # seconds between two polls


class ServerError(ValueError):
    """A request that failed, in one sentence; ``status`` is the server's, None if it gave none.

    ``again`` tells whether another try may help, ``wait`` the seconds the server asks to let pass.
    """

    def __init__(
        self,
        sentence: str,
        status: int | None = None,
        again: bool = False,
        wait: float | None = None,
    ) -> None:
        super().__init__(sentence)
        self.status, self.again, self.wait = status, again, wait


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
    """Where requests go, and how patiently; ``path`` is that of the API, such as /v1."""

    scheme: str
    host: str
    port: int | None
    path: str
    key_env: str = ""
    time_out: float = 60.0
    retries: int = 3

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}{self.path}"

    def key(self) -> str:
        """ "" without one; ValueError if it cannot be read or may not go to this server."""
        return key_for(self.key_env, self.scheme, self.host, self.port)

    def ask(self, path: str, body: Mapping[str, object] | None, calls: Calls) -> Any:
        """The JSON answered at ``path``, to a POST of ``body`` or else a GET; or a ServerError.

        Time-outs, broken connections and the statuses 408, 429 and 5xx are tried again, after as
        long as the server asks (Retry-After), or else after half a second, doubling each time.
        """
        for tried in range(self.retries + 1):
            try:
                return self._once(path, body, calls)
            except ServerError as error:
                if not error.again or tried == self.retries:
                    raise
                steps = min(BACK_OFF * 2.0**tried, LONGEST_BACK_OFF)
                # A spread, so that requests refused together do not come back together.
                spread = random.SystemRandom().uniform(0.5, 1.0)
                pause = error.wait if error.wait is not None else steps * spread
            calls.sleep(pause)
        raise AssertionError("unreachable")

    def _once(self, path: str, body: Mapping[str, object] | None, calls: Calls) -> Any:
        key, limit = self.key(), min(CONNECT, self.time_out)
        connection = self._connection(limit)
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", "Connection": "close"}
        headers |= {"Content-Type": "application/json"} if data is not None else {}
        headers |= {"Authorization": f"Bearer {key}"} if key else {}
        deadline = time.monotonic() + self.time_out
        try:
            connection.connect()
            sock, limit = connection.sock, self.time_out
            with calls.holding(sock):
                sock.settimeout(limit)
                connection.request("GET" if data is None else "POST", path, data, headers)
                response = connection.getresponse()
                text = _read(response, deadline)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreached(error, limit, key) from error
        finally:
            connection.close()
        if not 200 <= response.status < 300:
            raise self._refused(response, text, key)
        try:
            return json.loads(text)
        except ValueError as error:
            raise ServerError(f"{self} answered {_cut(text, key)!r}, wanted JSON") from error

    def _connection(self, limit: float) -> http.client.HTTPConnection:
        """Not yet connected; http.client knows neither proxies nor redirects."""
        if self.scheme == "http":
            return http.client.HTTPConnection(self.host, self.port, timeout=limit)
        certified = trusted()
        return http.client.HTTPSConnection(self.host, self.port, timeout=limit, context=certified)

    def _unreached(self, error: Exception, limit: float, key: str) -> ServerError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return ServerError(f"{self} has no valid certificate ({error.verify_message})")
        if isinstance(error, TimeoutError):
            said = f"gave no answer within {limit:g} s"
        else:
            said = f"cannot be reached ({_cut(str(error), key) or type(error).__name__})"
        return ServerError(f"{self} {said}", again=True)

    def _refused(self, response: http.client.HTTPResponse, text: str, key: str) -> ServerError:
        status = response.status
        if status in (401, 403):
            wanted = f"the key in {self.key_env} is not the right one" if key else "wants a key"
            return ServerError(f"{self} refused the request ({status}): {wanted}", status)
        if 300 <= status < 400:
            to = urlsplit(response.headers.get("Location", ""))
            where = f"{to.scheme}://{to.netloc.rpartition('@')[2]}" if to.netloc else "elsewhere"
            sentence = f"{self} redirects to {where} ({status}), which is not followed: if you "
            return ServerError(f"{sentence}trust that address, type it instead", status)
        pause = _seconds(response.headers.get("Retry-After"))
        said = f"{self} answered {status}: {_cut(_words(text) or response.reason, key)}"
        if pause is not None and pause > PATIENCE:
            return ServerError(f"{said} (try again in {pause:.0f} s)", status)
        return ServerError(said, status, status in (408, 429) or status >= 500, pause)


def trusted() -> ssl.SSLContext:
    """The system's certificates; certifi's where Python knows none (python.org's for Macs)."""
    context, paths = ssl.create_default_context(), ssl.get_default_verify_paths()
    if sys.platform != "win32" and not (paths.cafile or paths.capath):
        with suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    return context


def _read(response: http.client.HTTPResponse, deadline: float) -> str:
    """The whole body, in time: a socket's time-out is of each packet alone."""
    parts = bytearray()
    while part := response.read1(1 << 16):
        parts += part
        if len(parts) > LARGEST:
            raise ServerError(f"the server answered more than {LARGEST >> 20} MB, wanted a line")
        if time.monotonic() > deadline:
            raise TimeoutError
    if response.length:  # read1 does not tell a body that ends too soon
        raise http.client.IncompleteRead(bytes(parts[-64:]), response.length)
    return parts.decode("utf-8", "replace")


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
    except ValueError:
        return None


def _words(text: str) -> str:
    """The message in the body of an error, in any of the usual places."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    for name in ("error", "message", "detail"):
        found = found.get(name, found) if isinstance(found, dict) else found
    return found if isinstance(found, str) else text


def _cut(text: str, key: str) -> str:
    """One short line of what a server said, without the key, should it repeat it."""
    text = " ".join((text.replace(key, "***") if key else text).split())
    return text if len(text) <= 200 else f"{text[:200]}…"
