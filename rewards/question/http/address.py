"""Addresses of servers: which we may contact, and which may get a key.

A workflow names the url, and workflows are shared: a stranger may have written it. We always may
contact this computer, but any other host only if the user allowed it outside the workflow.
"""

import ipaddress
import logging
import os
import re
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger("flow_search")

HOSTS = "FLOW_SEARCH_HTTP_HOSTS"  # the environment variable with the hosts that the user allows
SETTING = "Flow Search > Servers"  # the place of these hosts in ComfyUI's settings
# Names of variables with a key. A workflow cannot send any other secret to a server.
KEYS = r"FLOW_SEARCH_[A-Z0-9_]{1,52}"
PORTS = {"http": 80, "https": 443}
LABEL = r"[a-z0-9_-]{1,63}"  # of a host's name
INSIDE = (".home.arpa", ".internal", ".lan", ".local")  # ends of names that no public server has
EXPECTED = 'expected an address such as "http://127.0.0.1:8000/v1"'


def parse_url(url: str) -> dict[str, Any]:
    """The scheme, host, port and path of a server; ValueError if the address cannot be used."""
    typed = url.strip().removesuffix("/").removesuffix("/chat/completions").removesuffix("/")
    if not typed:
        raise ValueError(f"The url is empty: {EXPECTED}.")
    if set(typed) & set("@?#"):
        raise ValueError(
            "The url holds more than an address (an @, ? or #), which would be saved in the "
            f"workflow: {EXPECTED}. Put a key into an environment variable (api_key_env)."
        )
    try:
        parts = urlsplit(typed)
        port = parts.port
    except ValueError:
        raise ValueError(f"The url is not an address: got {typed!r}, {EXPECTED}.") from None
    host = (parts.hostname or "").removesuffix(".")
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError(f"The url is not an address: got {typed!r}, {EXPECTED}.")
    if not re.fullmatch(r"[!-~]+", typed):
        raise ValueError(f"The url has blanks or letters outside ASCII: got {typed!r}, {EXPECTED}.")
    if not _is_host(host):
        raise ValueError(f"The url has no valid host: got {typed!r}, {EXPECTED}.")
    path = parts.path.rstrip("/") or "/v1"
    return {"scheme": parts.scheme, "host": host, "port": port, "path": path}


def check_allowed(scheme: str, host: str, port: int | None, setting: str) -> None:
    """Raise ValueError unless images may be sent to that server.

    Names are compared as text. Only localhost is this computer, whatever a name resolves to.

    Args:
        scheme: "http" or "https".
        host: a name or address, in lower case.
        port: None for the scheme's usual port.
        setting: hosts that ComfyUI's settings allow, in the format of `HOSTS`: names or addresses,
            with or without a port, separated by commas.
    """
    if is_loopback(host):
        return
    server = (_plain(host), port or PORTS[scheme])
    for listed in re.split(r"[\s,;]+", f"{setting},{os.environ.get(HOSTS, '')}"):
        if listed and _entry(listed) in (server, (server[0], None)):
            return
    shown = origin(scheme, host, port).partition("://")[2]
    raise ValueError(
        f"url not allowed: got {shown}, expected this computer or a host that you allowed. To send "
        f"images to {shown}, add it in ComfyUI's settings ({SETTING}) or to {HOSTS}."
    )


def _entry(listed: str) -> tuple[str, int | None] | None:
    """The host of an entry, and its port if it names one; None if the entry cannot be read."""
    listed = listed.lower()
    if ":" in listed and _address(listed):
        listed = f"[{listed}]"
    try:
        parts = urlsplit(listed if "://" in listed else f"//{listed}")
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        host, port = "", None
    if not _is_host(host) or port == 0 or "@" in listed:
        log.warning(
            "An allowed server in %s or ComfyUI's settings cannot be read: got %.60r, expected a "
            "host such as gpu-box:8000.",
            HOSTS,
            listed,
        )
        return None
    return _plain(host), port or PORTS.get(parts.scheme)


def read_key(name: str) -> str:
    """The key in the environment variable `name`, "" without a name. Errors quote neither."""
    if not name:
        return ""
    if not re.fullmatch(KEYS, name):
        raise ValueError(
            "api_key_env is not the name of an environment variable for a key: expected "
            "FLOW_SEARCH_ and then capital letters, digits or _. Start ComfyUI with the key in "
            "such a variable. Never put the key itself here: it would be saved in the workflow."
        )
    key = os.environ.get(name, "").strip()
    if not re.fullmatch(r"[!-~]+", key):
        problem = "has characters that no key has" if key else "is not set"
        raise ValueError(
            f"The environment variable named in api_key_env {problem}: expected the server's key. "
            "Start ComfyUI with the key in that variable."
        )
    return key


def key_for(name: str, scheme: str, host: str, port: int | None) -> str:
    """The key in an environment variable; ValueError if it may not go to that server.

    It may always go to this computer. It may go to another server if the variable `name`_URL holds
    the scheme, host and port of that server: a shared workflow decides the url, but not that
    variable. Without encryption it may only go to a private network.

    Args:
        name: of the variable, "" without a key.
        scheme: "http" or "https".
        host: a name or address, in lower case.
        port: None for the scheme's usual port.
    """
    key = read_key(name)
    if not key or is_loopback(host):
        return key
    target = origin(scheme, host, port)
    if scheme == "http" and not is_inside(host):
        raise ValueError(
            f"The key in {name} would travel unencrypted: got {target}, expected an address that "
            "begins with https://."
        )
    try:
        owner = parse_url(os.environ.get(f"{name}_URL", ""))
        allowed = origin(owner["scheme"], owner["host"], owner["port"])
    except ValueError:
        allowed = "this computer"
    if allowed != target:
        raise ValueError(
            f"The key in {name} may not go to this server: got {target}, expected {allowed}. "
            f"If you trust the server, set {name}_URL={target} to let the key go there, and "
            "restart ComfyUI."
        )
    return key


def origin(scheme: str, host: str, port: int | None) -> str:
    """The address of a server without a path, such as "https://host:8443".

    Args:
        scheme: "http" or "https".
        host: a name or address.
        port: left out if it is None or the scheme's usual port.
    """
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + ("" if port in (None, PORTS[scheme]) else f":{port}")


def is_loopback(host: str) -> bool:
    """Whether a host is localhost or an address of this computer. No name is looked up."""
    address = _address(host)
    return address.is_loopback if address else host == "localhost"


def is_inside(host: str) -> bool:
    """Whether a host is in a private network, by its address or its name."""
    address = _address(host)
    return not address.is_global if address else "." not in host or host.endswith(INSIDE)


def _is_host(text: str) -> bool:
    """Whether `text` is an address, or a name that can be looked up."""
    named = re.fullmatch(rf"{LABEL}(\.{LABEL})*", text) and len(text) <= 253
    return bool(named) or _address(text) is not None


def _plain(host: str) -> str:
    """The standard spelling of an address; names as they are."""
    return str(_address(host) or host)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    # A connection to ::ffff:127.0.0.1 goes to 127.0.0.1.
    return getattr(address, "ipv4_mapped", None) or address
