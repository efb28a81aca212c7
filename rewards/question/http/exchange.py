"""One exchange with a server over a socket, with one deadline and limits for each part.

The time-out of a socket counts for each packet alone. A server could drip its headers, chunk sizes
or trailers, or send "100 Continue" for ever, and never reach it. Here every wait ends at the
deadline, from the look-up of the name to the last byte of the body.
"""

import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, NamedTuple

HEAD = 128 << 10  # bytes before a body; http.client takes at most 100 headers
LARGEST = 4 << 20  # bytes of a body
PIECE = 1 << 16  # bytes sent or read at a time
AGENT = "FlowSearch (ComfyUI)"  # some hosts refuse programs without a name

Hold = Callable[[socket.socket], AbstractContextManager[None]]


class TooLarge(OSError):
    """A server sent too much. The text says how much, as in "more than 4 MB"."""


class Answer(NamedTuple):
    """A response, read to its end.

    Args:
        status: the HTTP status.
        reason: the words beside it.
        headers: by name.
        text: the body, read as UTF-8.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    text: str


class Wire:
    """A connected socket, as `http.client` uses it, with a deadline and limits.

    Every wait ends at `until`. At most `room` more bytes may come in, first of headers, then of the
    body.
    """

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock, self.until = sock, until
        self.room, self.what = HEAD, f"{HEAD >> 10} kB of headers"

    def open_body(self) -> None:
        """Make room for the body."""
        self.room, self.what = self.room + LARGEST, f"{LARGEST >> 20} MB"

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self.sock.settimeout(seconds_left(self.until))
            view = view[self.sock.send(view[:PIECE]) :]

    def receive(self, buffer: Any) -> int:
        self.sock.settimeout(seconds_left(self.until))
        size = self.sock.recv_into(buffer)
        self.room -= size
        if self.room < 0:
            raise TooLarge(f"more than {self.what}")
        return size

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        """Nothing: `connected` closes the socket."""


class _Incoming(io.RawIOBase):
    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.wire.receive(buffer)


def exchange(
    sock: socket.socket, host: str, path: str, data: bytes | None, headers: Mapping[str, str],
    until: float,
) -> Answer:  # fmt: skip
    """The answer of a server to one request.

    Args:
        sock: connected to the server.
        host: for the Host header, with the port if it is not the scheme's usual one.
        path: of the request, ASCII.
        data: sent by POST; None for a GET.
        headers: further headers.
        until: the deadline, by `time.monotonic`.

    Raises:
        OSError, http.client.HTTPException: too late (TimeoutError), too large, or not HTTP.
    """
    wire = Wire(sock, until)
    connection = http.client.HTTPConnection(host, 80)  # knows neither proxies nor redirects
    connection.sock = wire
    headers = {"Host": host, "User-Agent": AGENT, "Connection": "close"} | dict(headers)
    # A server that refuses a request may hang up before it has read it, but has sent its answer.
    with suppress(ConnectionError):
        connection.request("GET" if data is None else "POST", path, data, headers)
    response = connection.getresponse()
    wire.open_body()
    return Answer(response.status, response.reason, response.headers, _body(response))


def _body(response: http.client.HTTPResponse) -> str:
    parts = bytearray()
    while part := response.read1(PIECE):
        parts += part
        if len(parts) > LARGEST:
            raise TooLarge(f"more than {LARGEST >> 20} MB")
    if response.length:  # read1 does not notice a body that ends too soon
        raise http.client.IncompleteRead(b"", response.length)
    return parts.decode("utf-8", "replace")


@contextmanager
def connected(
    context: ssl.SSLContext | None, host: str, port: int, until: float, hold: Hold
) -> Iterator[socket.socket]:
    """A socket that is connected to a server.

    Args:
        context: encrypts the connection; None for http.
        host: a name or address.
        port: of the server.
        until: the deadline, by `time.monotonic`.
        hold: holds the socket meanwhile, so that another thread can end what waits for it.
    """
    sock = _dial(host, port, until)
    try:
        if context is not None:
            sock = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        with hold(sock):
            if isinstance(sock, ssl.SSLSocket):
                sock.settimeout(seconds_left(until))
                sock.do_handshake()
            yield sock
    finally:
        sock.close()


def _dial(host: str, port: int, until: float) -> socket.socket:
    """A socket to the first address of a host that answers; each gets its share of the time."""
    addresses, failed = _addresses(host, port, until), []
    for i, (family, address) in enumerate(addresses):
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # a system without IPv6
            failed.append(error)
            continue
        try:
            sock.settimeout(seconds_left(until) / (len(addresses) - i))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except BaseException as error:
            sock.close()
            if not isinstance(error, OSError):
                raise
            failed.append(error)
    raise failed[0] if failed else OSError("the host has no address")


def _addresses(host: str, port: int, until: float) -> list[tuple[int, tuple]]:
    """(family, address) of a host's addresses.

    localhost is this computer and is not looked up. Other look-ups have no time-out of their own:
    they run in a thread that is left alone after the deadline.
    """
    if host == "localhost":
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port, 0, 0))]
    results: list[Any] = []

    def work() -> None:
        try:
            results.append(_look_up(host, port))
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=work, name="flow_search_name", daemon=True)
    thread.start()
    thread.join(seconds_left(until))
    if not results:
        raise TimeoutError
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


def _look_up(host: str, port: int) -> list[tuple[int, tuple]]:
    return [(entry[0], entry[4]) for entry in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)]


def seconds_left(until: float) -> float:
    """Seconds until the deadline `until`; TimeoutError after it."""
    seconds = until - time.monotonic()
    if seconds <= 0.0:
        raise TimeoutError
    return seconds
