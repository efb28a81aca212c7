"""VQAScore over HTTP, against servers on local ports that answer as those people run do."""

import dataclasses
import email.utils
import json
import logging
import math
import re
import socket
import threading
import time

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS, Scorer
from pack.rewards import http_calls as calls
from pack.rewards.http_dialects import CHAT, probability
from PIL import Image

from .vlm_server import MODEL, entries, expected, likeliest, openai, serve

PROMPT = "a red cat"
QUESTION = 'Does this figure show "a red cat"? Please answer Yes or No.'
SECRET = "sk-5ecretKey/of+mine=="
YES, NO = frozenset({"yes"}), frozenset({"no"})


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(calls, "BACK_OFF", 0.01)


@pytest.fixture(scope="module")
def images():
    """Eight pictures whose scores are in no order."""
    rng = np.random.default_rng(3)
    colours = rng.uniform(0.0, 1.0, (8, 1, 1, 3))
    noise = rng.uniform(-0.1, 0.1, (8, 12, 16, 3))
    return torch.tensor(np.rint((colours + noise).clip(0, 1) * 255) / 255).float()


def load(server, **settings):
    url = server if isinstance(server, str) else server.url
    return REWARDS["vqascore_http"](url=url, **settings).load()


def connected(server, **settings):
    scorer = load(server, **settings)
    scorer.check(PROMPT)
    server.requests.clear()
    return scorer


def score(scorer, images, prompts=None):
    return scorer.score(images, prompts or [PROMPT] * len(images))


def close(scores, images):
    return scores.tolist() == pytest.approx([expected(i) for i in images], abs=1e-6)


def after_probe(behave):
    """A hook that leaves alone the probe's GET and its two questions."""
    count = iter(range(10**9))
    return lambda request, handler: behave(request, handler) if next(count) > 2 else None


def error_of(scorer, images):
    with pytest.raises(ValueError) as found:
        score(scorer, images)
    return str(found.value)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("vllm", "/v1/chat/completions"),
        ("llama_cpp", "/v1/chat/completions"),
        ("ollama", "/v1/chat/completions"),
        ("old_ollama", "/api/chat"),
        ("lm_studio", "/v1/responses"),
    ],
)
def test_every_server_gives_the_score_of_its_likelihoods(kind, path, images):
    with serve(kind) as server:
        scorer = connected(server)
        assert isinstance(scorer, Scorer) and scorer.module is None
        scores = score(scorer, images)
    assert scores.dtype == torch.float32 and scores.shape == (8,)
    assert close(scores, images) and scores.std() > 0.05
    assert {r["path"] for r in server.requests} == {path} and len(server.requests) == 8
    for asked in server.requests:
        assert asked["body"]["model"] == MODEL and asked["text"] == QUESTION
        assert asked["body"]["top_logprobs"] == 20
        assert any((asked["picture"] == np.rint(i.numpy() * 255)).all() for i in images)


def test_the_request_is_openais(images):
    with serve() as server:
        score(connected(server), images[:1])
        body = dict(server.asked[0]["body"])
    messages = body.pop("messages")
    assert body == {
        "model": MODEL, "max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": 20,
    }  # fmt: skip
    assert [part["type"] for part in messages[0]["content"]] == ["image_url", "text"]
    assert messages[0]["role"] == "user"


def test_scores_are_keyed_by_picture_when_answers_come_out_of_order(images):
    means, ended = [float(i.mean()) * 255 for i in images], [threading.Event() for _ in images]

    def late(request, handler):
        mean = request["picture"].mean()
        rank = min(range(8), key=lambda i: abs(means[i] - mean))
        assert rank == 7 or ended[rank + 1].wait(10)
        order.append(rank)
        threading.Timer(0.01, ended[rank].set).start()

    order = []
    with serve(hook=after_probe(late)) as server:
        scores = score(connected(server, concurrency=8), images)
    assert order == list(range(7, -1, -1)) and close(scores, images)


def test_no_more_requests_at_a_time_than_asked(images):
    barrier = threading.Barrier(3)

    def meet(request, handler):
        barrier.wait(10)
        time.sleep(0.05)

    with serve(hook=after_probe(meet)) as server:
        scores = score(connected(server, concurrency=3), images[:6])
    assert server.most == 3 and close(scores, images[:6])


