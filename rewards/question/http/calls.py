"""JSON over HTTP to one server.

Only the address that the user typed is contacted: a redirect is an error, and proxies are not used,
whatever the environment says. The key stays in its environment variable. It is read for each
request and sent in the Authorization header, if it may go to that server. Messages mask it in what
they quote of the server. No error is chained to one that may hold the server's words.
"""

import email.utils
import http.client
import json
import logging
import os
import random
import re
import ssl
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .address import PORTS, key_for, origin
from .exchange import Answer, TooLarge, connected, exchange
from .quoting import message_in, quoted
from .workers import Calls, ServerError

log = logging.getLogger("flow_search")

CONNECT = 10.0  # seconds at most to connect
BACK_OFF, LONGEST_BACK_OFF = 0.5, 30.0  # seconds before the second try, doubled for each further
LOADING_BACK_OFF = 3.0  # seconds at most between two tries while a server loads its model
# Seconds: a server that asks to wait for longer than this and than time_out has failed.
PATIENCE = 120.0
LOADING = r"\b(loading|starting|warming|initiali[sz]ing|booting|waking|not (yet )?ready)\b"


@dataclass(frozen=True)
class Server:
    """Where requests go, and how long to wait for answers.

    Args:
        scheme: "http" or "https".
        host: its name or address.
        port: None for the scheme's usual port.
        path: of the API, such as "/v1".
        key_env: name of the environment variable with the key, "" without a key.
        time_out: seconds to wait for an answer, or for a server that loads.
        retries: further tries of a request that failed.
        starting: whether the server may still start behind its gateway. Then 502, 503 and 504 are
            temporary.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    key_env: str = ""
    time_out: float = 60.0
    retries: int = 3
    starting: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}{self.path}"

    def key(self) -> str:
        """The key, "" without one; ValueError if it cannot be read or may not go to this server."""
        return key_for(self.key_env, self.scheme, self.host, self.port)

    def quoted(self, text: object) -> str:
        """What the server said, as a message may show it: short, and without the key."""
        return quoted(str(text), os.environ.get(self.key_env, "").strip() if self.key_env else "")

    def ask(self, path: str, body: Mapping[str, object] | None, calls: Calls) -> Any:
        """The JSON that the server answers; it retries as the settings say.

        Time-outs, broken connections and the statuses 408, 425, 429 and 5xx are tried again. The
        pause is what the server asks for (Retry-After), else half a second, doubled each time. A
        server that loads its model, or says when to come back, is tried until `time_out`.

        Args:
            path: of the request.
            body: sent as JSON by POST; None for a GET.
            calls: the calls that this request belongs to.

        Raises:
            ServerError: the request failed in spite of all tries.
        """
        end, tried = time.monotonic() + self.time_out, 0
        while True:
            try:
                return self.ask_once(path, body, calls)
            except ServerError as error:
                remaining = end - time.monotonic() if error.temporary else 0.0
                if not error.retry or (tried >= self.retries and remaining <= 0.0):
                    raise self._given_up(error) from None
                pause = self._pause(error, tried)
                if tried >= self.retries:
                    pause = min(pause, remaining)
                if tried == 0 and error.temporary:
                    log.info("%s: waiting up to %g s.", error, self.time_out)
            calls.sleep(pause)
            tried += 1

    def _pause(self, error: ServerError, tried: int) -> float:
        if error.wait is not None and (tried < self.retries or error.wait > BACK_OFF):
            return error.wait
        longest = LOADING_BACK_OFF if error.temporary else LONGEST_BACK_OFF
        steps = min(BACK_OFF * 2.0 ** min(tried, 20), longest)
        # Random, so that requests that were refused together do not come back together.
        return steps * random.SystemRandom().uniform(0.5, 1.0)

    def _given_up(self, error: ServerError) -> ServerError:
        if not error.temporary:
            return error
        sentence = f"{error}. Gave up after {self.time_out:g} s: raise time_out to wait longer."
        return ServerError(sentence, error.status)

    def ask_once(self, path: str, body: Mapping[str, object] | None, calls: Calls) -> Any:
        """As `ask`, with a single try.

        Args:
            path: of the request.
            body: sent as JSON by POST; None for a GET.
            calls: the calls that this request belongs to.
        """
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
            content = json.loads(answer.text)
        except (ValueError, RecursionError):
            text = self.quoted(answer.text)
            sentence = f"{self} does not answer in JSON: got {text!r}, expected JSON."
            raise ServerError(sentence, answer.status) from None
        if isinstance(content, dict) and content.get("error"):  # some servers send it as a success
            sentence = f"{self} answered {answer.status}: {self.quoted(message_in(answer.text))}"
            raise ServerError(sentence, answer.status)
        return content

    def _unreached(self, error: Exception, limit: float) -> ServerError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return ServerError(f"{self} has no valid certificate ({error.verify_message}).")
        if isinstance(error, TooLarge):
            return ServerError(f"{self} answers too much: got {error}, expected a few lines.")
        if isinstance(error, TimeoutError):
            problem = f"gave no answer within {limit:g} s"
        else:
            problem = f"cannot be reached ({self.quoted(error) or type(error).__name__})"
        return ServerError(f"{self} {problem}.", retry=True)

    def _refused(self, answer: Answer, keyed: bool) -> ServerError:
        status = answer.status
        if 300 <= status < 400:
            return ServerError(self._redirected(status, answer.headers.get("Location", "")), status)
        text = self.quoted(message_in(answer.text)) or self.quoted(answer.reason)
        sentence = f"{self} answered {status}" + (f": {text}" if text else "")
        if status in (401, 403):
            sent = f"the key in {self.key_env} was sent" if keyed else "no key was sent"
            return ServerError(f"{sentence} ({sent})", status)
        pause = _seconds(answer.headers.get("Retry-After"))
        if pause is not None and pause > max(PATIENCE, self.time_out):
            return ServerError(f"{sentence} (try again in {pause:.0f} s)", status)
        temporary = pause is not None or bool(re.search(LOADING, text, re.IGNORECASE))
        temporary |= self.starting and status in (502, 503, 504)
        retry = status in (408, 425, 429) or status >= 500
        return ServerError(sentence, status, retry, pause, temporary and retry)

    def _redirected(self, status: int, location: str) -> str:
        try:
            to = urlsplit(location)
        except ValueError:
            to = urlsplit("")
        where = f"{to.scheme}://{to.netloc.rpartition('@')[2]}" if to.netloc else "elsewhere"
        return (
            f"{self} redirects to {self.quoted(where)} ({status}), which is not followed. If you "
            "trust that address, use it as url."
        )


def trusted() -> ssl.SSLContext:
    """The system's certificates, or certifi's if Python has none (as python.org's for macOS)."""
    context, paths = ssl.create_default_context(), ssl.get_default_verify_paths()
    if sys.platform != "win32" and not (paths.cafile or paths.capath):
        with suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    return context


def _seconds(header: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, None if it cannot be read."""
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
