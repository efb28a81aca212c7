"""Field 35: nothing but this computer is contacted unless the user allowed it elsewhere."""

import ipaddress
import logging
import socket

import pytest
from pack.rewards import REWARDS, Files

from .asking import PROMPT, close, load, score
from .vlm_server import serve

HOSTS = "FLOW_SEARCH_HTTP_HOSTS"
REFUSED = r"url not allowed: got .*, expected this computer or a host that you allowed\."


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Nothing is allowed, and whoever looks up a name or dials another computer is caught."""
    monkeypatch.delenv(HOSTS, raising=False)
    dial, usual = socket.socket.connect, socket.getaddrinfo

    def connect(sock, address):
        assert ipaddress.ip_address(address[0]).is_loopback, address
        return dial(sock, address)

    def look_up(host, *rest):
        ipaddress.ip_address(host)  # or ValueError: a name
        return usual(host, *rest)

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def with_setting(url, hosts):
    return REWARDS["vqascore_http"](url=url).load(Files(hosts=lambda: hosts))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1:8000", "127.9.9.9", "localhost", "LocalHost:80", "localhost.",
        "[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]",
    ],
)  # fmt: skip
def test_this_computer_is_free(host):
    load(f"http://{host}/v1")


@pytest.mark.parametrize(
    "host",
    [
        "api.example.com", "192.168.1.5:8000", "10.0.0.1", "169.254.169.254", "8.8.8.8",
        "gpu-box", "judge.local", "metadata.google.internal", "[2001:db8::1]", "[fe80::1]",
        "[::ffff:192.168.1.5]", "[::ffff:8.8.8.8]", "[64:ff9b::7f00:1]", "[::]", "[::127.0.0.1]",
        "0.0.0.0:8000", "0", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1",
        "127.0.1", "127.0.0.1.nip.io", "127.0.0.1.evil.net", "localhost.evil.net", "evil.localhost",
        "localhost.localdomain", "xn--lcalhost-54a.example", "localhost-", "_localhost",
    ],
)  # fmt: skip
def test_any_other_host_is_refused_in_one_sentence_that_says_how(host):
    for scheme in ("http", "https"):
        with pytest.raises(ValueError, match=REFUSED) as found:
            load(f"{scheme}://{host}/v1")
        text = str(found.value)
        assert "ComfyUI's settings (Flow Search > Servers)" in text and HOSTS in text
        assert "\n" not in text and len(text) < 300


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1@evil.net", "http://127.0.0.1:8000@evil.net/", "http://evil.net#@127.0.0.1",
        "http://evil.net?@127.0.0.1", "http://127.0.0.1%2eevil.net", "http://127.0.0.1%00.evil.net",
        "http://evil.net\\127.0.0.1", "http://127.0.0.1\\.evil.net", "http://127.0.0.1\t.evil.net",
        "http://ⓛocalhost", "http://127。0。0。1", "http://loсalhost", "http://[::1", "http://.",
        "http://localhost..", "http://a..b", "http://-:80", "http://host:0", "http:///v1",
        "http://" + "a" * 64, "http://" + "a." * 200 + "b", "http:/\\evil.net", "//evil.net/v1",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused(url):
    with pytest.raises(ValueError, match="expected an address|expected this computer") as found:
        load(url)
    assert len(str(found.value)) < 800


ALLOWED = [
    ("http://api.example.com", "api.example.com"),
    ("https://API.example.com./v1", "Api.Example.com"),
    ("https://api.example.com:8443", "other, api.example.com"),
    ("https://api.example.com:8443", "api.example.com:8443"),
    ("https://api.example.com", "api.example.com:443"),
    ("http://api.example.com", "api.example.com.:80"),
    ("https://api.example.com", "https://api.example.com/v1"),
    ("http://192.168.1.5:8000", "10.0.0.1;192.168.1.5:8000"),
    ("http://[::ffff:192.168.1.5]", "192.168.1.5"),
    ("http://[2001:db8::1]:9", "2001:DB8:0::1"),
    ("http://[2001:db8::1]:9", "[2001:db8::1]"),
    ("http://[2001:db8::1]:9", "[2001:db8::1]:9"),
    ("http://2130706433", "2130706433"),
    ("http://gpu-box:8000", "\n gpu-box \n judge.local"),
]


@pytest.mark.parametrize(("url", "hosts"), ALLOWED)
def test_what_the_user_allows_may_be_contacted(url, hosts, monkeypatch):
    with_setting(url, hosts)
    monkeypatch.setenv(HOSTS, hosts)
    load(url)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://api.example.com", ""),
        ("http://api.example.com", " , ;"),
        ("http://api.example.com", "example.com"),
        ("http://example.com", "api.example.com"),
        ("http://api.example.com.evil.net", "api.example.com"),
        ("http://apixexample.com", "api.example.com"),
        ("http://api.example.com:81", "api.example.com:80"),
        ("https://api.example.com", "api.example.com:80"),
        ("http://api.example.com", "https://api.example.com"),
        ("http://api.example.com", "*"),
        ("http://api.example.com", "*.example.com"),
        ("http://api.example.com", "me@api.example.com"),
        ("http://api.example.com", "api.example.com:0"),
        ("http://api.example.com", "api.example.com:x"),
        ("http://192.168.1.5", "192.168.1.0/24"),
        ("http://3232235781", "192.168.1.5"),
        ("http://[2001:db8::2]", "2001:db8::1"),
    ],
)
def test_nothing_else_is_allowed_with_it(url, hosts):
    with pytest.raises(ValueError, match=REFUSED):
        with_setting(url, hosts)


def test_an_entry_that_cannot_be_read_is_logged(caplog):
    with caplog.at_level(logging.WARNING, "flow_search"):
        with_setting("http://api.example.com", "*,api.example.com")
    assert "got '*', expected a host such as gpu-box:8000." in caplog.text


def test_the_sentence_shows_what_to_add():
    for url, host in (
        ("http://gpu-box:8000/v1", "gpu-box:8000"),
        ("https://api.example.com:443", "api.example.com"),
        ("http://[2001:db8::1]:9", r"\[2001:db8::1\]:9"),
    ):
        with pytest.raises(ValueError, match=f"To send images to {host}, add it in ComfyUI's"):
            load(url)


def test_what_is_no_longer_allowed_is_not_contacted_by_the_next_run(images, monkeypatch):
    """The loader's output is kept between runs: each run looks at what is allowed anew."""
    monkeypatch.setattr("pack.rewards.question.http.address.is_loopback", lambda host: False)
    hosts = ["127.0.0.1"]
    with serve() as server:
        made = REWARDS["vqascore_http"](url=server.url)
        scorer = made.load(Files(hosts=lambda: hosts[0]))
        scorer.check(PROMPT)
        assert close(score(scorer, images[:1]), images[:1])
        hosts[0] = ""
        server.requests.clear()
        with pytest.raises(ValueError, match=REFUSED):
            scorer.check(PROMPT)
        with pytest.raises(ValueError, match=REFUSED):
            score(scorer, images[:1])
        assert not server.requests


def test_localhost_is_not_looked_up(images):
    """A name server, or a hosts file, cannot send it elsewhere."""
    with serve() as server:
        port = server.server_address[1]
        assert close(score(load(f"http://LocalHost.:{port}"), images[:1]), images[:1])


def test_a_key_that_may_go_there_does_not_allow_a_host(monkeypatch):
    monkeypatch.setenv("FLOW_SEARCH_API_KEY", "sk-123")
    monkeypatch.setenv("FLOW_SEARCH_API_KEY_URL", "https://api.example.com")
    with pytest.raises(ValueError, match=REFUSED):
        load("https://api.example.com", api_key_env="FLOW_SEARCH_API_KEY")
