"""Prompts cleaned as OpenAI's CLIP, open_clip and HPS v2 clean them before they make tokens.

    repair (the package ftfy), HTML entities twice, blanks to one, lower case

The repair is our own, after what ftfy documents of its defaults: entities, mojibake, ligatures,
characters of full and half width, typographic quotes, line breaks, surrogates, terminal escapes,
control characters, then NFC, until nothing changes. Mojibake is UTF-8 that was read as Windows-1252
or Latin-1 ("â€™" for "’"), once or more often. Not repaired is what was read as another code page.
"""

import html
import re
import unicodedata
from html.entities import html5

ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,24};")
ESCAPE = re.compile(r"\x1b\[[\d;]*[a-zA-Z]", re.ASCII)
LINE_BREAK = re.compile("\r\n|[\r\x85\u2028\u2029]")
PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
HALF = re.compile("[\ud800-\udfff]")
MARKS = 30  # on one letter: Unicode's Stream-Safe Text Format allows as many


def _compatible(*ranges: range) -> dict[int, str]:
    """The plain form of characters that Unicode keeps for the sake of older encodings."""
    return {code: unicodedata.normalize("NFKC", chr(code)) for each in ranges for code in each}


LIGATURES = _compatible(range(0x132, 0x134), range(0x1C4, 0x1CD), range(0x1F1, 0x1F4))
LIGATURES |= _compatible(range(0x149, 0x14A), range(0xFB00, 0xFB07)) | {0xFB05: "\u017ft"}
WIDTHS = _compatible(range(0xFF01, 0xFFF0)) | {0x3000: " "}
QUOTES = dict.fromkeys([0x2BC, *range(0x2018, 0x201C)], "'")
QUOTES |= dict.fromkeys(range(0x201C, 0x2020), '"')
CONTROLS = dict.fromkeys([*range(9), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070)])
CONTROLS |= dict.fromkeys([*range(0xFFF9, 0xFFFD), 0xFEFF])


def _western(byte: int) -> str:
    """A byte as Windows-1252; the five that it leaves out as Latin-1."""
    try:
        return bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


C1 = {byte: _western(byte) for byte in range(0x80, 0xA0)}
BYTES = {chr(byte): byte for byte in range(0x80, 0x100)}
BYTES |= {_western(byte): byte for byte in range(0x80, 0x100)}


def _class(low: int, high: int) -> str:
    return "[" + "".join(re.escape(c) for c, byte in BYTES.items() if low <= byte <= high) + "]"


NEXT = _class(0x80, 0xBF)
TWO, THREE = _class(0xC2, 0xDF) + NEXT, _class(0xE0, 0xEF) + NEXT * 2
LONG = f"(?:{THREE}|{_class(0xF0, 0xF4)}{NEXT * 3})"
RUN = re.compile(f"(?:{LONG}|{TWO})+")
# What nobody writes: three and more bytes of a character, two characters in a row, or one of the
# letters before what it stands for in Western languages.
SURE = re.compile(f"{LONG}|{TWO}{TWO}|[ÂÃ](?![…’]){NEXT}|[ÅÄÎÐÑ](?![–—’”“‘…®™»·´\xa0]){NEXT}")
LOST = re.compile("(?:(?<=[a-zà-ÿ.,!?;:])|(?<=[a-zà-ÿ] )|^)(?:[ÂÃ] )+")  # one was a no-break space


def cleaned(text: str) -> str:
    """``text`` as these models read it."""
    text = html.unescape(html.unescape(repaired(text)))
    return " ".join(text.split()).lower()


def normalized(form: str, text: str) -> str:
    """`text` in a normal form of Unicode; of the marks on one letter only the first `MARKS` stay.

    Python sorts the marks of a letter in quadratic time.
    """
    if text.isascii():
        return unicodedata.normalize(form, text)
    kept, marks = [], 0
    for letter in text:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks <= MARKS:
            kept.append(letter)
    return unicodedata.normalize(form, "".join(kept))


def repaired(text: str) -> str:
    """``text`` without what went wrong with it on its way; each line by itself.

    From the first line with a "<" in it on, entities are left alone: it may be mark-up.
    """
    lines, marked = [], False
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        marked |= "<" in line
        lines.append(_line(line, entities=not marked))
    return "".join(lines)


def _line(text: str, entities: bool) -> str:
    while True:
        before = text
        while entities and (plain := ENTITY.sub(_entity, text)) != text:
            text = plain
        text = _decoded(text).translate(C1)
        text = text.translate(LIGATURES).translate(WIDTHS).translate(QUOTES)
        text = PAIR.sub(_paired, LINE_BREAK.sub("\n", text))
        text = ESCAPE.sub("", HALF.sub("\ufffd", text)).translate(CONTROLS)
        text = normalized("NFC", text)
        if text == before:
            return text


def _entity(found: re.Match[str]) -> str:
    """One with its semicolon; that of a letter may be in capitals."""
    name = found[0][1:]
    if name.startswith("#"):
        plain = html.unescape(found[0])
        return found[0] if ";" in plain else plain
    if name in html5:
        return html5[name]
    capital = name.lower() in html5 and name == name.upper()
    return html5[name.lower()].upper() if capital else found[0]


def _decoded(text: str) -> str:
    """Without mojibake, where some of it is sure: then all that may be is taken for it."""
    while not text.isascii() and (SURE.search(text) or LOST.search(text)):
        before = text
        text = LOST.sub(lambda found: found[0].replace("Ã ", "à ").replace("Â ", " "), text)
        text = RUN.sub(_utf8, text)
        if text == before:
            break
    return text


def _utf8(found: re.Match[str]) -> str:
    try:
        return bytes(BYTES[c] for c in found[0]).decode("utf-8")
    except UnicodeDecodeError:
        return found[0]


def _paired(found: re.Match[str]) -> str:
    return found[0].encode("utf-16", "surrogatepass").decode("utf-16")
