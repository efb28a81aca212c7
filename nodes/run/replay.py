"""The input `replay` of a search node: makes the winner of an earlier search again."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import folder_paths
from PIL import Image, UnidentifiedImageError

from ...samplers.replay import Replay
from ..host.any_sampler import FLOW_SAMPLER
from ..json_values import parse, short
from ..show.metadata import KEY
from ..show.report import read, reports_in
from .inputs import SECOND_MODELS

log = logging.getLogger("flow_search")
ROUNDING = 1e-4  # relative: a reward may change a little with the rows that it is scored with
NAME = 1024  # characters of a file name
BYTES = 1 << 28  # of an image file
IMAGE_NAME = re.compile(r"\.png(\s*\[\w+\])?\s*$", re.IGNORECASE)
NOT_CONNECTED = dict.fromkeys(SECOND_MODELS, False)  # of reports that lack these entries
SAME = ("shape", "cfg")  # entries that must be equal in a report and its replay, on any device


def replays(
    text: str, images: int, seed: int, times: list[float], settings: dict[str, Any]
) -> list[tuple[dict[str, Any], Replay]]:
    """The reports in `text` with the replays of their winners, one for each latent.

    Args:
        text: a report, or the name of a saved image that holds one.
        images: number of latents.
        seed: of the node's noise.
        times: the node's sigmas as model times.
        settings: report entries on which a trajectory depends.

    Raises:
        ValueError: there is no such report, or the inputs differ from those in it.
    """
    is_name = isinstance(text, str) and len(text) <= NAME and IMAGE_NAME.search(text)
    reports = saved_reports(text.strip()) if is_name else read(text)
    if len(reports) != images:
        raise ValueError(
            f"The replay needs one search for each latent: got {len(reports)} searches, expected "
            f"{images}."
        )
    for report in reports:
        agree(report, {"seed": seed, "sigmas": times} | settings)
    return [(report, winner(report)) for report in reports]


def winner(report: dict[str, Any]) -> Replay:
    """The replay of the report's winner, with the lookahead and the steps of its search."""
    best, setting = report["best"], report["settings"].get("lookahead", 0)
    lookahead = report["spent"].get("lookahead", setting)
    ode_steps = report.get("chosen", {}).get("ode_steps")
    lineage = report.get("lineage", [])
    return Replay.of(lineage, best["path"], best["reward"], lookahead, ode_steps)


def compare(report: Mapping[str, Any], reward: float) -> list[str]:
    """A warning, also logged, if the replay's reward differs from that of its report."""
    if not report or math.isclose(reward, report["best"]["reward"], rel_tol=ROUNDING):
        return []
    line = (
        f"The replay has another reward: got {reward:.6g}, expected "
        f"{report['best']['reward']:.6g}. Are model, prompt, reward, size and device the same?"
    )
    log.warning("%s", line)
    return [line]


def agree(report: Mapping[str, Any], made_with: Mapping[str, Any]) -> None:
    """Refuse a replay whose inputs differ from those of its report.

    Args:
        report: of the earlier search.
        made_with: report entries of the replay.

    Raises:
        ValueError: an entry that both have differs.
    """
    reported = NOT_CONNECTED | {"sampler": FLOW_SAMPLER} | report["settings"]
    reported |= {"seed": report["seed"], "sigmas": report["sigmas"]}
    reported |= {name: report[name] for name in SAME if name in report}
    if not reported.get("prompt"):  # its reward read none, and empty is now the graph's
        reported.pop("prompt", None)
    for name, value in made_with.items():
        if name in reported and reported[name] != value:
            raise ValueError(
                f"The replay needs the report's own {name}: got {short(value)}, expected "
                f"{short(reported[name])}. Anything else gives another image."
            )


def differences(report: Mapping[str, Any], made_with: Mapping[str, Any]) -> list[str]:
    """Warnings, also logged, if conditioning or start latent differ from those of the report.

    Text encoders and VAEs round differently on each device, so equal inputs may differ in bits.
    """
    names = {"conditioning": "conditioning (prompt, LoRA)", "latent": "latent_image"}
    lines = [
        f"The replay's {what} differs from the report's in some bits. The image may differ."
        for name, what in names.items()
        if name in made_with and report.get(name, made_with[name]) != made_with[name]
    ]
    for line in lines:
        log.warning("%s", line)
    return lines


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
