"""Field 34: one deadline for all of an exchange, and a bound for the size of each part."""

import itertools
import socket
import sys
import threading
import time

import pytest
from pack.rewards.question.http import calls as calls
from pack.rewards.question.http.exchange import HEAD, LARGEST

from .asking import after_probe, connected, error_of
from .raw_server import raw
from .vlm_server import serve

LIMIT, MOST = 0.4, 5.0  # seconds of the time-out, and of what may be lost beside it
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
SLOW = itertools.repeat(0.05)  # seconds between two pieces
FAST = itertools.repeat(0.0)


def endless(head, piece, pauses):
    def behave(send, pause):
        send(head)
        for i, seconds in enumerate(pauses):
            send(piece(i))
            pause(seconds)

    return behave


def spell(i):
    return b"x"


def header(i):
    return b"X-%d: 1\r\n" % i


DRIPPED = {
    "nothing": (b"", lambda i: b""),
    "status line": (b"HTTP/1.1 200 ", spell),
    "name of a header": (OK, spell),
    "headers": (OK, lambda i: b"X: 1\r\n" if i < 50 else b""),
    "continue": (b"", lambda i: b"HTTP/1.1 100 Continue\r\n\r\n"),
    "continue with headers": (b"", lambda i: b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\n"),
    "body": (OK + b"Content-Length: 1000\r\n\r\n", spell),
    "body without a length": (OK + b"\r\n", spell),
    "chunks": (CHUNKED, lambda i: b"1\r\n \r\n"),
    "size of a chunk": (CHUNKED, lambda i: b"0"),
    "chunk extension": (CHUNKED + b"1;", spell),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", header),
    "name of a trailer": (CHUNKED + b"2\r\n{}\r\n0\r\n", spell),
}
FLOODED = {
    "status line": (b"HTTP/1.1 200 ", lambda i: b"x" * 1000),
    "header": (OK + b"X: ", lambda i: b"x" * 1000),
    "headers": (OK, header),
    "long headers": (OK, lambda i: b"X: " + b"x" * 60_000 + b"\r\n"),
    "continue": (b"", lambda i: b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "body": (OK + b"Content-Length: 10000000000\r\n\r\n", lambda i: b" " * 10_000),
    "body without a length": (OK + b"\r\n", lambda i: b" " * 10_000),
    "chunks": (CHUNKED, lambda i: b"1\r\n \r\n" * 2000),
    "size of a chunk": (CHUNKED, lambda i: b"0" * 10_000),
    "trailers": (CHUNKED + b"2\r\n{}\r\n0\r\n", lambda i: b"X: 1\r\n" * 2000),
}


def ask(server, scheme="http", host="127.0.0.1", body=None, **settings):
    """The sentence of the error, and how long it took; at most a few seconds, whatever happens."""
    given = {"time_out": LIMIT, "retries": 0} | settings
    asked = calls.Server(scheme, host, server.port if server else 80, "/v1", **given)
    started = time.monotonic()
    with pytest.raises(calls.ServerError) as found:
        asked.ask("/v1/models", body, calls.Calls())
    return str(found.value), time.monotonic() - started


@pytest.mark.parametrize("part", DRIPPED)
def test_a_dripped_answer_is_over_at_the_deadline(part):
    with raw(endless(*DRIPPED[part], SLOW)) as server:
        message, seconds = ask(server)
    assert f"gave no answer within {LIMIT} s" in message and LIMIT <= seconds < MOST


@pytest.mark.parametrize("part", FLOODED)
def test_a_flooded_answer_is_cut_off(part):
    """Long before its end, whatever time there is; in memory it is no more than its bound."""
    with raw(endless(*FLOODED[part], FAST)) as server:
        message, seconds = ask(server, time_out=60.0)
        assert server.sent < LARGEST + HEAD + (16 << 20)  # and what the system has taken on
    assert ("answered more than" in message or "got more than" in message) and seconds < 15.0


def test_a_server_that_does_not_read_is_left_at_the_deadline():
    with raw(lambda send, pause: pause(20.0), reads=False) as server:
        message, seconds = ask(server, body={"x": "x" * (32 << 20)})
    assert f"gave no answer within {LIMIT} s" in message and seconds < MOST


@pytest.mark.parametrize("hello", [b"", b"\x16\x03\x03\x40\x00"])
def test_a_dripped_tls_handshake_is_over_at_the_deadline(hello):
    with raw(endless(hello, spell if hello else lambda i: b"", SLOW), reads=False) as server:
        message, seconds = ask(server, scheme="https")
    assert f"gave no answer within {LIMIT} s" in message and seconds < MOST


def test_a_name_that_is_not_looked_up_in_time(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: release.wait(20.0))
    message, seconds = ask(None, host="slow.example")
    release.set()
    assert f"gave no answer within {LIMIT} s" in message and seconds < MOST


def test_addresses_that_do_not_answer_share_the_time(monkeypatch):
    """A host with many addresses is not given the time-out for each of them."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # nobody accepts: the queue is full
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)] * 50
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        _, seconds = ask(None, host="many.example")
        for sock in waiting:
            sock.close()
    assert seconds < MOST


def test_a_redirect_is_not_waited_on():
    head = b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\n\r\n"
    with raw(endless(head, spell, SLOW)) as server:
        _, seconds = ask(server)
        assert seconds < MOST and server.met == 1


@pytest.mark.skipif(sys.platform != "linux", reason="a reset throws away what came before it")
def test_what_a_server_says_before_it_hangs_up_is_heard():
    said = b"HTTP/1.1 413 Too Large\r\nContent-Length: 8\r\n\r\ntoo much"
    with raw(lambda send, pause: (send(said), pause(0.3))) as server:
        message, _ = ask(server, body={"x": "x" * (8 << 20)}, time_out=5.0)
    assert "answered 413: too much" in message


def test_the_deadline_holds_for_the_questions_of_a_search(images):
    def drip(request, handler):
        handler.close_connection = True
        handler.wfile.write(OK)
        for i in range(300):
            handler.wfile.write(header(i % 50))
            time.sleep(0.05)
        return True

    with serve(hook=after_probe(drip)) as server:
        scorer, started = connected(server, time_out=LIMIT, retries=0), time.monotonic()
        assert f"gave no answer within {LIMIT} s" in error_of(scorer, images[:2])
        assert time.monotonic() - started < MOST


@pytest.mark.parametrize("text", ["[" * 1_000_000, '{"a":' * 500_000])
def test_json_without_a_bottom_is_no_json(text):
    head = OK + b"Content-Length: %d\r\n\r\n" % len(text)
    with raw(lambda send, pause: send(head + text.encode())) as server:
        message, _ = ask(server, time_out=5.0)
    assert "expected JSON" in message and len(message) < 300
