"""Servers that fail, now and then or for good."""

import email.utils
import json
import math
import socket
import threading
import time

import numpy as np
import pytest
from pack.rewards.question.http import calls as calls

from .asking import after_probe, close, connected, error_of, score, seen
from .vlm_server import entries, likeliest, openai, serve


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_pass_is_tried_again(status, images):
    behave = iter([(status, {}, {"error": {"message": "busy"}})] * 2)
    with serve(hook=after_probe(lambda *_: next(behave, None))) as server:
        assert close(score(connected(server), images[:1]), images[:1]) and seen(server) == 3


def test_a_broken_connection_is_tried_again(images):
    def drop(request, handler):
        if next(turns):
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return True

    turns = iter([True] * 3 + [False] * 8)
    with serve(hook=after_probe(drop)) as server:
        assert close(score(connected(server), images), images) and seen(server) == 11


def test_an_answer_cut_short_is_tried_again(images):
    def cut(request, handler):
        text = json.dumps(server.answer(request))
        handler.close_connection = True
        # Valid JSON of its own, so that only the length tells.
        return next(turns, None) and (200, {"Content-Length": str(len(text) + 9)}, text)

    turns = iter([True])
    with serve(hook=after_probe(cut)) as server:
        assert close(score(connected(server), images[:1]), images[:1]) and seen(server) == 2


def test_back_off_doubles_up_to_a_limit(images, monkeypatch, slept):
    monkeypatch.setattr(calls, "BACK_OFF", 0.5)
    with serve(hook=after_probe(lambda *_: (500, {}, ""))) as server:
        error_of(connected(server, retries=10), images[:1])
        assert seen(server) == 11
    most = [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert all(m / 2 <= pause <= m for m, pause in zip(most, slept, strict=True))
    assert len({m / pause for m, pause in zip(most, slept, strict=True)}) > 1


def test_retry_after_is_waited_for(images):
    behave = iter([(429, {"Retry-After": "0.4"}, {"error": "slow down"})])
    with serve(hook=after_probe(lambda *_: next(behave, None))) as server:
        assert close(score(connected(server), images[:1]), images[:1])
        assert server.requests[1]["time"] - server.requests[0]["time"] >= 0.4


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        (lambda: email.utils.formatdate(time.time() + 60, usegmt=True), 50, 60),
        (lambda: email.utils.formatdate(time.time() - 60, usegmt=True), 0, 0),
        ("-3", 0, 0),
        ("soon", 0.005, 0.01),
        ("nan", 0, 0.01),
        ("Mon, 01 Jan 0001 00:00:00 -0000", 0, 0.01),
        ("Mon, 01 Jan 9999999 00:00:00 GMT", 0.005, 0.01),
        ("", 0.005, 0.01),
    ],
)
def test_retry_after(header, least, most, images, slept):
    told = header if isinstance(header, str) else header()
    behave = iter([(503, {"Retry-After": told}, "")])
    with serve(hook=after_probe(lambda *_: next(behave, None))) as server:
        assert close(score(connected(server), images[:1]), images[:1])
    (pause,) = slept
    assert least <= pause <= most


@pytest.mark.parametrize("header", ["3600", "inf"])
def test_too_long_a_wait_is_a_failure(header, images, slept):
    with serve(hook=after_probe(lambda *_: (429, {"Retry-After": header}, "full"))) as server:
        message = error_of(connected(server), images[:1])
    assert "429: full (try again in" in message and seen(server) == 1 and not slept


def test_a_request_that_fails_for_good_raises(images):
    def fail(request, handler):
        if request["picture"].mean() == pytest.approx(float(images[5].mean()) * 255, abs=0.01):
            return 503, {}, {"error": {"message": "out of\nmemory"}}

    with serve(hook=after_probe(fail)) as server:
        with pytest.raises(calls.ServerError, match=r"/v1 answered 503: out of memory") as found:
            score(connected(server, retries=2), images)
    assert found.value.status == 503
    assert found.value.args == (str(found.value),)
    mean = float(images[5].mean()) * 255
    tries = [r for r in server.requests if abs(r["picture"].mean() - mean) < 0.01]
    assert len(tries) == 3


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_will_not_pass_is_not_tried_again(status, images):
    with serve(hook=after_probe(lambda *_: (status, {}, {"detail": "no such thing"}))) as server:
        assert f"{status}: no such thing" in error_of(connected(server), images[:1])
        assert seen(server) == 1


def test_a_slow_server_times_out_and_is_asked_again(images):
    release = threading.Event()

    def slow(request, handler):
        if seen(server) == 1:
            release.wait(10)

    with serve(hook=after_probe(slow)) as server:
        scorer, started = connected(server, time_out=0.5), time.monotonic()
        assert close(score(scorer, images[:1]), images[:1]) and seen(server) >= 2
        assert 0.5 <= time.monotonic() - started < 5.0
        release.set()


def test_an_answer_may_take_longer_than_a_connection(images, monkeypatch):
    monkeypatch.setattr(calls, "CONNECT", 0.3)
    with serve(hook=after_probe(lambda *_: time.sleep(0.6))) as server:
        assert close(score(connected(server, retries=0), images[:1]), images[:1])


def test_the_time_out_is_of_the_whole_answer(images):
    def drip(request, handler):
        handler.close_connection = True
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.05)
        return True

    with serve(hook=after_probe(drip)) as server:
        scorer = connected(server, time_out=0.5, retries=0)
        started = time.monotonic()
        assert "gave no answer within 0.5 s" in error_of(scorer, images[:1])
        assert time.monotonic() - started < 3.0


def told(top):
    return lambda *_: (200, {}, openai(top))


@pytest.mark.parametrize(
    ("behave", "message"),
    [
        (lambda *_: (200, {}, "<html>\n<b>hello"), "got '<html> <b>hello', expected JSON"),
        (lambda *_: (200, {}, "x" * 5_000_000), "more than 4 MB"),
        (lambda *_: (200, {}, "[]"), "without log-probabilities"),
        (lambda *_: (200, {}, {"choices": []}), "without log-probabilities"),
        (lambda *_: (200, {}, openai(entries(likeliest(np.ones((1, 1, 3)))), False)), "without"),
        (told([{"token": "Yes"}]), "got token 'Yes' with log-probability None, expected at most 0"),
        (told([{"token": "Yes", "logprob": "-1"}]), "log-probability '-1'"),
        (told([{"token": "Yes", "logprob": True}]), "log-probability True"),
        (told([{"token": "Yes", "logprob": math.nan}]), "log-probability nan"),
        (told([{"token": "Yes", "logprob": 0.7}]), "log-probability 0.7"),
        (told([{"token": None, "logprob": -0.7}]), "token None"),
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error(behave, message, images):
    with serve(hook=after_probe(behave)) as server:
        found = error_of(connected(server), images[:2])
    assert message in found and len(found) < 400
