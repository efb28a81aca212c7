"""What is quoted of a server: its own words (Field 14), and never the key (Field 37)."""

import base64
import html
import json
import logging
import re
import time
import traceback
from urllib.parse import quote, quote_plus

import pytest
from pack.rewards.question.http.quoting import masked, message_in, quoted

from .asking import PROMPT, SECRET, after_probe, connected, load, mumble, score
from .raw_server import raw
from .vlm_server import MODEL, entries, openai, serve

REGION = "Country, region, or territory not supported"
RAW = json.dumps({"error": {"message": REGION}})
SHAPES = {
    "OpenAI": {"error": {"message": REGION, "type": "request_forbidden", "code": "unsupported"}},
    "text": REGION,
    "text in a line": {"error": REGION},
    "message": {"object": "error", "message": REGION, "code": 403},
    "Message": {"Message": REGION},
    "detail": {"title": "Forbidden", "detail": REGION},
    "FastAPI": {"detail": [{"loc": ["body", "logprobs"], "msg": REGION, "type": "missing"}]},
    "Google": [{"error": {"code": 403, "message": REGION, "status": "PERMISSION_DENIED"}}],
    "OpenRouter": {"error": {"message": "Provider returned error", "metadata": {"raw": RAW}}},
    "both": {"statusCode": 403, "error": "Forbidden", "message": REGION},
    "OAuth": {"error": "invalid_request", "error_description": REGION},
    "several": {"errors": [{"message": REGION}]},
    "in JSON": {"error": RAW},
    "a page": f"<!DOCTYPE html>\n<html><head><title>\n {REGION} </title><body>x{'y' * 9999}",
    "a page without a title": f"<html><h1>{REGION}</h1>",
    "XML": f"<?xml version='1.0'?><Error><Message>{REGION}</Message></Error>",
}


@pytest.mark.parametrize("status", [400, 401, 403, 429, 451])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_servers_words_are_quoted(shape, status):
    with serve(hook=lambda *_: (status, {}, SHAPES[shape])) as server:
        with pytest.raises(ValueError) as found:
            load(server, retries=0).check(PROMPT)
    message = str(found.value)
    assert re.match(rf"{server.url} answered {status}: .*{REGION}", message)
    assert "right one" not in message and "wants a key" not in message and len(message) < 500


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("error code: 1010", "error code: 1010"),
        ("", "Forbidden"),
        ("{}", "{}"),
        ({"error": {"message": "", "code": "model_access"}}, "model_access"),
        ("<title>Sorry &amp; blocked</title>", "Sorry & blocked"),
        ("\x1b[31mred\x07\u202e", "[31mred"),
    ],
)
def test_the_words_of_a_403(body, words):
    with serve(hook=lambda *_: (403, {}, body)) as server, pytest.raises(ValueError) as found:
        load(server).check(PROMPT)
    assert str(found.value) == f"{server.url} answered 403: {words} (no key was sent)"


def test_an_error_that_is_called_a_success_is_one():
    """LM Studio answers 200 where it has no such path."""
    said = {"error": "Unexpected endpoint or method"}
    with serve(hook=lambda r, _: (200, {}, said) if r["body"] else None) as server:
        with pytest.raises(ValueError, match="answered 200: Unexpected endpoint or method"):
            load(server).check(PROMPT)


def test_every_request_says_who_asks(images):
    with serve() as server:
        score(connected(server), images[:1])
        load(server).check(PROMPT)
    assert {r["headers"]["User-Agent"] for r in server.requests} == {"FlowSearch (ComfyUI)"}


