"""New files: names in the host's output folder, and writing that leaves a whole file or none."""

from __future__ import annotations

import contextlib
import os
import uuid

import folder_paths

SUFFIXES = (".png", ".json", ".csv")
PARTS = ".*.part"  # names of files that are being written


def output_file(path: str) -> dict[str, str] | None:
    """The reference that the host's /view takes of a file in the output folder; None elsewhere."""
    own = os.path.abspath(folder_paths.get_output_directory())
    if not os.path.abspath(path).startswith(own + os.sep):
        return None
    folder, name = os.path.split(os.path.relpath(path, own))
    return {"filename": name, "subfolder": folder.replace(os.sep, "/"), "type": "output"}


def stems(prefix: str, count: int = 1, width: int = 0, height: int = 0) -> list[str]:
    """Paths without suffix of `count` files numbered on from all that are there.

    Hosts before 0.30 count only names that end in an underscore and would begin at 1 again.
    """
    folder, name, number, *_ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory(), width, height
    )
    while True:
        found = [os.path.join(folder, f"{name}_{number + i:05}") for i in range(count)]
        if not any(os.path.exists(stem + suffix) for stem in found for suffix in SUFFIXES):
            return found
        number += 1


def write(path: str | os.PathLike[str], content: bytes, lasting: bool = True) -> None:
    """Write a file under a temporary name in its folder, then put it in its place.

    A full disk or a killed process leaves what was there before, never part of a file.

    Args:
        path: the file.
        content: all of it.
        lasting: whether to wait until the disk has it, so that it outlasts a power cut.

    Raises:
        OSError: the file could not be written; the temporary one is gone.
    """
    part = os.path.join(os.path.dirname(path), f".{uuid.uuid4().hex[:12]}.part")
    try:
        with open(part, "wb") as file:
            file.write(content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(part)
        raise
