"""The winner of an earlier search, again: what a search node's `replay` was given."""

from __future__ import annotations

import json
import logging
import math
import re
from pathlib import Path
from typing import Any

import folder_paths
from PIL import Image

from ..samplers.lineage import Replay
from ..samplers.types import Search
from .report import read

log = logging.getLogger("flow_search")
ROUNDING = 1e-4  # of a reward, where it was scored in other company
PICTURE = re.compile(r"\.png(\s*\[\w+\])?\s*$", re.IGNORECASE)


def replays(
    text: str, images: int, seed: int, times: list[float], settings: dict[str, Any]
) -> list[tuple[int, Replay]]:
    """One for each latent, from a report or the name of a picture that carries one; before it which
    image of its batch it was.

    `settings` are those that a trajectory depends on; the report must have been made with them.
    """
    reports = read(carried(text) if PICTURE.search(text) else text)
    if len(reports) != images:
        raise ValueError(
            f"A replay of {len(reports)} searches was given for {images} latents, wanted one each."
        )
    for report in reports:
        agree(report, {"seed": seed, "sigmas": times} | settings)
    return [(report.get("image", i), again(report)) for i, report in enumerate(reports)]


def again(report: dict[str, Any]) -> Replay:
    """The way of the report's winner, scored as it was."""
    best, given = report["best"], report["settings"].get("lookahead", 0)
    ahead = report["spent"].get("lookahead", given)
    return Replay.of(report.get("lineage", []), best["path"], best["reward"], ahead)


def compare(search: Search, reward: float) -> None:
    """Say in the log when a replay is worth something else than what it repeats."""
    if isinstance(search, Replay) and not math.isclose(reward, search.reward, rel_tol=ROUNDING):
        log.warning(
            "The replay has reward %.6g and the report %.6g: are model, prompt, reward, size and "
            "device those of that search?", reward, search.reward,
        )  # fmt: skip


def agree(report: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse a report that was made with anything else."""
    made = report["settings"] | {"seed": report["seed"], "sigmas": report["sigmas"]}
    for name, value in wanted.items():
        if name in made and made[name] != value:
            raise ValueError(
                f"A replay of {name} {made[name]} was given and the node has {value}: wanted the "
                "same, as another trajectory would come of it."
            )


def carried(name: str) -> str:
    """The report that a saved picture carries; the name is one of the input folder, or of the
    output folder with [output] behind it."""
    path = Path(folder_paths.get_annotated_filepath(name.strip()))
    if not path.is_file():
        raise ValueError(
            f"replay {name!r} given, wanted a report, or the name of a picture in the input folder "
            "(of the output folder: with ' [output]' behind it)."
        )
    with Image.open(path) as picture:
        found = json.loads(getattr(picture, "text", {}).get("flow_search", "{}"))
    if len(found) != 1:
        why = "" if found else " (a search that was not run again for this picture leaves none)"
        raise ValueError(
            f"{path.name} carries {len(found)} reports of search nodes{why}, wanted one: connect "
            "the report itself."
        )
    return json.dumps(next(iter(found.values())))