def test_a_batch_is_its_pictures_one_by_one(images):
    with serve() as server:
        scorer = connected(server)
        alone = torch.cat([score(scorer, i[None]) for i in images])
        assert torch.equal(score(scorer, images), alone)
        assert torch.equal(score(scorer, images.flip(0)), alone.flip(0))
        server.requests.clear()
        assert score(scorer, images[:0], []).shape == (0,) and not server.requests


def test_nan_stays_with_its_picture_and_is_not_sent(images):
    spoilt = images.clone()
    spoilt[2, 0, 0, 1], spoilt[5, 3, 3, 0] = math.nan, math.inf
    with serve() as server:
        scores = score(connected(server), spoilt)
        assert scores.isnan().nonzero()[:, 0].tolist() == [2, 5] and len(server.asked) == 6
        kept = [0, 1, 3, 4, 6, 7]
        assert close(scores[kept], images[kept])


def test_each_picture_is_asked_its_own_prompt(images):
    prompts = [f'{{{i}}} "pots" of café{{}}' for i in range(8)]
    with serve() as server:
        scorer = connected(server, question="{} {0}? %s", concurrency=1)
        score(scorer, images, prompts)
        assert [r["text"] for r in server.asked] == [f"{p} {{0}}? %s" for p in prompts]


@pytest.mark.parametrize(
    ("side", "size"), [(0, (40, 60)), (60, (40, 60)), (30, (20, 30)), (100, (40, 60))]
)
def test_pictures_are_sent_as_8_bit_png_no_larger_than_asked(side, size):
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    off = levels + rng.uniform(-0.4, 0.4, levels.shape)  # rounded, neither up nor down
    off[levels == 0], off[levels == 255] = -99.0, 299.0  # cut, not wrapped around
    off = torch.tensor(off).float() / 255
    with serve() as server:
        score(connected(server, max_side=side), off[None])
        sent = server.asked[0]["picture"]
    assert sent.shape == (*size, 3)
    if size == (40, 60):
        assert (sent == levels).all()
    else:
        resized = Image.fromarray(levels).resize((30, 20), Image.Resampling.LANCZOS)
        assert (sent == np.asarray(resized)).all()


def test_probability_sums_spellings():
    top = [("No", 0.3), (" YES\n", 0.2), ("▁yes", 0.1), ("Ġno", 0.1), ("Yes.", 0.1), ("not", 0.1)]
    found = [(token, math.log(p)) for token, p in top]
    assert probability(found, YES, NO) == pytest.approx(0.3 / 0.7)
    assert probability(found, NO, YES) == pytest.approx(0.4 / 0.7)
    assert probability(found[:1], YES, NO) == 0.0 and probability(found[1:2], YES, NO) == 1.0
    assert math.isnan(probability(found[4:], YES, NO))
    assert math.isnan(probability([("yes", -math.inf), ("no", -9999.0)], YES, NO))


def test_other_answers(images):
    def see(picture):
        return [
            ("Ja", 0.5),
            ("oui", 0.1),
            ("Nein", 0.2),
            ("yes", picture[..., 0].mean() / 1e4 + 1e-9),
        ]

    with serve(see=see) as server:
        scores = score(connected(server, yes="ja, Oui", no="NEIN,"), images)
    assert scores.tolist() == pytest.approx([0.75] * 8)


def mumble(picture):
    """Yes or no to pictures that are red or blue all over, "<think>" to others."""
    return likeliest(picture) if picture.std((0, 1)).max() == 0.0 else [("<think>", 0.9)]


def test_an_answer_without_yes_or_no_is_nan_and_told_once_a_run(images, caplog):
    with serve(see=mumble) as server, caplog.at_level(logging.WARNING, "flow_search"):
        scorer = load(server, on_missing="nan")
        for _ in range(2):
            scorer.check(PROMPT)
            score(scorer, images)
            assert score(scorer, images).isnan().all()
    assert len(caplog.messages) == 2 and "'<think>' leads" in caplog.messages[0]


def test_an_answer_without_yes_or_no_may_end_the_run(images):
    with serve(see=mumble) as server:
        message = error_of(connected(server, on_missing="fail"), images)
    assert "neither yes nor no" in message and "'<think>'" in message


def seen(server):
    return len(server.requests)


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


