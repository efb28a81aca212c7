"""Addresses of servers: which of them may be contacted, and to which a key may go.

A workflow names the url, and workflows are shared: a stranger may have written it. This computer
may always be contacted, any other host only if the user allowed it outside the workflow.
"""

import ipaddress
import logging
import os
import re
from typing import Any
from urllib.parse import urlsplit

log = logging.getLogger("flow_search")

HOSTS = "FLOW_SEARCH_HTTP_HOSTS"  # the environment variable with the hosts that the user allows
SETTING = "Flow Search > Servers"  # where ComfyUI's settings have them
KEYS = r"FLOW_SEARCH_[A-Z0-9_]{1,52}"  # no workflow can ask for another secret
PORTS = {"http": 80, "https": 443}
LABEL = r"[a-z0-9_-]{1,63}"  # of a host's name
INSIDE = (".home.arpa", ".internal", ".lan", ".local")  # names that no public server has


def parse_url(url: str) -> dict[str, Any]:
    """Scheme, host, port and path of a server; ValueError if the address cannot be used."""
    typed = url.strip().removesuffix("/").removesuffix("/chat/completions").removesuffix("/")
    wanted = 'wanted an address such as "http://127.0.0.1:8000/v1"'
    if not typed:
        raise ValueError(f"no url given, {wanted}: that of your server")
    if set(typed) & set("@?#"):
        raise ValueError(
            "the url holds more than an address (an @, ? or #), which would be kept in the "
            f"workflow, {wanted}, and a key in an environment variable (api_key_env)"
        )
    try:
        parts = urlsplit(typed)
        port = parts.port
    except ValueError:
        raise ValueError(f"url {typed!r} given, {wanted}") from None
    host = (parts.hostname or "").removesuffix(".")
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError(f"url {typed!r} given, {wanted}")
    if not re.fullmatch(r"[!-~]+", typed):
        raise ValueError(f"url {typed!r} has blanks or letters outside ASCII, {wanted}")
    if not _is_host(host):
        raise ValueError(f"url {typed!r} has no host that can be contacted, {wanted}")
    path = parts.path.rstrip("/") or "/v1"
    return {"scheme": parts.scheme, "host": host, "port": port, "path": path}


def check_allowed(scheme: str, host: str, port: int | None, setting: str) -> None:
    """Raise ValueError unless images may be sent to that server.

    Names are compared as text: none but localhost is this computer, whatever it resolves to.

    Args:
        port: None for the scheme's own.
        setting: hosts that ComfyUI's settings allow, as in `HOSTS`: names or addresses, each with a
            port or without, separated by commas.
    """
    if is_loopback(host):
        return
    wanted = (_plain(host), port or PORTS[scheme])
    for listed in re.split(r"[\s,;]+", f"{setting},{os.environ.get(HOSTS, '')}"):
        if listed and _entry(listed) in (wanted, (wanted[0], None)):
            return
    shown = origin(scheme, host, port).partition("://")[2]
    raise ValueError(
        f"url not allowed: got {shown}, expected this computer or a host that you allowed. To send "
        f"images to {shown}, add it in ComfyUI's settings ({SETTING}) or to {HOSTS}."
    )


def _entry(listed: str) -> tuple[str, int | None] | None:
    """A host that the user allows, and the port if only one; None if it cannot be read."""
    listed = listed.lower()
    if ":" in listed and _address(listed):
        listed = f"[{listed}]"
    try:
        parts = urlsplit(listed if "://" in listed else f"//{listed}")
        host, port = (parts.hostname or "").removesuffix("."), parts.port
    except ValueError:
        host, port = "", None
    if not _is_host(host) or port == 0 or "@" in listed:
        wanted = "expected hosts such as gpu-box:8000"
        log.warning("%s or ComfyUI's setting: got %.60r, %s.", HOSTS, listed, wanted)
        return None
    return _plain(host), port or PORTS.get(parts.scheme)


def read_key(name: str) -> str:
    """The key in the environment variable ``name``, "" without a name; no error quotes either."""
    if not name:
        return ""
    if not re.fullmatch(KEYS, name):
        raise ValueError(
            "api_key_env is not the name of an environment variable that begins with FLOW_SEARCH_ "
            "(then capital letters, digits and _): a key itself would be kept in the workflow, and "
            "any other variable might be sent to a server that somebody else's workflow names, so "
            "start ComfyUI with the key in such a variable and give the variable's name"
        )
    key = os.environ.get(name, "").strip()
    if not re.fullmatch(r"[!-~]+", key):
        problem = "has characters that no key has" if key else "is not set"
        raise ValueError(
            f"the environment variable named in api_key_env {problem}: ComfyUI must be started "
            "with the key in it"
        )
    return key


def key_for(name: str, scheme: str, host: str, port: int | None) -> str:
    """The key in the environment variable ``name``, if it may go to that server; else ValueError.

    To this computer it always may, to another where ``name``_URL has its scheme, host and port:
    whoever shares a workflow decides its url. Unencrypted it stays in the private network.
    """
    key = read_key(name)
    if not key or is_loopback(host):
        return key
    wanted = origin(scheme, host, port)
    if scheme == "http" and not is_inside(host):
        raise ValueError(
            f"the key in {name} would go to {wanted} for all to read, wanted an address that "
            "begins with https://"
        )
    try:
        owner = parse_url(os.environ.get(f"{name}_URL", ""))
        allowed = origin(owner["scheme"], owner["host"], owner["port"])
    except ValueError:
        allowed = "this computer"
    if allowed != wanted:
        raise ValueError(
            f"the key in {name} is for {allowed} alone and {wanted} given: if you trust that "
            f"server, set {name}_URL={wanted} to let the key go there, and start ComfyUI anew"
        )
    return key


def origin(scheme: str, host: str, port: int | None) -> str:
    """What tells one server from another; the port is left out where it is the scheme's own."""
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + ("" if port in (None, PORTS[scheme]) else f":{port}")


def is_loopback(host: str) -> bool:
    """Whether a host is this computer, by its address or as localhost; no name is resolved."""
    address = _address(host)
    return address.is_loopback if address else host == "localhost"


def is_inside(host: str) -> bool:
    """Whether a host is of a private network, by its address or its name."""
    address = _address(host)
    return not address.is_global if address else "." not in host or host.endswith(INSIDE)


def _is_host(text: str) -> bool:
    """Whether ``text`` is an address, or a name that can be looked up."""
    named = re.fullmatch(rf"{LABEL}(\.{LABEL})*", text) and len(text) <= 253
    return bool(named) or _address(text) is not None


def _plain(host: str) -> str:
    """One spelling of an address for all; names as they are."""
    return str(_address(host) or host)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    # ::ffff:127.0.0.1 is 127.0.0.1 to whoever connects.
    return getattr(address, "ipv4_mapped", None) or address
