"""What the probe at connect finds out and says."""

import socket

import numpy as np
import pytest

from .asking import (
    PROMPT,
    QUESTION,
    close,
    connected,
    load,
    score,
)
from .vlm_server import MODEL, likeliest, serve


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
        ("older_ollama", "Ollama reports them from version 0.12.11 on: update it"),
        ("old_lm_studio", "LM Studio reports them from version 0.3.39 on, at /v1/responses"),
        ("bare", "Use vLLM, llama.cpp, Ollama 0.12.11 or newer, or LM Studio 0.3.39 or newer"),
    ],
)
def test_the_probe_says_what_a_server_lacks(kind, advice):
    with serve(kind) as server:
        message = probe_error(server)
    assert (
        message.startswith(f"{server.url} answers without log-probabilities") and advice in message
    )


def test_the_probe_says_which_models_there_are():
    refuse = lambda r, _: (404, {}, {"error": "no model x"}) if r["body"] else None  # noqa: E731
    with serve(hook=refuse) as server:
        message = probe_error(server, model="x")
    assert f"{server.url} lists other models: got 'x', expected {MODEL}, another-model" in message


@pytest.mark.parametrize("found", [{"data": []}, {"data": 3}, {"data": [{"name": 1}]}, [], '"on"'])
def test_the_probe_says_that_there_is_no_model(found):
    with serve(hook=lambda *_: (200, {}, found)) as server:
        assert "/models lists no models: expected an OpenAI-compatible" in probe_error(server)


def test_the_probe_says_that_pictures_are_refused():
    said = "image input is not supported - hint: you may need to provide the mmproj"
    hook = lambda r, _: r["body"] and (500, {}, {"error": {"message": said}})  # noqa: E731
    with serve("llama_cpp", hook=lambda *a: hook(*a) or None) as server:
        message = probe_error(server)
    assert f"500: {said}. {MODEL} was asked about an image" in message


def test_the_probe_says_that_pictures_are_dropped():
    with serve(see=lambda picture: likeliest(np.zeros((1, 1, 3)))) as server:
        assert "answers the same for each image" in probe_error(server)


def test_the_probe_says_that_the_model_thinks():
    def think(picture):
        return [("<think>", 0.9 + picture[0, 0, 0] / 1e4), ("Hm", 0.01)]

    with serve(see=think) as server:
        message = probe_error(server)
    assert "got '<think>' as its first token" in message and "its 2 likeliest" in message


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
