"""Saves the best result of a cancelled or failed search in the output folder."""

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


Part = tuple[Tensor, dict[str, Any]]  # images (N,H,W,3) of one search, and its report


def rescue(
    parts: Sequence[Part], error: BaseException | None, node_id: str, prompt_id: str | None
) -> tuple[bool, list[str]]:
    """Save the parts, and add to the log and to the error where they are, or why not.

    Args:
        parts: images and report of each search.
        error: that ended the search; its message is extended.
        node_id: execution id of the search node.
        prompt_id: id of the prompt.

    Returns:
        Whether everything was saved (in the output folder or the temporary one), and the paths of
        the images. Raises nothing.
    """
    saved: list[str] = []
    lost: list[str] = []
    whole = [_kept_somewhere(part, saved, lost, node_id, prompt_id) for part in parts]
    lines = [f"Flow Search could not save the best image so far {why}." for why in lost]
    if images := [path for path in saved if path.endswith(".png")]:
        lines.append(f"Flow Search saved the best image so far: {', '.join(images)}")
    for line in lines:
        log.warning(line)
    if lines and error is not None and error.args == (str(error),):  # it has a message only
        error.args = ("\n".join([str(error), *lines]),)
    return all(whole), images


def _kept_somewhere(
    part: Part, saved: list[str], lost: list[str], node_id: str, prompt_id: str | None
) -> bool:
    """Save a part in the first folder that takes it.

    Adds its paths to `saved`, and the reason to `lost` for each folder that fails.
    """
    images = part[0]
    height, width = images.shape[1:3]
    places = {
        "in the output folder": lambda: stems(PREFIX, len(images), width, height),
        "in the temporary folder": lambda: temporary_stems(len(images)),
    }
    for place, names in places.items():
        before = len(saved)
        try:
            for path in save(*part, node_id, prompt_id, names()):
                saved.append(path)
            return True
        except Exception as error:
            lost.append(f"{place} ({cause(error)})")
        if len(saved) > before:  # partly saved: the rest would not fit, and nothing is saved twice
            return True
    return False


def temporary_stems(count: int) -> list[str]:
    """Paths without suffix in a new folder inside the system's temporary folder."""
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
    """Write the images, then the report under the first name. Yields each path after writing it.

    Args:
        images: (N,H,W,3) in [0,1].
        report: of the search.
        node_id: execution id of the search node; its report is written into the workflow.
        prompt_id: id of the running prompt, which is written into the images.
        names: paths without suffix, one per image.
        level: of PNG's compression, 0 to 9.
    """
    report, text = writable(report)
    info = None
    if not args.disable_metadata:
        with guard("write the workflow into the saved image"):
            info = png_info(report, node_id, prompt_id)
    for name, image in zip(names, images, strict=True):
        file = io.BytesIO()
        pil_image(image).save(file, "PNG", pnginfo=info, compress_level=level)
        write(f"{name}.png", file.getvalue())
        yield f"{name}.png"
    write(f"{names[0]}.json", text.encode())
    yield f"{names[0]}.json"


def png_info(report: dict[str, Any], node_id: str, prompt_id: str | None) -> PngInfo:
    """The metadata of an image: prompt and workflow as SaveImage writes them, with the report.

    Args:
        report: of the search.
        node_id: execution id of the search node.
        prompt_id: id of the running prompt.
    """
    texts: dict[str, Any] = {}
    with guard("find the workflow of the running prompt"):
        prompt, extra = queued(prompt_id)
        texts = copy.deepcopy(extra) if isinstance(extra, dict) else {}
        if prompt is not None:
            texts["prompt"] = prompt
    keep(texts, node_id, report)
    info = PngInfo()
    for key, value in texts.items():
        with guard(f"write {key} into the saved image"):
            info.add_text(key, json.dumps(value))
    return info


def queued(prompt_id: str | None) -> tuple[Any, Any]:
    """The running prompt and its `extra_pnginfo`; None for what does not exist."""
    if server() is None:
        return None, None
    running, _ = server().prompt_queue.get_current_queue_volatile()
    prompts = [(prompt, extra) for _, id_, prompt, extra, *_ in running if id_ == prompt_id]
    prompt, extra = prompts[0] if prompts else (None, {})
    return prompt, extra.get("extra_pnginfo")
