"""The winner of an earlier search, again: what a search node's `replay` was given."""

from __future__ import annotations

import logging
import math
import re
from pathlib import Path, PureWindowsPath
from typing import Any

import folder_paths
from PIL import Image, UnidentifiedImageError

from ...samplers.replay import Replay
from ...samplers.search import Search
from ..json_values import parse, short
from ..show.metadata import KEY
from ..show.report import read, reports_in

log = logging.getLogger("flow_search")
ROUNDING = 1e-4  # of a reward, where it was scored in other company
NAME = 1024  # characters of a picture's name
BYTES = 1 << 28  # of a picture
PICTURE = re.compile(r"\.png(\s*\[\w+\])?\s*$", re.IGNORECASE)
SAME = ("shape", "cfg")  # what a report and its replay share exactly, whatever the device


def replays(
    text: str, images: int, seed: int, times: list[float], settings: dict[str, Any]
) -> list[tuple[dict[str, Any], Replay]]:
    """One for each latent, from a report or the name of a picture that carries one; before it the
    report itself.

    `settings` are those that a trajectory depends on; the report must have been made with them.
    """
    named = isinstance(text, str) and len(text) <= NAME and PICTURE.search(text)
    reports = carried(text.strip()) if named else read(text)
    if len(reports) != images:
        raise ValueError(
            f"A replay of {len(reports)} searches was given for {images} latents, wanted one each."
        )
    for report in reports:
        agree(report, {"seed": seed, "sigmas": times} | settings)
    return [(report, again(report)) for report in reports]


def again(report: dict[str, Any]) -> Replay:
    """The way of the report's winner, scored as it was."""
    best, given = report["best"], report["settings"].get("lookahead", 0)
    ahead = report["spent"].get("lookahead", given)
    return Replay.of(report.get("lineage", []), best["path"], best["reward"], ahead)


def compare(search: Search, reward: float) -> list[str]:
    """What the log says when a replay is worth something else than what it repeats."""
    if not isinstance(search, Replay) or math.isclose(reward, search.reward, rel_tol=ROUNDING):
        return []
    line = (
        f"The replay has reward {reward:.6g} and the report {search.reward:.6g}: are model, "
        "prompt, reward, size and device those of that search?"
    )
    log.warning("%s", line)
    return [line]


def agree(report: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuse a report that was made with anything else."""
    made = report["settings"] | {"seed": report["seed"], "sigmas": report["sigmas"]}
    made |= {name: report[name] for name in SAME if name in report}
    for name, value in wanted.items():
        if name in made and made[name] != value:
            raise ValueError(
                f"A replay of {name} {short(made[name])} was given and the node has "
                f"{short(value)}: wanted the same, as another trajectory would come of it."
            )


def differences(report: dict[str, Any], made_with: dict[str, Any]) -> list[str]:
    """What the log says where other inputs than those of the report go in.

    Text encoders and VAEs round as their device does, so such inputs may be those of the report.
    """
    names = {"conditioning": "conditioning (prompt, LoRA)", "latent": "latent_image"}
    lines = [
        f"The replay's {what} is not that of the report, to the last bit: the picture may differ."
        for name, what in names.items()
        if name in made_with and report.get(name, made_with[name]) != made_with[name]
    ]
    for line in lines:
        log.warning("%s", line)
    return lines


def carried(name: str) -> list[dict[str, Any]]:
    """The reports that a saved picture carries; the name is one of the input folder, or of the
    output folder with [output] behind it."""
    path = located(name)
    try:
        found = parse(saved_text(path))
    except ValueError as error:
        raise ValueError(f"replay {short(name)}: {error}") from error
    if not isinstance(found, dict) or len(found) != 1:
        why = "" if found else " (a search that was not run again for this picture leaves none)"
        count = len(found) if isinstance(found, dict) else "no"
        raise ValueError(
            f"{path.name} carries {count} reports of search nodes{why}, wanted one: connect "
            "the report itself."
        )
    return reports_in(next(iter(found.values())))


def saved_text(path: Path) -> str:
    """What a PNG holds of reports, as JSON."""
    if (size := path.stat().st_size) > BYTES:
        raise ValueError(f"The picture is too large: got {size} bytes, expected at most {BYTES}.")
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            return picture.info.get(KEY) or picture.text.get(KEY, "{}")
    except UnidentifiedImageError as error:
        raise ValueError(
            "The file is no PNG, or is cut short: expected a saved picture."
        ) from error
    except Exception as error:  # the library raises a dozen classes for what is broken
        lines = str(error).splitlines() or [type(error).__name__]
        raise ValueError(f"The picture cannot be read: {lines[0][:100]}") from error


def located(name: str) -> Path:
    """Where the picture is: a file below the folder that its name says."""
    own, _ = folder_paths.annotated_filepath(name)
    parts = PureWindowsPath(own)  # of / and \ alike
    if parts.anchor or ".." in parts.parts:
        raise ValueError(
            f"replay {short(name)} leads out of the folders of ComfyUI, wanted the name of a "
            "picture below its input or output folder."
        )
    if not name.isprintable() or not (path := _file(name)):
        raise ValueError(
            f"replay {short(name)} given, wanted a report, or the name of a picture in the input "
            "folder (of the output folder: with ' [output]' behind it)."
        )
    return path


def _file(name: str) -> Path | None:
    path = Path(folder_paths.get_annotated_filepath(name))
    try:
        return path if path.is_file() else None
    except OSError:  # a name that the file system does not take
        return None
