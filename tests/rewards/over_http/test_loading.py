"""Field 15: a server that loads its model is waited for as long as `time_out` says."""

import logging
import time

import pytest
from pack.rewards.question.http import calls as calls

from .asking import PROMPT, after_probe, close, connected, error_of, load, score, seen
from .vlm_server import serve

LOADING = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
COMING = {  # of servers, and of gateways in front of them
    "llama.cpp": (503, {}, LOADING),
    "Hugging Face": (503, {}, {"error": "Model x is currently loading", "estimated_time": 20.0}),
    "not ready": (503, {}, "The model is not ready yet"),
    "Retry-After": (503, {"Retry-After": "0.1"}, "busy"),
    "too many": (429, {"Retry-After": "0.1"}, "slow down"),
    "at once": (429, {"Retry-After": "0"}, "slow down"),
    "bad gateway": (502, {"Retry-After": "0.1"}, "<title>502 Bad Gateway</title>"),
    "gateway time-out": (504, {"Retry-After": "0.1"}, ""),
}
GATEWAY = {status: (status, {}, f"<title>{status} gateway</title>") for status in (502, 503, 504)}


def until(seconds, answer):
    """A hook that gives ``answer`` for so long."""
    end = time.monotonic() + seconds
    return lambda *_: answer if time.monotonic() < end else None


def first(count, answer):
    """A hook that gives ``answer`` to so many requests."""
    left = iter(range(count))
    return lambda *_: None if next(left, None) is None else answer


@pytest.mark.parametrize("case", COMING)
def test_a_server_that_is_coming_is_waited_for(case, images):
    """Beyond the two tries that a failure is given here, and without haste."""
    hook = until(0.8, COMING[case]) if case == "at once" else first(3, COMING[case])
    with serve(hook=hook) as server:
        scorer = load(server, retries=1)
        scorer.check(PROMPT)
        assert 3 < seen(server) < 120
        server.hook = first(3, COMING[case])  # another model took its place meanwhile
        assert close(score(scorer, images[:1]), images[:1])


@pytest.mark.parametrize("status", GATEWAY)
def test_the_first_look_waits_for_a_gateway_without_a_word(status, images):
    with serve(hook=first(3, GATEWAY[status])) as server:
        scorer = load(server, retries=1)
        scorer.check(PROMPT)
        server.requests.clear()
        server.hook = until(5.0, GATEWAY[status])  # on the way it has failed
        assert f"answered {status}: {status} gateway" in error_of(scorer, images[:1])
        assert seen(server) == 2


@pytest.mark.parametrize("case", ["llama.cpp", "Retry-After", "too many"])
def test_no_longer_than_the_time_out(case, images):
    with serve(hook=after_probe(until(8.0, COMING[case]))) as server:
        scorer, started = connected(server, retries=1, time_out=0.7), time.monotonic()
        message = error_of(scorer, images[:1])
        assert 0.7 <= time.monotonic() - started < 5.0
    assert f"answered {COMING[case][0]}: " in message
    assert "Gave up after 0.7 s: raise time_out to wait longer." in message


def test_a_list_of_models_is_not_waited_for_beside_the_model():
    loading = until(8.0, COMING["llama.cpp"])
    with serve(hook=loading) as server:
        started = time.monotonic()
        with pytest.raises(ValueError, match="Gave up after 2 s"):
            load(server, model="mine", time_out=2.0).check(PROMPT)
        assert 2.0 <= time.monotonic() - started < 3.8
        server.hook = lambda r, _: loading(r, _) if r["method"] == "GET" else None
        load(server, model="mine").check(PROMPT)


def test_the_waits_stay_short_while_a_model_loads(images, monkeypatch, slept):
    monkeypatch.setattr(calls, "BACK_OFF", 0.5)
    behave = iter([COMING["llama.cpp"]] * 12)
    with serve(hook=after_probe(lambda *_: next(behave, None))) as server:
        assert close(score(connected(server), images[:1]), images[:1])
    assert len(slept) == 12 and max(slept) <= 3.0


def test_a_wait_is_logged_once(caplog):
    with serve(hook=until(0.5, COMING["llama.cpp"])) as server:
        with caplog.at_level(logging.INFO, "flow_search"):
            load(server).check(PROMPT)
    waits = [text for text in caplog.messages if "waiting" in text]
    assert waits == [f"{server.url} answered 503: Loading model: waiting up to 120 s."]


def test_a_longer_time_out_allows_a_longer_wait(images, slept):
    behave = iter([(503, {"Retry-After": "300"}, "")])
    with serve(hook=after_probe(lambda *_: next(behave, None))) as server:
        scorer = connected(server, time_out=600.0)
        assert close(score(scorer, images[:1]), images[:1]) and slept == [300]
