"""New files: names in the host's output folder, and writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid

import folder_paths

SUFFIXES = (".png", ".json", ".csv")
PARTS = ".*.part"  # pattern for the names of unfinished files


def output_file(path: str) -> dict[str, str] | None:
    """The reference for /view to a file in the output folder; None for other folders."""
    output = os.path.abspath(folder_paths.get_output_directory())
    if not os.path.abspath(path).startswith(output + os.sep):
        return None
    folder, name = os.path.split(os.path.relpath(path, output))
    return {"filename": name, "subfolder": folder.replace(os.sep, "/"), "type": "output"}


def stems(prefix: str, count: int = 1, width: int = 0, height: int = 0) -> list[str]:
    """Paths without suffix for new files, numbered after all existing ones.

    Hosts before 0.30 count only names that end in an underscore, so the numbers are checked here.

    Args:
        prefix: of the names, inside the output folder.
        count: number of files.
        width: px, for %width% in the prefix.
        height: px, for %height% in the prefix.
    """
    folder, name, number, *_ = folder_paths.get_save_image_path(
        prefix, folder_paths.get_output_directory(), width, height
    )
    while True:
        new = [os.path.join(folder, f"{name}_{number + i:05}") for i in range(count)]
        if not any(os.path.exists(stem + suffix) for stem in new for suffix in SUFFIXES):
            return new
        number += 1


def write(path: str | os.PathLike[str], content: bytes, lasting: bool = True) -> None:
    """Write a file under a temporary name in its folder, then rename it.

    After a full disk or a kill, the file is as before or whole, never partial.

    Args:
        path: of the file.
        content: of the whole file.
        lasting: whether to wait for the disk, so that the file survives a power cut.

    Raises:
        OSError: the file could not be written. The temporary file is removed.
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
