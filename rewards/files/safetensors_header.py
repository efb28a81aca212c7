"""What a safetensors file holds, by its header alone: no tensor is read."""

import json
import math
import struct
from pathlib import Path
from typing import NamedTuple

from .broken_files import BrokenFile

UNTRUE = "its header is not valid"
LIMIT = 100_000_000  # bytes of a header, the limit of the package safetensors
DTYPES = {  # name in a header: torch's name, bytes a number
    "F64": ("float64", 8), "F32": ("float32", 4), "F16": ("float16", 2), "BF16": ("bfloat16", 2),
    "I64": ("int64", 8), "I32": ("int32", 4), "I16": ("int16", 2), "I8": ("int8", 1),
    "U64": ("uint64", 8), "U32": ("uint32", 4), "U16": ("uint16", 2), "U8": ("uint8", 1),
    "BOOL": ("bool", 1), "F8_E4M3": ("float8_e4m3fn", 1), "F8_E5M2": ("float8_e5m2", 1),
}  # fmt: skip


class Header(NamedTuple):
    """What a file holds.

    Args:
        shapes: shapes of its tensors by key.
        dtypes: their dtypes, named as torch names them.
        length: how many bytes the file must have.
    """

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    length: int


def read_header(file: Path) -> Header:
    """The header of `file`.

    Raises:
        ValueError: there is no header, or one that contradicts itself.
    """
    size = file.stat().st_size
    with open(file, "rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8).ljust(8, b"\0"))
        if length > LIMIT:
            raise BrokenFile("it has no safetensors header")
        if length > size - 8:
            raise BrokenFile(incomplete(size, 8 + length))
        head = json.loads(opened.read(length))
    shapes, dtypes, ends = {}, {}, [0]
    try:
        for key, entry in head.items():
            if key != "__metadata__":
                shapes[key], dtypes[key], end = _entry(entry)
                ends.append(end)
    except (AttributeError, KeyError, TypeError) as error:
        raise BrokenFile(UNTRUE) from error
    return Header(shapes, dtypes, 8 + length + max(ends))


def incomplete(size: int, full_size: int) -> str:
    """The problem of a file with `size` bytes that should have `full_size`."""
    return f"incomplete file, {size:,} of {full_size:,} bytes: download it again"


def _entry(entry: dict[str, object]) -> tuple[tuple[int, ...], str, int]:
    shape, (begin, end) = tuple(entry["shape"]), entry["data_offsets"]
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, end)):
        raise BrokenFile(UNTRUE)
    name, width = DTYPES.get(entry["dtype"], (str(entry["dtype"]).lower(), None))
    if width is not None and math.prod(shape) * width != end - begin:
        raise BrokenFile(UNTRUE)
    return shape, name, end
