"""What a server said, as a message or the log may quote it: short, printable, without the key."""

import base64
import functools
import html
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

LONGEST = 200  # characters of a quotation
READ = 1 << 16  # characters of an answer that are searched for its message
PIECE = 8  # no message shows as many characters of a key in a row
# Names of entries with a message; those of the second row count if there is no other.
NAMES = ("error", "errors", "message", "detail", "details", "msg", "error_description", "reason")
OTHERWISE = ("title", "code", "type", "status")


def message_in(text: str) -> str:
    """The message in the body of an error: JSON in any of the usual shapes, HTML or plain text."""
    text = text[:READ]
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return _page(text) if text.lstrip().startswith("<") else text
    return _message(content) or text


def _message(content: Any, depth: int = 0) -> str:
    """The messages in a JSON value, "" without one."""
    if isinstance(content, str):
        inner = content.strip()
        return message_in(inner) if inner.startswith("{") and depth < 8 else inner
    if isinstance(content, list):
        parts = [_message(entry, depth + 1) for entry in content[:3]] if depth < 8 else []
        return "; ".join(filter(None, parts))
    if not isinstance(content, dict) or depth >= 8:
        return ""
    named = {str(name).lower(): value for name, value in content.items()}
    parts = [_message(named.get(name), depth + 1) for name in NAMES]
    # A router says "Provider returned error", and puts what the provider said beside it.
    metadata = named.get("metadata")
    parts.append(_message(metadata.get("raw"), depth + 1) if isinstance(metadata, dict) else "")
    if isinstance(named.get("loc"), list):
        parts.insert(0, ".".join(map(str, named["loc"])))
    if not any(parts):
        parts = [_message(named.get(name), depth + 1) for name in OTHERWISE]
    return ": ".join(dict.fromkeys(filter(None, parts)))


def _page(text: str) -> str:
    """The title of an HTML page, or all its text if it has none."""
    lower = text.lower()
    start = lower.find("<title")
    start = lower.find(">", start) + 1 if start >= 0 else 0
    title = text[start : lower.find("</title", start)] if start else ""
    return html.unescape(title.strip() or re.sub(r"<[^<>]*>", " ", text))


def quoted(text: str, key: str = "") -> str:
    """What a server said, as one short line, with the key masked if the server repeats it."""
    text = masked(text[:READ], key)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def masked(text: str, key: str) -> str:
    """`text` with *** in place of the key, in any encoding, and of longer pieces of it."""
    matches = [re.finditer(re.escape(form), text, re.IGNORECASE) for form in _forms(key)]
    spans = sorted(match.span() for form in matches for match in form)
    kept, end = [], 0
    for start, stop in spans:
        if start > end or not kept:
            kept += [text[end:start], "***"]
        end = max(end, stop)
    return "".join([*kept, text[end:]])


@functools.lru_cache(8)
def _forms(key: str) -> tuple[str, ...]:
    """The ways to write a key, and the pieces of a long key; none for an empty key."""
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
    """The characters that `key` adds to the base64 of a text, for the three places in a group."""
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + key).decode().rstrip("=")
        whole = text[(offset * 8 + 5) // 6 : (offset + len(key)) * 8 // 6]
        yield from (whole, whole.replace("+", "-").replace("/", "_"))
