"""What a search had found when it was cancelled or failed, saved in the output folder."""

from __future__ import annotations

import copy
import io
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from comfy.cli_args import args
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ..host.guard import cause, guard
from ..host.image_bytes import pil_image
from ..show.events import server
from ..show.metadata import keep
from ..show.output import stems, write
from ..show.writable import writable

PREFIX = "flow_search/unfinished"
log = logging.getLogger("flow_search")


Part = tuple[Tensor, dict[str, Any]]  # pictures (N,H,W,3) of one search and its report


def rescue(
    parts: Sequence[Part], error: BaseException | None, node_id: str, prompt_id: str | None
) -> tuple[bool, list[str]]:
    """Save what there is and say in the log and in the error where, or why not.

    Raises nothing itself. Returns whether all of it was saved, there or in the temporary folder,
    and the paths of the pictures.
    """
    saved: list[str] = []
    lost: list[str] = []
    whole = [_kept_somewhere(part, saved, lost, node_id, prompt_id) for part in parts]
    lines = [f"Flow Search could not save what it had found {why}." for why in lost]
    if found := [path for path in saved if path.endswith(".png")]:
        lines.append(f"Flow Search saved the best picture so far: {', '.join(found)}")
    for line in lines:
        log.warning(line)
    if lines and error is not None and error.args == (str(error),):  # its sentence is all of it
        error.args = ("\n".join([str(error), *lines]),)
    return all(whole), found


def _kept_somewhere(
    part: Part, saved: list[str], lost: list[str], node_id: str, prompt_id: str | None
) -> bool:
    """Add the files of a part to `saved`, and what was in the way to `lost`."""
    images = part[0]
    height, width = images.shape[1:3]
    places = {
        "in the output folder": lambda: stems(PREFIX, len(images), width, height),
        "in the temporary folder": lambda: elsewhere(len(images)),
    }
    for place, names in places.items():
        before = len(saved)
        try:
            for path in save(*part, node_id, prompt_id, names()):
                saved.append(path)
            return True
        except Exception as error:
            lost.append(f"{place} ({cause(error)})")
        if len(saved) > before:  # some of it; more would not fit there, nor twice elsewhere
            return True
    return False


def elsewhere(count: int) -> list[str]:
    """Paths without suffix in a new folder of the system's own temporary one."""
    folder = tempfile.mkdtemp(prefix="flow_search_")
    return [os.path.join(folder, f"unfinished_{number:05}") for number in range(1, count + 1)]


def save(
    images: Tensor,
    report: dict[str, Any],
    node_id: str,
    prompt_id: str | None,
    names: Sequence[str],
    level: int = 4,
) -> Iterator[str]:
    """Write the pictures, then the report beside the first; gives each path once it is there.

    Args:
        images: (N,H,W,3).
        report: of the search that found them.
        node_id: the search's node, whose report the workflow in the pictures has.
        prompt_id: the prompt that runs, which the pictures have.
        names: paths without suffix, one a picture.
        level: how hard PNG packs, 0 to 9.
    """
    report, text = writable(report)
    info = None
    if not args.disable_metadata:
        with guard("write the workflow into the saved picture"):
            info = png_info(report, node_id, prompt_id)
    for name, image in zip(names, images, strict=True):
        file = io.BytesIO()
        pil_image(image).save(file, "PNG", pnginfo=info, compress_level=level)
        write(f"{name}.png", file.getvalue())
        yield f"{name}.png"
    write(f"{names[0]}.json", text.encode())
    yield f"{names[0]}.json"


def png_info(report: dict[str, Any], node_id: str, prompt_id: str | None) -> PngInfo:
    """Prompt and workflow as SaveImage writes them, the report where a finished one would be."""
    texts: dict[str, Any] = {}
    with guard("find the workflow of the running prompt"):
        prompt, extra = queued(prompt_id)
        texts = copy.deepcopy(extra) if isinstance(extra, dict) else {}
        if prompt is not None:
            texts["prompt"] = prompt
    keep(texts, node_id, report)
    info = PngInfo()
    for key, value in texts.items():
        with guard(f"write {key} into the saved picture"):
            info.add_text(key, json.dumps(value))
    return info


def queued(prompt_id: str | None) -> tuple[Any, Any]:
    """The prompt that runs, and its `extra_pnginfo`; None where there is none."""
    if server() is None:
        return None, None
    running, _ = server().prompt_queue.get_current_queue_volatile()
    found = [(prompt, extra) for _, own_id, prompt, extra, *_ in running if own_id == prompt_id]
    prompt, extra = found[0] if found else (None, {})
    return prompt, extra.get("extra_pnginfo")
