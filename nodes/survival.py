"""What a search had found when it was cancelled or failed, saved in the output folder."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from comfy.cli_args import args
from PIL.PngImagePlugin import PngInfo
from server import PromptServer
from torch import Tensor

from ..samplers.types import Particles
from .decode import pixels
from .metadata import keep
from .output import output_file, stems

PREFIX = "flow_search/unfinished"
log = logging.getLogger("flow_search")


@dataclass(frozen=True)
class Kept:
    """A scored picture (1,…) on the CPU and its particle."""

    particle: Particles
    picture: Tensor
    finished: bool

    @property
    def rank(self) -> tuple[bool, float]:
        """Any finished picture is ahead: a preview decoder's rewards are not the full one's."""
        return self.finished, float(self.particle.reward)


Part = tuple[Tensor, dict[str, Any]]  # pictures (N,H,W,3) of one search and its report


def rescue(
    parts: Sequence[Part], error: BaseException, node_id: str, prompt_id: str | None
) -> list[dict[str, str]]:
    """Save what there is and say where, in the log and in the error. Raises nothing itself.

    Returns the pictures as the host's /view takes them."""
    try:
        found = [path for part in parts for path in save(*part, node_id, prompt_id)]
        files = [output_file(path) for path in found]
    except Exception:
        log.exception("Flow Search could not save what it had found.")
        return []
    if found:
        line = f"Flow Search saved the best picture so far: {', '.join(found)}"
        log.warning(line)
        if error.args == (str(error),):  # all that the error carries is its sentence
            error.args = (f"{error}\n{line}",)
    return files


def save(images: Tensor, report: dict[str, Any], node_id: str, prompt_id: str | None) -> list[str]:
    """Number and write the pictures, the report beside the first; returns their paths."""
    height, width = images.shape[1:3]
    names = stems(PREFIX, len(images), width, height)
    info = None if args.disable_metadata else png_info(report, node_id, prompt_id)
    for stem, image in zip(names, images, strict=True):
        pixels(image).save(f"{stem}.png", pnginfo=info, compress_level=4)
    with open(f"{names[0]}.json", "w", encoding="utf-8") as file:
        json.dump(report, file, allow_nan=False)
    return [f"{stem}.png" for stem in names]


def png_info(report: dict[str, Any], node_id: str, prompt_id: str | None) -> PngInfo:
    """Prompt and workflow as SaveImage writes them, the report where a finished one would be."""
    running, _ = PromptServer.instance.prompt_queue.get_current_queue_volatile()
    queued = [(prompt, extra) for _, own_id, prompt, extra, *_ in running if own_id == prompt_id]
    prompt, extra = queued[0] if queued else (None, {})
    texts = copy.deepcopy(extra.get("extra_pnginfo") or {})
    keep(texts, node_id, report)
    if prompt is not None:
        texts["prompt"] = prompt
    info = PngInfo()
    for key, value in texts.items():
        info.add_text(key, json.dumps(value))
    return info
