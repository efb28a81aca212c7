"""Names for new files in the host's output folder."""

from __future__ import annotations

import os

import folder_paths

SUFFIXES = (".png", ".json", ".csv")


def output_file(path: str) -> dict[str, str]:
    """The reference that the host's /view takes of a file in the output folder."""
    folder, name = os.path.split(os.path.relpath(path, folder_paths.get_output_directory()))
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