@pytest.fixture
def slept(monkeypatch):
    """The pauses before further tries, which are not waited for."""
    pauses = []
    monkeypatch.setattr(calls.Calls, "sleep", lambda self, seconds: pauses.append(seconds))
    return pauses


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
        (lambda *_: (200, {}, "<html>\n<b>hello"), "answered '<html> <b>hello', wanted JSON"),
        (lambda *_: (200, {}, "x" * 5_000_000), "more than 4 MB"),
        (lambda *_: (200, {}, "[]"), "without log-probabilities"),
        (lambda *_: (200, {}, {"choices": []}), "without log-probabilities"),
        (lambda *_: (200, {}, openai(entries(likeliest(np.ones((1, 1, 3)))), False)), "without"),
        (told([{"token": "Yes"}]), "'Yes' of log-probability None"),
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


def test_minus_infinity_is_no_likelihood():
    top = [{"token": "Yes", "logprob": -0.1}, {"token": "No", "logprob": -math.inf}]
    assert probability(CHAT.top(openai(top)), YES, NO) == 1.0


def test_redirects_are_not_followed(images):
    with serve() as other:
        to = f"http://user:word@127.0.0.1:{other.server_address[1]}/v1/x?key=1"
        with serve(hook=after_probe(lambda *_: (307, {"Location": to}, ""))) as server:
            message = error_of(connected(server), images[:1])
        with serve(hook=lambda *_: (301, {"Location": to}, "")) as server:
            with pytest.raises(ValueError, match="redirects to .* which is not followed"):
                load(server).check(PROMPT)
        assert not other.requests
    assert f"redirects to {other.root} (307)" in message and "word" not in message


def test_no_proxy_is_used(images, monkeypatch):
    with serve() as proxy, serve() as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.root)
        monkeypatch.delenv("no_proxy", raising=False)
        assert close(score(connected(server), images[:1]), images[:1]) and not proxy.requests


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("FLOW_TEST_KEY", SECRET)
    return "FLOW_TEST_KEY"


def test_the_key_is_in_its_header_and_nowhere_else(key, images, caplog):
    def echo(request, handler):
        said = f"bad {request['headers']['Authorization']}"
        return next(behave, None) and (400, {"X": SECRET}, {"error": {"message": said}})

    behave = iter([True])
    with serve(hook=after_probe(echo), see=mumble) as server, caplog.at_level(logging.DEBUG):
        scorer = connected(server, api_key_env=key)
        message = error_of(scorer, images[:1])
        score(scorer, images)
    assert {r["headers"]["Authorization"] for r in server.requests} == {f"Bearer {SECRET}"}
    assert "400: bad Bearer ***" in message and caplog.messages
    shown = [repr(scorer), str(dataclasses.asdict(scorer.settings)), message, *caplog.messages]
    assert key in shown[0] and SECRET not in "\n".join(shown)
    assert SECRET not in json.dumps([r["body"] for r in server.requests])


