"""`python dev.py models`: the model classes of a ComfyUI that docs/models.md lacks.

ComfyUI lists its classes in comfy/supported_models.py. That file is read, not imported.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from .sections import section

PAGE = Path(__file__).resolve().parent.parent / "docs" / "models.md"
SOURCE, LIST = "comfy/supported_models.py", "models"
# A class is the second cell of a row, or the name of an entry below "Not tried:".
CLASSES = re.compile(r"^\| [^|]+ \| (\w+) \||^- `(\w+)`: ", re.MULTILINE)


def classes_of(comfyui: Path) -> list[str]:
    """The model classes that a ComfyUI lists, in its order.

    Args:
        comfyui: its folder.

    Raises:
        ValueError: it has no such list.
    """
    names: list[str] = []
    for node in ast.parse((comfyui / SOURCE).read_text("utf-8")).body:
        targets = getattr(node, "targets", None) or [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AugAssign) and _is_list(targets[0]):
            names += [entry.id for entry in ast.walk(node.value) if isinstance(entry, ast.Name)]
    if not names:
        raise ValueError(f"{SOURCE} has no model classes: got no list `{LIST}`, expected one.")
    return names


def _is_list(target: ast.AST | None) -> bool:
    return isinstance(target, ast.Name) and target.id == LIST


def classes_in(page: Path = PAGE) -> set[str]:
    """The model classes that a page like docs/models.md has."""
    rows = "\n".join(section(page, "models").splitlines()[2:])  # without the head
    return {row or entry for row, entry in CLASSES.findall(rows)}


def missing(comfyui: Path, page: Path = PAGE) -> list[str]:
    """The model classes of a ComfyUI that the page lacks, in ComfyUI's order."""
    listed = classes_in(page)
    return [name for name in classes_of(comfyui) if name not in listed]
