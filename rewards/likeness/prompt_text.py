"""Cleans prompts as OpenAI's CLIP, open_clip and HPS v2 do before they make tokens.

    repair (the package ftfy), HTML entities twice, one blank for several, lower case

The repair is our own code, after the defaults that ftfy documents. It repairs entities, mojibake,
ligatures, full and half width, typographic quotes, line breaks, surrogates, terminal escapes and
control characters. Then it applies NFC, and starts again until nothing changes. Mojibake is UTF-8
that was read as Windows-1252 or Latin-1 ("â€™" for "’"), once or several times. Text that was read
in another code page is not repaired.
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
MARKS = 30  # at most on one letter, as in Unicode's Stream-Safe Text Format


def _compatible(*ranges: range) -> dict[int, str]:
    """The plain form of characters that Unicode has only for older encodings."""
    return {code: unicodedata.normalize("NFKC", chr(code)) for each in ranges for code in each}


LIGATURES = _compatible(range(0x132, 0x134), range(0x1C4, 0x1CD), range(0x1F1, 0x1F4))
LIGATURES |= _compatible(range(0x149, 0x14A), range(0xFB00, 0xFB07)) | {0xFB05: "\u017ft"}
WIDTHS = _compatible(range(0xFF01, 0xFFF0)) | {0x3000: " "}
QUOTES = dict.fromkeys([0x2BC, *range(0x2018, 0x201C)], "'")
QUOTES |= dict.fromkeys(range(0x201C, 0x2020), '"')
CONTROLS = dict.fromkeys([*range(9), 0x0B, *range(0x0E, 0x20), 0x7F, *range(0x206A, 0x2070)])
CONTROLS |= dict.fromkeys([*range(0xFFF9, 0xFFFD), 0xFEFF])


def _western(byte: int) -> str:
    """A byte read as Windows-1252, or as Latin-1 if Windows-1252 does not define it."""
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
# Text that nobody writes on purpose, so it is mojibake for certain: a character of three or more
# bytes, two characters of two bytes, or one of these letters before a sign that cannot follow it.
SURE = re.compile(f"{LONG}|{TWO}{TWO}|[ÂÃ](?![…’]){NEXT}|[ÅÄÎÐÑ](?![–—’”“‘…®™»·´\xa0]){NEXT}")
# The blank was a no-break space before something replaced it.
LOST = re.compile("(?:(?<=[a-zà-ÿ.,!?;:])|(?<=[a-zà-ÿ] )|^)(?:[ÂÃ] )+")


def cleaned(text: str) -> str:
    """`text` as these models read it, cleaned as the module says."""
    text = html.unescape(html.unescape(repaired(text)))
    return " ".join(text.split()).lower()


def normalized(form: str, text: str) -> str:
    """`text` in the Unicode normal form `form`, with at most `MARKS` marks on one letter.

    Python sorts the marks of a letter in quadratic time, so many marks would take for ever.
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
    """`text` with encoding damage repaired, line by line.

    From the first line with a "<" on, entities stay as they are: the text may be mark-up.
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


def _entity(match: re.Match[str]) -> str:
    """The character of an entity that ends in a semicolon; its name may be in capitals."""
    name = match[0][1:]
    if name.startswith("#"):
        plain = html.unescape(match[0])
        return match[0] if ";" in plain else plain
    if name in html5:
        return html5[name]
    capital = name.lower() in html5 and name == name.upper()
    return html5[name.lower()].upper() if capital else match[0]


def _decoded(text: str) -> str:
    """`text` without mojibake. If some of it is certain, all that may be mojibake is decoded."""
    while not text.isascii() and (SURE.search(text) or LOST.search(text)):
        before = text
        text = LOST.sub(lambda match: match[0].replace("Ã ", "à ").replace("Â ", " "), text)
        text = RUN.sub(_utf8, text)
        if text == before:
            break
    return text


def _utf8(match: re.Match[str]) -> str:
    try:
        return bytes(BYTES[c] for c in match[0]).decode("utf-8")
    except UnicodeDecodeError:
        return match[0]


def _paired(match: re.Match[str]) -> str:
    return match[0].encode("utf-16", "surrogatepass").decode("utf-16")
