"""A cancel or a failure ends the calls that are under way."""

import threading
import time

import pytest

from .asking import PROMPT, after_probe, close, connected, error_of, load, score, seen
from .vlm_server import serve


class Interrupt(BaseException):
    pass


def workers():
    return [t for t in threading.enumerate() if t.name.startswith("flow_search_http")]


def gone(threads, within=2.0):
    for thread in threads:
        thread.join(within)
    return not any(thread.is_alive() for thread in threads)


def test_cancelling_abandons_what_is_under_way(images):
    """Requests that wait for an answer, for their turn, and for another try."""
    release = threading.Event()

    def hold(request, handler):
        if seen(server) % 2:
            return 429, {"Retry-After": "30"}, ""
        release.wait(10)

    def poll():
        if seen(server) == 4:
            raise Interrupt

    with serve(hook=after_probe(hold)) as server:
        scorer = connected(server, concurrency=4)
        scorer.poll, started = poll, time.monotonic()
        with pytest.raises(Interrupt):
            score(scorer, images)
        assert gone(workers()) and seen(server) == 4 and time.monotonic() - started < 5.0
        scorer.poll, server.hook = (lambda: None), None
        release.set()
        assert close(score(scorer, images), images)


def test_the_first_failure_abandons_the_rest(images):
    release = threading.Event()

    def hold(request, handler):
        if seen(server) >= 4:
            return 400, {}, "enough"
        release.wait(10)

    with serve(hook=after_probe(hold)) as server:
        scorer, started = connected(server, concurrency=4), time.monotonic()
        assert "enough" in error_of(scorer, images)
        assert gone(workers()) and seen(server) == 4 and time.monotonic() - started < 5.0
        release.set()


def test_the_check_can_be_cancelled_too():
    release = threading.Event()

    def poll():
        if seen(server):
            raise Interrupt

    with serve(hook=lambda *_: release.wait(10)) as server:
        scorer, started = load(server), time.monotonic()
        scorer.poll = poll
        with pytest.raises(Interrupt):
            scorer.check(PROMPT)
        assert gone(workers()) and time.monotonic() - started < 5.0
        release.set()
