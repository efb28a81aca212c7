"""The report of a search (contract: version 1): settings, what was spent, every scored particle."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...samplers.purse import Purse
from ...samplers.run import Outcome
from ...samplers.types import SCORED, Particles, SearchEvent
from ..json_values import parse, short
from .report_format import BATCH, CAUSES, ENTRIES, check_report

VERSION = 1


def number(value: float) -> float | None:
    """A JSON number; a failed particle's -inf becomes null."""
    return float(value) if math.isfinite(value) else None


@dataclass
class Trace:
    """One row a scored particle, in the order evaluated; `first` is the search's first step.

    `failed` tells by id why a particle has no score: the task's own book. With a watchdog the
    rows are `watched`: they have the entry that it fills in, null where it has no score. `quota`,
    in the rows of particles that a path with a quota moved to, is what it may try from there.
    """

    times: list[float]
    first: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    watched: bool = False
    spent: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    by_id: dict[int, dict[str, Any]] = field(default_factory=dict)

    def add(self, event: SearchEvent) -> list[dict[str, Any]]:
        """Record an event; returns the rows it added or changed."""
        if event.kind not in SCORED:
            moved = [self.by_id[int(i)] for i in event.particles.ids]
            for row in moved:
                row["accepted"] = True
                if event.quota is not None:
                    row["quota"] = event.quota
            return moved
        count = len(event.particles)
        each = 0 if event.kind == "finish" else (event.spent - self.spent) // count
        rows = [self._row(event, i, event.spent - (count - 1 - i) * each) for i in range(count)]
        self.spent = event.spent
        self.rows += rows
        self.by_id |= {row["id"]: row for row in rows}
        return rows

    def _row(self, event: SearchEvent, i: int, nfe: int) -> dict[str, Any]:
        one: Particles = event.particles[i]
        parent, step = int(one.parents), self.first + int(one.steps)
        step = len(self.times) - 1 if event.kind == "finish" else step
        row = {
            "id": int(one.ids),
            "parent": parent if parent >= 0 else None,
            "path": int(one.paths),
            "step": step,
            "t": self.times[step],
            "kind": event.kind,
            "reward": number(float(one.reward)),
            "accepted": False,
            "nfe": nfe,
        }
        if self.watched:
            row["watchdog"] = None
        if event.log_w is not None:
            row["log_w"] = number(float(event.log_w[i]))
        if row["id"] in self.failed:
            row["failed"] = self.failed[row["id"]]
        return row


def read(text: str) -> list[dict[str, Any]]:
    """The reports in a search node's text: one for each latent of the batch, each checked whole.

    Raises:
        ValueError: one sentence, for a text that is no report.
    """
    return reports_in(parse(text))


def reports_in(report: Any) -> list[dict[str, Any]]:
    """The same of a value that was read before."""
    found = report.get("version") if isinstance(report, dict) else None
    if type(found) is not int or found != VERSION or "trace" not in report:
        raise ValueError(
            f"A text of version {short(found)} was given, wanted the report of a search node, "
            f"version {VERSION}."
        )
    reports = report.get("batch", [report])
    if not isinstance(reports, list) or not 1 <= len(reports) <= BATCH:
        count = f"{len(reports)} entries" if isinstance(reports, list) else short(reports)
        raise ValueError(f"Report entry batch: got {count}, expected 1 to {BATCH} reports.")
    named = [one for one in reports if isinstance(one, dict)]
    if lost := [name for name in ENTRIES if any(name not in one for one in named)]:
        raise ValueError(
            f"A report without {', '.join(lost)} was given, wanted it as a search node gave it."
        )
    for i, one in enumerate(reports):
        check_report(one, f"batch[{i}]" if "batch" in report else "")
    return reports


def decoded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of an event that came to the decoder, in its order."""
    return [row for row in rows if row.get("failed") != "network"]


def all_failed(rows: list[dict[str, Any]]) -> str:
    """The sentence for a search whose candidates all failed, or all those that it finished."""
    sound = any("failed" not in row for row in rows)
    lost = [r for r in rows if "failed" in r and (not sound or r["kind"] == "finish")]
    which = "finished candidates" if sound else "candidates"
    return (
        f"All {len(lost)} {which} failed, the first because {CAUSES[lost[0]['failed']]}; wanted "
        "at least one with a finite score."
    )


def report(
    method: str,
    seed: int,
    settings: dict[str, Any],
    budget: dict[str, Any],
    purse: Purse,
    trace: Trace,
    outcome: Outcome,
    watchdog: Purse | None = None,
) -> dict[str, Any]:
    """The report as a JSON-ready dictionary; `watchdog` is what that spent."""
    rows = [trace.by_id[int(p.ids)] for p in outcome.top]
    top = [{k: row[k] for k in ("id", "path", "reward", "watchdog") if k in row} for row in rows]
    beside = {}
    if watchdog is not None:
        counts = {"decodes": watchdog.counts["decodes"], "rewards": watchdog.counts["rewards"]}
        seconds = {part: watchdog.seconds[part] for part in ("decode", "reward")}
        beside = {"watchdog": counts | {"seconds": seconds}}
    return {
        "version": VERSION,
        "method": method,
        "seed": seed,
        "settings": settings,
        "sigmas": trace.times,
        "budget": budget,
        "spent": {
            "nfe": purse.nfe,
            "network_calls": purse.network_calls,
            "decodes": purse.counts["decodes"],
            "frames": purse.counts["frames"],
            "rewards": purse.counts["rewards"],
            "seconds": {"total": purse.elapsed, **purse.seconds},
            "gradients": purse.counts["gradients"],
            **({"check_nfe": purse.checked} if purse.checked else {}),
            **({"fallbacks": purse.counts["fallbacks"]} if purse.counts["fallbacks"] else {}),
            **beside,
        },
        "stopped": outcome.stopped,
        "best": {**top[0], "nfe": trace.by_id[top[0]["id"]]["nfe"]},
        "top": top,
        "trace": trace.rows,
    }


def unspent(stopped: str, nfe: int, budget: int) -> list[str]:
    """The sentence for a search that its budget stopped with a tenth of it or more left."""
    if stopped != "budget" or nfe > 0.9 * budget:
        return []
    return [
        f"{budget - nfe} of {budget} NFE are left. At the highest cost seen, they are too few for "
        "another particle."
    ]


def describe_winners(told: dict[str, Any], root: Callable[[int], int]) -> None:
    """Add to each winner of a report the `start` that it descends from.

    One that is returned as it was scored, because its finish was worth less, also gets the
    `finish_reward` of that.

    Args:
        root: id of a particle -> id of its start.
    """
    rows = {row["id"]: row for row in told["trace"]}
    finishes: dict[int, dict[str, Any]] = {}
    for row in told["trace"]:
        if row["kind"] == "finish":
            finishes.setdefault(row["parent"], row)
    for winner in (told["best"], *told["top"]):
        winner["start"] = root(winner["id"])
        row = rows[winner["id"]]
        judged_again = row["kind"] == "finish" and finishes[row["parent"]] is not row
        source = row["parent"] if judged_again else row["id"]
        if source in finishes:
            winner["finish_reward"] = finishes[source]["reward"]
