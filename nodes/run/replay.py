"""The input `replay` of a search node: makes the winner of an earlier search again."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from typing import Any

from ...samplers.replay import Replay
from ..host.any_sampler import FLOW_SAMPLER
from ..schema import brief
from ..show.report import read
from ..show.saved_reports import saved_reports
from .inputs import MODELS
from .plan import plain_won

log = logging.getLogger("flow_search")
ROUNDING = 1e-4  # relative: a reward may change a little with the rows that it is scored with
NAME = 1024  # characters of a file name
IMAGE_NAME = re.compile(r"\.png(\s*\[\w+\])?\s*$", re.IGNORECASE)
NOT_CONNECTED = dict.fromkeys(MODELS, False)  # of reports that lack these entries
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
    """The replay of the report's winner, with the lookahead and the steps of its search.

    The plain image was made in all steps by the ODE, and needs no lookahead.
    """
    if plain_won(report):
        best, steps = report["best"], len(report["sigmas"]) - 1
        return Replay.of(report.get("lineage", []), best["path"], best["reward"], 0, steps)
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
                f"The replay needs the report's own {name}: got {brief(value)}, expected "
                f"{brief(reported[name])}. Anything else gives another image."
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