def test_without_a_key_no_header_is_sent(images):
    with serve() as server:
        score(connected(server), images[:1])
    assert "Authorization" not in server.requests[0]["headers"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key(status, key):
    said = {"error": {"message": f"Incorrect API key provided: {SECRET[:9]}***"}}
    with serve(hook=lambda *_: (status, {}, said)) as server:
        with pytest.raises(ValueError, match="the key in FLOW_TEST_KEY is not") as found:
            load(server, api_key_env=key).check(PROMPT)
        with pytest.raises(ValueError, match=rf"\({status}\): wants a key"):
            load(server).check(PROMPT)
    assert SECRET[:6] not in str(found.value)


@pytest.mark.parametrize(
    "typed", [SECRET, "hf_abcdefGHIJKL0123456789", "AIzaSyA1234567890abcdef", "A" * 65, "MY KEY"]
)
def test_a_key_for_a_name_is_refused_and_not_repeated(typed):
    with pytest.raises(ValueError, match="is not the name of an environment variable") as found:
        load("http://127.0.0.1:1", api_key_env=typed)
    assert typed not in str(found.value)


@pytest.mark.parametrize("value", [None, "", "two words", "line\nbreak", "clé"])
def test_a_variable_that_holds_no_key(value, monkeypatch):
    monkeypatch.delenv("AKIA2PASTEDKEY", raising=False)
    if value is not None:
        monkeypatch.setenv("AKIA2PASTEDKEY", value)
    with pytest.raises(
        ValueError, match="variable named in api_key_env (is not set|has char)"
    ) as e:
        load("http://127.0.0.1:1", api_key_env="AKIA2PASTEDKEY")
    assert "PASTED" not in str(e.value) and (not value or value not in str(e.value))


def test_a_key_lost_on_the_way(key, images, monkeypatch):
    with serve() as server:
        scorer = connected(server, api_key_env=key)
        monkeypatch.setenv(key, "bro\nken")
        assert "bro" not in error_of(scorer, images[:1]) and not server.requests


def test_nothing_is_contacted_before_a_prompt_is_checked():
    with serve() as server:
        scorer = load(server)
        for prompt in ("", " \n"):
            with pytest.raises(ValueError, match="needs a prompt"):
                scorer.check(prompt)
        assert not server.requests


def test_each_run_connects_anew(images):
    with serve() as server:
        scorer = load(server)
        assert close(score(scorer, images[:1]), images[:1])  # without a check
        assert [r["path"] for r in server.requests].count("/v1/models") == 1
        server.models, server.kind = ["a-newer-model"], "lm_studio"
        scorer.check(PROMPT)
        server.requests.clear()
        assert close(score(scorer, images[:1]), images[:1])
        assert server.requests[0]["path"] == "/v1/responses"
        assert server.requests[0]["body"]["model"] == "a-newer-model"


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
def test_any_way_to_write_the_address(suffix, images):
    with serve() as server:
        scorer = load(f" {server.root}{suffix}\n")
        assert close(score(scorer, images[:1]), images[:1])
        assert {r["path"] for r in server.requests} == {"/v1/models", "/v1/chat/completions"}


def test_an_api_below_another_path():
    def move(request, handler):
        request["path"] = request["path"].replace("/big/api", "/v1")

    with serve(hook=move) as server:
        load(f"{server.root}/big/api").check(PROMPT)
        load(f"{server.root}/big/api/chat/completions").check(PROMPT)


@pytest.mark.parametrize(
    ("asked", "model"), [("", MODEL), (MODEL, MODEL), ("a-vision-model", MODEL), *[("b", "b")] * 2]
)
def test_the_model(asked, model):
    with serve() as server:
        server.models += ["b"]
        load(server, model=asked).check(PROMPT)
        assert {r["body"]["model"] for r in server.asked} == {model}


def test_a_server_that_lists_no_models_is_told_one():
    hook = lambda r, _: (404, {}, "no") if r["method"] == "GET" else None  # noqa: E731
    with serve(hook=hook) as server:
        load(server, model="mine").check(PROMPT)
        assert {r["body"]["model"] for r in server.asked} == {"mine"}
        with pytest.raises(ValueError, match="answered 404: no"):
            load(server).check(PROMPT)


def probe_error(server, **settings):
    with pytest.raises(ValueError) as found:
        load(server, retries=1, **settings).check(PROMPT)
    return str(found.value)


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("older_ollama", "Ollama tells them from version 0.12.11 on: update it"),
        ("old_lm_studio", "LM Studio tells them from version 0.3.39 on, at /v1/responses"),
        ("bare", "use vLLM, llama.cpp, Ollama 0.12.11 or newer, or LM Studio 0.3.39 or newer"),
    ],
)
def test_the_probe_says_what_a_server_lacks(kind, advice):
    with serve(kind) as server:
        message = probe_error(server)
    assert (
        message.startswith(f"{server.url} answers without log-probabilities") and advice in message
    )


def test_the_probe_says_which_models_there_are():
    with serve() as server:
        assert f"model 'x' given, {server.url} has: {MODEL}, another-model" in probe_error(
            server, model="x"
        )


@pytest.mark.parametrize("found", [{"data": []}, {"data": 3}, {"data": [{"name": 1}]}, [], '"on"'])
def test_the_probe_says_that_there_is_no_model(found):
    with serve(hook=lambda *_: (200, {}, found)) as server:
        assert "/models lists no models, wanted an OpenAI-compatible" in probe_error(server)


def test_the_probe_says_that_pictures_are_refused():
    said = "image input is not supported - hint: you may need to provide the mmproj"
    hook = lambda r, _: r["body"] and (500, {}, {"error": {"message": said}})  # noqa: E731
    with serve("llama_cpp", hook=lambda *a: hook(*a) or None) as server:
        message = probe_error(server)
    assert f"500: {said}: {MODEL} was asked about a picture" in message


