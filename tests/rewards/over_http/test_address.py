"""Only the typed address is contacted, and the key goes nowhere else."""

import dataclasses
import json
import logging
import re
import ssl
import sys
from types import SimpleNamespace

import pytest
import torch
from pack.rewards import REWARDS
from pack.rewards.question.http.calls import trusted

from .asking import (
    PROMPT,
    SECRET,
    after_probe,
    close,
    connected,
    error_of,
    load,
    mumble,
    score,
)
from .vlm_server import serve


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


@pytest.mark.parametrize(
    ("platform", "file", "folder", "installed", "loaded"),
    [
        ("darwin", None, None, True, True),
        ("darwin", None, None, False, False),
        ("darwin", "cert.pem", None, True, False),
        ("linux", None, "certs", True, False),
        ("win32", None, None, True, False),
    ],
)
def test_certifi_where_python_knows_no_certificates(
    platform, file, folder, installed, loaded, monkeypatch
):
    paths = SimpleNamespace(cafile=file, capath=folder)
    empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    monkeypatch.setattr(ssl, "create_default_context", lambda: empty)
    monkeypatch.setattr(sys, "platform", platform)
    if not installed:
        monkeypatch.setitem(sys.modules, "certifi", None)
    assert trusted() is empty
    assert (empty.cert_store_stats()["x509_ca"] > 50) == loaded


def test_without_a_key_no_header_is_sent(images):
    with serve() as server:
        score(connected(server), images[:1])
    assert "Authorization" not in server.requests[0]["headers"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key(status, key):
    """Field 14: the server's words, and whether a key was sent; no guess at what is wrong."""
    said = {"error": {"message": f"Incorrect API key provided: {SECRET[:9]}***"}}
    with serve(hook=lambda *_: (status, {}, said)) as server:
        wanted = rf"{status}: Incorrect API key provided: .*\(the key in {key} was sent\)"
        with pytest.raises(ValueError, match=wanted) as found:
            load(server, api_key_env=key).check(PROMPT)
        wanted = rf"{status}: Incorrect API key provided: .*\(no key was sent\)"
        with pytest.raises(ValueError, match=wanted):
            load(server).check(PROMPT)
    assert SECRET[:6] not in str(found.value)


@pytest.mark.parametrize(
    "typed",
    [SECRET, "hf_abcdefGHIJKL0123456789", "AIzaSyA1234567890abcdef", "A" * 65, "MY KEY"]
    + ["AKIA2PASTEDKEY", "HF_TOKEN", "OPENAI_API_KEY", "FLOW_SEARCH_", "MY_FLOW_SEARCH_KEY"],
)
def test_what_is_no_name_of_ours_is_refused_and_not_repeated(typed, monkeypatch):
    """A key, or a variable of another program, which a workflow could have sent anywhere."""
    if "=" not in typed:
        monkeypatch.setenv(typed, SECRET)
    with pytest.raises(ValueError, match="is not the name of an environment variable") as found:
        load("http://127.0.0.1:1", api_key_env=typed)
    assert typed == "FLOW_SEARCH_" or typed not in str(found.value)


@pytest.mark.parametrize("value", [None, "", "two words", "line\nbreak", "clé"])
def test_a_variable_that_holds_no_key(value, monkeypatch):
    monkeypatch.delenv("FLOW_SEARCH_PASTEDKEY", raising=False)
    if value is not None:
        monkeypatch.setenv("FLOW_SEARCH_PASTEDKEY", value)
    with pytest.raises(
        ValueError, match="variable named in api_key_env (is not set|has char)"
    ) as e:
        load("http://127.0.0.1:1", api_key_env="FLOW_SEARCH_PASTEDKEY")
    assert "PASTED" not in str(e.value) and (not value or value not in str(e.value))


ELSEWHERE = "https://api.example.com"


@pytest.fixture
def allowed(monkeypatch):
    """Every host of these tests, as a user would allow it."""
    hosts = "api.example.com api.example.com.evil.net 127.0.0.1.evil.net 192.168.1.5 gpu-box "
    hosts += "judge.local [2001:db8::1] 8.8.8.8 host.example"
    monkeypatch.setenv("FLOW_SEARCH_HTTP_HOSTS", hosts)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:8000", None),
        ("http://127.8.8.8/v1", "https://else.where"),
        ("http://LOCALHOST:8000", None),
        ("https://[::1]", ""),
        (ELSEWHERE + "/v1", ELSEWHERE),
        (ELSEWHERE, "https://API.example.com:443/v1/ "),
        (ELSEWHERE + ":8443", ELSEWHERE + ":8443"),
        ("http://192.168.1.5:8000", "http://192.168.1.5:8000"),
        ("http://gpu-box", "http://gpu-box:80"),
        ("http://judge.local:8000", "http://judge.local:8000"),
        ("https://[2001:db8::1]/v1", "https://[2001:db8::1]"),
    ],
)
def test_a_key_goes_where_its_owner_said(url, told, key, allowed, monkeypatch):
    if told is not None:
        monkeypatch.setenv(f"{key}_URL", told)
    assert load(url, api_key_env=key).asker.server.key() == SECRET