@pytest.mark.parametrize(
    "piece", ["<", "<title", '{"error":', "[", "</title", "sk-5ecretKey", "&#"]
)
def test_words_are_found_in_no_time(piece):
    started = time.monotonic()
    assert len(quoted(message_in(piece * (4_000_000 // len(piece))), SECRET)) <= 201
    assert time.monotonic() - started < 2.0


FORMS = {
    "plain": str,
    "upper": str.upper,
    "lower": str.lower,
    "in a header": "Authorization: Bearer {}".format,
    "URL": lambda key: quote(key, safe=""),
    "URL, lower": lambda key: quote(key, safe="").lower(),
    "URL, path": quote,
    "URL, form": quote_plus,
    "HTML": html.escape,
    "JSON": json.dumps,
    "JSON of PHP": lambda key: json.dumps(key).replace("/", "\\/"),
    "escapes": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "Python": repr,
    "hex": lambda key: key.encode().hex(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 for a URL": lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
    "basic": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    "bearer": lambda key: base64.b64encode(f"Bearer {key}\n".encode()).decode(),
    "twice": lambda key: f"{key}{key}",
    "the first half": lambda key: key[: len(key) // 2],
    "the last half": lambda key: key[len(key) // 2 :],
}
KEYS = [SECRET, "ab\\cd\"ef'gh<ij>&klmnop", "x" * 40, "0123456789abcdef" * 30]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_blotted_out_in_any_form(form, key):
    written = FORMS[form](key)
    text = masked(f"bad key: {written}, sorry", key)
    assert text.startswith("bad key: ") and text.endswith(", sorry") and "***" in text
    left = text.removeprefix("bad key: ").removesuffix(", sorry").removeprefix("Authorization: ")
    assert len(left) < 20 and key[:8].lower() not in left.lower()


@pytest.mark.parametrize("key", ["", "a", "none", "EMPTY", "sk-12"])
def test_short_keys_and_none(key):
    assert masked("no such thing", key) == "no such thing".replace(key or "\0", "***")
    assert masked(f"<{key}>", key) == ("<***>" if key else "<>")


def test_a_servers_own_mask_stays():
    assert masked("Incorrect: sk-5e*****e==.", SECRET) == "Incorrect: sk-5e*****e==."


def questions(answer):
    return lambda request, handler: answer if request["body"] else None


def token(text):
    return (200, {}, openai(entries([(text, 0.9)])))


ECHOES = {
    "401": lambda said: (401, {}, {"error": {"message": f"no such key: {said}"}}),
    "403": lambda said: (403, {}, f"Authorization: Bearer {said}"),
    "404": lambda said: (404, {"X-Key": said}, f"<title>{said}</title>"),
    "429": lambda said: (429, {"Retry-After": "999999"}, said),
    "500": lambda said: (500, {}, {"detail": [{"loc": [said], "msg": said}]}),
    "503": lambda said: (503, {}, f"loading for {said}"),
    "redirect": lambda said: (307, {"Location": f"https://{said}.example/?k={said}"}, said),
    "bad redirect": lambda said: (307, {"Location": f"https://[{said}/"}, said),
    "no JSON": lambda said: (200, {}, f"<html>{said}"),
    "an error of 200": lambda said: (200, {}, {"error": said}),
    "no likelihoods": lambda said: (200, {}, openai([{"token": said}])),
    "likelihood": lambda said: (200, {}, openai([{"token": "Yes", "logprob": said}])),
    "token": token,
    "length": lambda said: (200, {"Content-Length": "99999"}, said),
}


def everything(error):
    """All that a log would show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error)


@pytest.mark.parametrize("form", ["plain", "URL", "JSON of PHP", "base64"])
@pytest.mark.parametrize("echo", ECHOES)
def test_no_message_and_no_log_line_shows_the_key(echo, form, key, caplog):
    said = FORMS[form](SECRET)
    with serve(hook=questions(ECHOES[echo](said))) as server, caplog.at_level(logging.DEBUG):
        with pytest.raises(ValueError) as found:
            load(server, api_key_env=key, retries=1, time_out=0.4).check(PROMPT)
    shown = everything(found.value) + "\n".join(caplog.messages)
    assert SECRET[:8] not in shown and said not in shown


def test_no_message_of_the_models_shows_the_key(key, caplog):
    with serve(hook=questions((400, {}, "no"))) as server, caplog.at_level(logging.DEBUG):
        server.models = [SECRET, f"by {SECRET}"]
        for model in ("", "x"):
            with pytest.raises(ValueError) as found:
                load(server, api_key_env=key, model=model).check(PROMPT)
            assert SECRET not in everything(found.value) + "\n".join(caplog.messages)
    assert "***" in str(found.value)


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 401 {}\r\n\r\n",
        "HTTP/1.1 {} OK\r\n\r\n",
        "{}\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\n{}",
    ],
)
def test_no_message_about_the_protocol_shows_the_key(answer, key):
    data = answer.format(SECRET).encode()
    with raw(lambda send, pause: send(data)) as server, pytest.raises(ValueError) as found:
        load(f"http://127.0.0.1:{server.port}", api_key_env=key, retries=0).check(PROMPT)
    assert SECRET not in everything(found.value)


def test_the_log_line_of_a_missing_answer_does_not_show_the_key(key, images, caplog):
    with serve(see=mumble) as server, caplog.at_level(logging.DEBUG):
        scorer = connected(server, api_key_env=key)
        server.hook = lambda *_: token(SECRET)
        assert score(scorer, images[:1]).isnan().all()
        failing = connected(server_without_hook(server), api_key_env=key, on_missing="fail")
        server.hook = lambda *_: token(SECRET)
        with pytest.raises(ValueError) as found:
            score(failing, images[:1])
    shown = everything(found.value) + "\n".join(caplog.messages)
    assert "got '***' as the likeliest first token" in shown and SECRET not in shown


def server_without_hook(server):
    server.hook = None
    return server


def test_a_blotted_message_still_says_what_was_wrong(key):
    hook = after_probe(lambda *_: None)
    with serve(hook=hook) as server:
        server.hook = questions((401, {}, {"error": {"message": f"key {SECRET} expired"}}))
        with pytest.raises(ValueError) as found:
            load(server, api_key_env=key).check(PROMPT)
    wanted = f"{server.url} answered 401: key *** expired (the key in {key} was sent)"
    assert str(found.value) == wanted and MODEL not in wanted
