"""What is wrong with a file that should hold data, by its first bytes and the file system.

Each answer fits into "cannot be read as weights (…)". It says what to do where that helps.
"""

import errno
import json
import os
import stat
import struct
import zipfile
from pathlib import Path

POINTERS = {
    b"version https://git-lfs.github.com/spec/": "a git-lfs pointer: run git lfs pull",
    b"version https://hawser.github.com/spec/": "a git-lfs pointer: run git lfs pull",
    b"/annex/objects/": "a git-annex pointer: run git annex get",
}
PAGES = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")
KINDS = {
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"GGUF": "a GGUF file, which no reward reads",
    b"\x89HDF": "a TensorFlow file, which no reward reads",
}
ZIP, PICKLE = b"PK", b"\x80"
NOT_JSON = (json.JSONDecodeError, UnicodeDecodeError, RecursionError)  # what JSON readers raise
INCOMPLETE = "incomplete file: download it again"


class BrokenFile(ValueError):
    """A file cannot be used; the text says why, as `problem` does."""


def problem(file: Path) -> str | None:
    """What is wrong with `file`, None if its first bytes show nothing."""
    try:
        status = os.stat(file)
        if stat.S_ISDIR(status.st_mode):
            return "it is a folder"
        if not stat.S_ISREG(status.st_mode):
            return "it is not a regular file"
        if status.st_size == 0:
            return "it is empty, 0 bytes: download it again"
        with open(file, "rb") as opened:
            return _content(opened.read(512))
    except OSError as error:
        return _unreachable(file, error)


def _content(start: bytes) -> str | None:
    for sign, kind in POINTERS.items():
        if start.startswith(sign):
            return f"it is {kind}"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(PAGES):
        return "it is a web page: download the file itself"
    if _is_safe(start):  # its first eight bytes are any number, and may look like another sign
        return None
    return next((f"it is {kind}" for sign, kind in KINDS.items() if start.startswith(sign)), None)


def _is_safe(start: bytes) -> bool:
    """Whether a file with these first bytes may be safetensors."""
    return start[8:9] == b"{"


def _unreachable(file: Path, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "it is a link that leads back to itself"
    if isinstance(error, FileNotFoundError):
        link = os.path.islink(file)
        return (
            f"it is a link to {os.readlink(file)}, which does not exist" if link else "it is gone"
        )
    if isinstance(error, PermissionError):
        return "you have no permission to read it"
    return f"{type(error).__name__}: {error.strerror}"


def weights_problem(file: Path) -> str | None:
    """As `problem`, for a file of weights: its first bytes must fit the end of its name."""
    trouble = problem(file)
    if trouble:
        return trouble
    with open(file, "rb") as opened:
        start = opened.read(64)
    if _is_text(start):
        return f"it is text that begins with {start[:30].decode()!r}: download the file itself"
    if file.suffix.lower() == ".safetensors":
        if start.startswith((ZIP, PICKLE)) and not _is_safe(start):
            return "it is a pickle of PyTorch: name it .pt"
    elif start.startswith(ZIP):
        return None if zipfile.is_zipfile(file) else INCOMPLETE
    elif not start.startswith(PICKLE):
        if _is_safe(start):
            return "it is a safetensors file: name it .safetensors"
        return "it is not a PyTorch file"
    return None


def reason(file: Path, error: Exception) -> str:
    """Why reading `file` raised `error`; `file` may be a folder."""
    if isinstance(error, BrokenFile):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return _unreachable(Path(error.filename or file), error)
    ended = any(sign in str(error).lower() for sign in ("truncated", "unexpected eof"))
    if ended or isinstance(error, EOFError | struct.error):
        return INCOMPLETE
    trouble = None if file.is_dir() else problem(file)
    if not trouble and isinstance(error, NOT_JSON):
        safe = file.suffix.lower() == ".safetensors"
        trouble = "it has no safetensors header" if safe else "it is not JSON"
    return trouble or type(error).__name__


def _is_text(start: bytes) -> bool:
    """Whether these first bytes are text: safetensors and pickles hold bytes that no text has."""
    return all(byte >= 32 or byte in b"\t\r\n" for byte in start) and start.isascii()