def test_the_probe_says_that_pictures_are_dropped():
    with serve(see=lambda picture: likeliest(np.zeros((1, 1, 3)))) as server:
        assert "answers the same whatever picture" in probe_error(server)


def test_the_probe_says_that_the_model_thinks():
    def think(picture):
        return [("<think>", 0.9 + picture[0, 0, 0] / 1e4), ("Hm", 0.01)]

    with serve(see=think) as server:
        message = probe_error(server)
    assert "begins its answers with '<think>'" in message and "its 2 likeliest" in message


def test_one_yes_or_no_is_enough_for_the_probe():
    for channel in (0, 2):
        see = lambda p, c=channel: likeliest(p) if p[0, 0, c] else [("Well", 0.9)]  # noqa: E731
        with serve(see=see) as server:
            load(server).check(PROMPT)


def test_the_probe_says_that_nobody_answers():
    with serve() as server:
        pass
    assert f"{server.url} cannot be reached (" in probe_error(server)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "gave no answer within 0.2 s" in probe_error(url, time_out=0.2)


def test_the_probe_asks_about_the_prompt_itself():
    with serve() as server:
        load(server).check(PROMPT)
        assert [r["method"] for r in server.requests] == ["GET", "POST", "POST"]
        assert {r["text"] for r in server.asked} == {QUESTION}


def test_a_failed_check_leaves_no_link(images):
    with serve() as server:
        scorer = connected(server)
        server.kind = "bare"
        with pytest.raises(ValueError, match="without log-prob"):
            scorer.check(PROMPT)
        server.kind = "lm_studio"
        assert close(score(scorer, images), images)


def test_extra_fields_go_over_what_is_there(images):
    extra = '{"top_logprobs": 5, "chat_template_kwargs": {"enable_thinking": false}}'
    with serve() as server:
        load(server, extra=extra).check(PROMPT)
        for asked in server.asked:
            assert asked["body"]["top_logprobs"] == 5 and asked["body"]["logprobs"] is True
            assert asked["body"]["chat_template_kwargs"] == {"enable_thinking": False}


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": ""}, 'no url given, wanted an address such as "http'),
        ({"url": "127.0.0.1:8000"}, "url '127.0.0.1:8000' given, wanted"),
        ({"url": "file:///etc/passwd"}, "wanted an address"),
        ({"url": "ftp://host/v1"}, "wanted an address"),
        ({"url": "http://"}, "wanted an address"),
        ({"url": "http://host:99999/v1"}, "wanted an address"),
        ({"url": "http://host/v 1"}, "has blanks"),
        ({"url": "http://höst/v1"}, "outside ASCII"),
        ({"url": "http://host/v1\r\nX: 1"}, "wanted an address|has blanks"),
        ({"url": "http://me:hush@host/v1"}, "more than an address"),
        ({"url": "me:hush@host/v1"}, "more than an address"),
        ({"url": "http://host/v1?key=hush"}, "more than an address"),
        ({"question": "Is it good?"}, "one {} for the prompt wanted"),
        ({"question": "{} or {}?"}, "one {} for the prompt wanted"),
        ({"yes": " , "}, "yes is empty"),
        ({"no": ""}, "no is empty"),
        ({"no": "No, YES"}, "'yes' given as yes and as no"),
        ({"extra": "{"}, "wanted a JSON object"),
        ({"extra": "[1]"}, "wanted a JSON object"),
    ],
)
def test_settings_that_cannot_work(settings, message):
    with pytest.raises(ValueError, match=message.replace("{}", re.escape("{}"))) as found:
        REWARDS["vqascore_http"](**{"url": "http://127.0.0.1:1", **settings}).load()
    assert "hush" not in str(found.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://[::1]:8080", "http://[::1]:8080/v1"),
        ("https://Host.example/api/v1/", "https://host.example/api/v1"),
    ],
)
def test_addresses_are_shown_as_typed(url, shown):
    assert str(load(url).asker.server) == shown


@pytest.mark.parametrize(
    ("shape", "prompts", "message"),
    [
        ((2, 8, 8, 4), [PROMPT] * 2, r"\(2, 8, 8, 4\).*wanted"),
        ((2, 8, 8, 3), [PROMPT], "1 prompts for 2 images"),
    ],
)
def test_wrong_shapes(shape, prompts, message):
    with pytest.raises(ValueError, match=message):
        load("http://127.0.0.1:1").score(torch.zeros(shape), prompts)
