"""What a server said, as a message or a log line may quote it: short, printable, no key in it."""

import base64
import functools
import html
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

LONGEST = 200  # characters of a quotation
READ = 1 << 16  # characters of an answer that are looked at for its message
PIECE = 8  # characters of a key in a row that may not be shown
# What a message is kept under; the second row where there is nothing else.
NAMES = ("error", "errors", "message", "detail", "details", "msg", "error_description", "reason")
OTHERWISE = ("title", "code", "type", "status")


def message_in(text: str) -> str:
    """The message in the body of an error: JSON in any of the usual shapes, HTML or plain text."""
    text = text[:READ]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return _page(text) if text.lstrip().startswith("<") else text
    return _message(found) or text


def _message(found: Any, depth: int = 0) -> str:
    """The first message in what JSON held, "" without one."""
    if isinstance(found, str):
        inner = found.strip()
        return message_in(inner) if inner.startswith("{") and depth < 8 else inner
    if isinstance(found, list):
        told = [_message(entry, depth + 1) for entry in found[:3]] if depth < 8 else []
        return "; ".join(filter(None, told))
    if not isinstance(found, dict) or depth >= 8:
        return ""
    named = {str(name).lower(): value for name, value in found.items()}
    told = [_message(named.get(name), depth + 1) for name in NAMES]
    # A router says "Provider returned error", and what the provider said beside it.
    behind = named.get("metadata")
    told.append(_message(behind.get("raw"), depth + 1) if isinstance(behind, dict) else "")
    if isinstance(named.get("loc"), list):
        told.insert(0, ".".join(map(str, named["loc"])))
    if not any(told):
        told = [_message(named.get(name), depth + 1) for name in OTHERWISE]
    return ": ".join(dict.fromkeys(filter(None, told)))


def _page(text: str) -> str:
    """The title of an HTML page, or else all its text."""
    lower = text.lower()
    start = lower.find("<title")
    start = lower.find(">", start) + 1 if start >= 0 else 0
    title = text[start : lower.find("</title", start)] if start else ""
    return html.unescape(title.strip() or re.sub(r"<[^<>]*>", " ", text))


def quoted(text: str, key: str = "") -> str:
    """One short line of what a server said, without the key, should it repeat it."""
    text = blotted(text[:READ], key)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def blotted(text: str, key: str) -> str:
    """``text`` with *** for the key, however it is written there, and for longer pieces of it."""
    found = [re.finditer(re.escape(form), text, re.IGNORECASE) for form in _forms(key)]
    spans = sorted(match.span() for matches in found for match in matches)
    kept, end = [], 0
    for start, stop in spans:
        if start > end or not kept:
            kept += [text[end:start], "***"]
        end = max(end, stop)
    return "".join([*kept, text[end:]])


@functools.lru_cache(8)
def _forms(key: str) -> tuple[str, ...]:
    """Ways to write a key that is not empty, and pieces of one that is long."""
    if not key:
        return ()
    written = json.dumps(key)[1:-1]
    forms = {quote(key, safe=""), quote(key), quote_plus(key, safe="/+="), html.escape(key)}
    forms |= {written, written.replace("/", "\\/"), repr(key)[1:-1], key.encode().hex()}
    forms |= {"".join(f"\\u{ord(c):04x}" for c in key), *_in_base64(key.encode())}
    if len(key) >= 2 * PIECE:
        forms |= {key[i : i + PIECE] for i in range(len(key) - PIECE + 1)}
    return (key, *(form for form in forms if len(form) >= 6))


def _in_base64(key: bytes) -> Iterator[str]:
    """What base64 of any text with ``key`` in it holds, by where in a group of three it begins."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + key).decode().rstrip("=")
        whole = text[(before * 8 + 5) // 6 : (before + len(key)) * 8 // 6]
        yield from (whole, whole.replace("+", "-").replace("/", "_"))
