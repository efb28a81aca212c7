"""The report of a search (contract: version 1): settings, what was spent, every scored particle."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...samplers.purse import Purse
from ...samplers.rules import Outcome
from ...samplers.types import SCORED, Particles, SearchEvent
from ..json_values import parse, short
from .report_format import BATCH, CAUSES, ENTRIES, check_report

VERSION = 1


def number(value: float) -> float | None:
    """A JSON number; a failed particle's -inf becomes null."""
    return float(value) if math.isfinite(value) else None


@dataclass
class Trace:
    """One row for each scored particle, in the order of their evaluation.

    Args:
        times: model times of the sigmas.
        failed: by id why a particle has no score; the task fills it in.
        watched: rows have an entry for a watchdog, null where it gave no score.
        spent: NFE up to the last event.
        rows: the trace.
        by_id: its rows by particle id.
        places: which of the times the search works at, in order; all until `walk`.
    """

    times: list[float]
    failed: dict[int, str] = field(default_factory=dict)
    watched: bool = False
    spent: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    by_id: dict[int, dict[str, Any]] = field(default_factory=dict)
    places: Sequence[int] = field(init=False)

    def __post_init__(self) -> None:
        self.places = range(len(self.times))

    def walk(self, times: Sequence[float]) -> None:
        """The search works at these times. A row has the nearest of the trace's."""
        steps = range(len(self.times) - 1)
        self.places = [min(steps, key=lambda i, t=t: abs(self.times[i] - t)) for t in times]

    def add(self, event: SearchEvent) -> list[dict[str, Any]]:
        """Record an event; returns the rows that it added or changed."""
        if event.kind not in SCORED:
            moved = [self.by_id[int(i)] for i in event.particles.ids]
            for row in moved:
                row["accepted"] = True
                if event.quota is not None:
                    row["quota"] = event.quota
            return moved
        count = len(event.particles)
        price = 0 if event.kind == "finish" else (event.spent - self.spent) // count
        rows = [self._row(event, i, event.spent - (count - 1 - i) * price) for i in range(count)]
        self.spent = event.spent
        self.rows += rows
        self.by_id |= {row["id"]: row for row in rows}
        return rows

    def _row(self, event: SearchEvent, i: int, nfe: int) -> dict[str, Any]:
        particle: Particles = event.particles[i]
        parent, finished = int(particle.parents), event.kind == "finish"
        step = len(self.times) - 1 if finished else self.places[int(particle.steps)]
        row = {
            "id": int(particle.ids),
            "parent": parent if parent >= 0 else None,
            "path": int(particle.paths),
            "step": step,
            "t": self.times[step],
            "kind": event.kind,
            "reward": number(float(particle.reward)),
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


def itemise(row: dict[str, Any], items: list[dict[str, Any]]) -> dict[str, Any]:
    """Add what holds in a particle's image to its row. Returns the row.

    Args:
        row: of the trace, changed in place.
        items: {"question", "answer", "p"}; p is how likely the answer is.
    """
    row["items"] = [item | {"p": number(item["p"])} for item in items]
    return row


def read(text: str) -> list[dict[str, Any]]:
    """The reports in a search node's text, one for each latent of the batch.

    Raises:
        ValueError: one sentence, for a text that is no report.
    """
    return reports_in(parse(text))


def reports_in(report: Any) -> list[dict[str, Any]]:
    """The reports in a parsed JSON value, each checked whole.

    Raises:
        ValueError: one sentence, for a value that is no report.
    """
    version = report.get("version") if isinstance(report, dict) else None
    if type(version) is not int or version != VERSION or "trace" not in report:
        raise ValueError(
            f"This is not the report of a search node: got version {short(version)}, expected "
            f"version {VERSION} with a trace."
        )
    reports = report.get("batch", [report])
    if not isinstance(reports, list) or not 1 <= len(reports) <= BATCH:
        count = f"{len(reports)} entries" if isinstance(reports, list) else short(reports)
        raise ValueError(f"Report entry batch: got {count}, expected 1 to {BATCH} reports.")
    whole = [entry for entry in reports if isinstance(entry, dict)]
    if missing := [name for name in ENTRIES if any(name not in entry for entry in whole)]:
        raise ValueError(
            f"The report is not complete: got none of {', '.join(missing)}, expected every entry "
            "that a search node writes."
        )
    for i, entry in enumerate(reports):
        check_report(entry, f"batch[{i}]" if "batch" in report else "")
    return reports


def decoded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of an event whose particles were decoded, in that order."""
    return [row for row in rows if row.get("failed") != "network"]


def all_failed(rows: list[dict[str, Any]]) -> str:
    """The error for a search whose particles all failed, or all those that it finished."""
    scored = any("failed" not in row for row in rows)
    failed = [r for r in rows if "failed" in r and (not scored or r["kind"] == "finish")]
    which = "finished particles" if scored else "particles"
    return (
        f"All {len(failed)} {which} failed, expected at least one with a finite score. The first "
        f"failed because {CAUSES[failed[0]['failed']]}."
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
    """The report as a JSON-ready dictionary.

    Args:
        method: its key in the registry.
        seed: of the noise.
        settings: report entries of all inputs.
        budget: NFE, seconds and target that limited the search.
        purse: what it spent.
        trace: its rows.
        outcome: its best particles and why it stopped.
        watchdog: what a watchdog spent.
    """
    rows = [trace.by_id[int(p.ids)] for p in outcome.top]
    keys = ("id", "path", "reward", "watchdog", "items")
    top = [{k: row[k] for k in keys if k in row} for row in rows]
    return {
        "version": VERSION,
        "method": method,
        "seed": seed,
        "settings": settings,
        "sigmas": trace.times,
        "budget": budget,
        "spent": spent(purse, watchdog),
        "stopped": outcome.stopped,
        "best": {**top[0], "nfe": trace.by_id[top[0]["id"]]["nfe"]},
        "top": top,
        "trace": trace.rows,
    }


def spent(purse: Purse, watchdog: Purse | None) -> dict[str, Any]:
    """What a search and its watchdog spent, as the report has it."""
    entries: dict[str, Any] = {
        "nfe": purse.nfe,
        "network_calls": purse.network_calls,
        "decodes": purse.counts["decodes"],
        "frames": purse.counts["frames"],
        "rewards": purse.counts["rewards"],
        "seconds": {"total": purse.elapsed, **purse.seconds},
        "gradients": purse.counts["gradients"],
    }
    optional = {"check_nfe": purse.checked}
    optional |= {"fallbacks": purse.counts["fallbacks"], "skipped_nfe": purse.counts["skipped"]}
    optional |= {"model_swaps": purse.counts["swaps"]}
    entries |= {name: count for name, count in optional.items() if count}
    if watchdog is not None:
        counts = {name: watchdog.counts[name] for name in ("decodes", "rewards")}
        seconds = {part: watchdog.seconds[part] for part in ("decode", "reward")}
        entries["watchdog"] = counts | {"seconds": seconds}
    return entries


def unspent(stopped: str, nfe: int, budget: int) -> list[str]:
    """The warning for a search that its budget stopped with a tenth of it or more left.

    Args:
        stopped: why the search ended.
        nfe: spent.
        budget: NFE.
    """
    if stopped != "budget" or nfe > 0.9 * budget:
        return []
    return [
        f"{budget - nfe} of {budget} NFE are left. They are too few for another particle at the "
        "highest price so far."
    ]


def unused(by_model: Mapping[str, int], names: Iterable[str]) -> list[str]:
    """The warnings for second models that nothing was spent on.

    Args:
        by_model: NFE by the name of the model.
        names: of the second models.
    """
    why = {
        "lookahead_model": "The search needed no lookahead.",
        "finish_model": "The search needed no finish.",
        "model_low": "The search called no model below the boundary.",
    }
    return [
        f"{name} was not used: got 0 NFE, expected more. {why[name]}"
        for name in names
        if not by_model.get(name)
    ]


def describe_winners(report: dict[str, Any], root: Callable[[int], int]) -> None:
    """Add to each winner of a report the `start` that it descends from.

    A winner that is returned unfinished, because its finish scored less, also gets the
    `finish_reward`.

    Args:
        report: changed in place.
        root: id of a particle -> id of its start.
    """
    rows = {row["id"]: row for row in report["trace"]}
    finishes: dict[int, dict[str, Any]] = {}
    for row in report["trace"]:
        if row["kind"] == "finish":
            finishes.setdefault(row["parent"], row)
    for winner in (report["best"], *report["top"]):
        winner["start"] = root(winner["id"])
        row = rows[winner["id"]]
        judged_again = row["kind"] == "finish" and finishes[row["parent"]] is not row
        source = row["parent"] if judged_again else row["id"]
        if source in finishes:
            winner["finish_reward"] = finishes[source]["reward"]
