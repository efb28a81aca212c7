"""The reports that SaveImage has written into an image."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath
from typing import Any

import folder_paths
from PIL import Image, UnidentifiedImageError

from ..json_values import parse, short
from .metadata import KEY
from .report import reports_in

BYTES = 1 << 28  # of an image file


def saved_reports(name: str) -> list[dict[str, Any]]:
    """The reports in a saved image.

    Args:
        name: a file below the input folder, or below the output folder with [output] after it.

    Raises:
        ValueError: there is no such file, or it does not hold the report of exactly one node.
    """
    path = located(name)
    try:
        by_node = parse(saved_text(path))
    except ValueError as error:
        raise ValueError(f"replay {short(name)}: {error}") from error
    if not isinstance(by_node, dict) or len(by_node) != 1:
        count = len(by_node) if isinstance(by_node, dict) else "no"
        why = "" if by_node else " A search that was not run again for an image leaves none in it."
        raise ValueError(
            f"{path.name} does not hold the report of one search node: got {count} reports, "
            f"expected 1.{why} Connect the report itself."
        )
    return reports_in(next(iter(by_node.values())))


def saved_text(path: Path) -> str:
    """The reports in a PNG file, as JSON."""
    if (size := path.stat().st_size) > BYTES:
        raise ValueError(f"The file is too large: got {size} bytes, expected at most {BYTES}.")
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return image.info.get(KEY) or image.text.get(KEY, "{}")
    except UnidentifiedImageError as error:
        raise ValueError(
            "The file is not a PNG, or it is incomplete: expected a saved image."
        ) from error
    except Exception as error:  # the library raises a dozen classes for what is broken
        lines = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"The image cannot be read: {lines[0][:100]}") from error


def located(name: str) -> Path:
    """The path of the file with this name, which may end with [output] or [input].

    Raises:
        ValueError: the name leads out of these folders, or there is no such file.
    """
    relative, _ = folder_paths.annotated_filepath(name)
    parts = PureWindowsPath(relative)  # of / and \ alike
    if parts.anchor or ".." in parts.parts:
        raise ValueError(
            f"replay leads out of ComfyUI's folders: got {short(name)}, expected a file name "
            "below the input or output folder."
        )
    if not name.isprintable() or not (path := _file(name)):
        raise ValueError(
            f"replay names no report: got {short(name)}, expected a report or the name of an image "
            "in the input folder. Add ' [output]' for the output folder."
        )
    return path


def _file(name: str) -> Path | None:
    path = Path(folder_paths.get_annotated_filepath(name))
    try:
        return path if path.is_file() else None
    except OSError:  # a name that the file system does not take
        return None
