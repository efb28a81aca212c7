"""One exchange with a server over a socket, within one deadline and bounds for each part of it.

A socket's own time-out is of each packet alone: a server that drips its headers, chunk sizes or
trailers, or says "100 Continue" for ever, would never run into it. Here every wait is given what is
left until the deadline, from the look-up of the name to the last byte of the body.
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

HEAD = 128 << 10  # bytes of all that comes before a body; http.client takes 100 headers at most
LARGEST = 4 << 20  # bytes of a body
PIECE = 1 << 16  # bytes sent or read at a time
AGENT = "FlowSearch (ComfyUI)"  # some hosts refuse a program that does not say what it is

Hold = Callable[[socket.socket], AbstractContextManager[None]]


class TooLarge(OSError):
    """A server sent more than there is room for; the text says how much that is."""


class Answer(NamedTuple):
    """A response, read to its end."""

    status: int
    reason: str
    headers: Mapping[str, str]
    text: str


class Wire:
    """A connected socket as `http.client` uses it: every wait ends at ``until``, and no more than
    ``room`` bytes come in, first of headers, then of the body."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock, self.until = sock, until
        self.room, self.what = HEAD, f"{HEAD >> 10} kB of headers"

    def open_body(self) -> None:
        self.room, self.what = self.room + LARGEST, f"{LARGEST >> 20} MB"

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self.sock.settimeout(left(self.until))
            view = view[self.sock.send(view[:PIECE]) :]

    def receive(self, buffer: Any) -> int:
        self.sock.settimeout(left(self.until))
        size = self.sock.recv_into(buffer)
        self.room -= size
        if self.room < 0:
            raise TooLarge(f"more than {self.what}")
        return size

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        """Whoever opened the socket closes it."""


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
    """What a server answers to a POST of ``data``, or else to a GET.

    Args:
        sock: connected to the server.
        host: for the Host header, with the port if it is not the scheme's own.
        path: of the request, ASCII.
        headers: further ones.
        until: the deadline, by `time.monotonic`.

    Raises:
        OSError, http.client.HTTPException: too late (TimeoutError), too large, or not HTTP.
    """
    wire = Wire(sock, until)
    connection = http.client.HTTPConnection(host, 80)  # knows neither proxies nor redirects
    connection.sock = wire
    headers = {"Host": host, "User-Agent": AGENT, "Connection": "close"} | dict(headers)
    # Who refuses a request may hang up before it has read it, and has said why.
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
    if response.length:  # read1 does not tell a body that ends too soon
        raise http.client.IncompleteRead(b"", response.length)
    return parts.decode("utf-8", "replace")


@contextmanager
def connected(
    context: ssl.SSLContext | None, host: str, port: int, until: float, hold: Hold
) -> Iterator[socket.socket]:
    """A socket to a server, secured by ``context`` if any.

    It is in ``hold`` from the connection on, so that another thread can end what waits for it.
    """
    sock = _dial(host, port, until)
    try:
        if context is not None:
            sock = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        with hold(sock):
            if isinstance(sock, ssl.SSLSocket):
                sock.settimeout(left(until))
                sock.do_handshake()
            yield sock
    finally:
        sock.close()


def _dial(host: str, port: int, until: float) -> socket.socket:
    """The first of a host's addresses that takes a connection; each has its share of the time."""
    found, failed = _addresses(host, port, until), []
    for i, (family, address) in enumerate(found):
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # a system without IPv6
            failed.append(error)
            continue
        try:
            sock.settimeout(left(until) / (len(found) - i))
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
    """Families and addresses of a host.

    localhost is this computer, so it is not looked up. The look-up of another name has no time-out
    of its own: it is left behind when it is too late.
    """
    if host == "localhost":
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port, 0, 0))]
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(_looked_up(host, port))
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=look_up, name="flow_search_name", daemon=True)
    thread.start()
    thread.join(left(until))
    if not found:
        raise TimeoutError
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def _looked_up(host: str, port: int) -> list[tuple[int, tuple]]:
    return [(entry[0], entry[4]) for entry in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)]


def left(until: float) -> float:
    """Seconds until the deadline; TimeoutError after it."""
    seconds = until - time.monotonic()
    if seconds <= 0.0:
        raise TimeoutError
    return seconds