@pytest.mark.parametrize(
    ("url", "told", "shown"),
    [
        (ELSEWHERE + "/v1", None, ELSEWHERE),
        (ELSEWHERE, "", ELSEWHERE),
        (ELSEWHERE, "true", ELSEWHERE),
        (ELSEWHERE, "https://me:hush@api.example.com", ELSEWHERE),
        (ELSEWHERE, "http://api.example.com", ELSEWHERE),
        (ELSEWHERE, "https://example.com", ELSEWHERE),
        (ELSEWHERE + ":8443", ELSEWHERE, ELSEWHERE + ":8443"),
        ("https://api.example.com.evil.net", ELSEWHERE, "https://api.example.com.evil.net"),
        ("https://127.0.0.1.evil.net", None, "https://127.0.0.1.evil.net"),
        ("http://192.168.1.5:8000", None, "http://192.168.1.5:8000"),
        ("http://192.168.1.5:8000", "https://192.168.1.5:8000", "http://192.168.1.5:8000"),
        ("https://[2001:db8::1]:9", None, "https://[2001:db8::1]:9"),
    ],
)
def test_a_key_goes_nowhere_else(url, told, shown, key, allowed, monkeypatch):
    if told is not None:
        monkeypatch.setenv(f"{key}_URL", told)
    wanted = re.escape(f"set {key}_URL={shown} to let the key go there")
    with pytest.raises(ValueError, match=wanted) as found:
        load(url, api_key_env=key)
    assert "hush" not in str(found.value) and SECRET not in str(found.value)


@pytest.mark.parametrize("url", ["http://api.example.com", "http://8.8.8.8:8000"])
def test_a_key_is_not_sent_unencrypted_to_the_world(url, key, allowed, monkeypatch):
    monkeypatch.setenv(f"{key}_URL", url)
    with pytest.raises(
        ValueError, match="unencrypted: got http://.*, expected an address .* https://"
    ):
        load(url, api_key_env=key)


def test_no_key_is_sent_once_its_owner_forbids(key, images, monkeypatch):
    monkeypatch.setattr("pack.rewards.question.http.address.is_loopback", lambda host: False)
    monkeypatch.setenv("FLOW_SEARCH_HTTP_HOSTS", "127.0.0.1")
    with serve() as server:
        monkeypatch.setenv(f"{key}_URL", server.root)
        scorer = connected(server, api_key_env=key)
        monkeypatch.setenv(f"{key}_URL", ELSEWHERE)
        assert f"{key}_URL={server.root}" in error_of(scorer, images) and not server.requests


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


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"url": ""}, 'The url is empty: expected an address such as "http'),
        ({"url": "127.0.0.1:8000"}, "got '127.0.0.1:8000', expected an address"),
        ({"url": "file:///etc/passwd"}, "expected an address"),
        ({"url": "ftp://host/v1"}, "expected an address"),
        ({"url": "http://"}, "expected an address"),
        ({"url": "http://host:99999/v1"}, "expected an address"),
        ({"url": "http://host/v 1"}, "has blanks"),
        ({"url": "http://höst/v1"}, "outside ASCII"),
        ({"url": "http://host/v1\r\nX: 1"}, "expected an address|has blanks"),
        ({"url": "http://me:hush@host/v1"}, "more than an address"),
        ({"url": "me:hush@host/v1"}, "more than an address"),
        ({"url": "http://host/v1?key=hush"}, "more than an address"),
        ({"question": "Is it good?"}, "place for the prompt: got .*, expected one {}"),
        ({"question": "{} or {}?"}, "place for the prompt: got .*, expected one {}"),
        ({"yes": " , "}, "yes is empty"),
        ({"no": ""}, "no is empty"),
        ({"no": "No, YES"}, "'yes' counts as yes and as no: expected one"),
        ({"extra": "{"}, "extra is not a JSON object: got .*, expected one such"),
        ({"extra": "[1]"}, "extra is not a JSON object: got .*, expected one such"),
        ({"extra": '{"seed": NaN}'}, "extra is not a JSON object: got .*, expected one such"),
        ({"extra": '{"seed": [1e999]}'}, "extra is not a JSON object: got .*, expected one such"),
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
def test_addresses_are_shown_as_typed(url, shown, allowed):
    assert str(load(url).asker.server) == shown


@pytest.mark.parametrize(
    ("shape", "prompts", "message"),
    [
        ((2, 8, 8, 4), [PROMPT] * 2, r"\(2, 8, 8, 4\).*expected"),
        ((2, 8, 8, 3), [PROMPT], "1 prompts for 2 images"),
    ],
)
def test_wrong_shapes(shape, prompts, message):
    with pytest.raises(ValueError, match=message):
        load("http://127.0.0.1:1").score(torch.zeros(shape), prompts)
