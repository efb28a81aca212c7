"""The format of a report: each entry with its type and range (version 1).

The tests of the writer and all readers use this description. Other entries are allowed within the
limits of json_values, so that newer reports can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

from ...samplers.lineage import origins
from ...samplers.types import SCORED
from ..json_values import WHOLE, at, short, written

Check = Callable[[Any, str], None]  # (value, its name) -> None, or raises ValueError

IDS = (1 << 31) - 1
SIGMAS = 100_000
BATCH = 4096  # the host's largest batch
LOOKAHEAD = 10_000
COLUMNS = 64  # names in the rows of a trace
ITEMS = 1024  # of one image
CAUSES = {  # of a failed particle
    "network": "the network's prediction was not finite",
    "decode": "the decoded image was not finite",
    "reward": "the reward was not a finite number",
}


def wrong(name: str, value: Any, expected: str) -> ValueError:
    """The error for an entry that is not as expected.

    Args:
        name: of the entry.
        value: of the entry.
        expected: the type and range that it should have.
    """
    return ValueError(f"Report entry {name}: got {short(value)}, expected {expected}.")


def whole(low: int, high: int) -> Check:
    """A whole number."""

    def check(value: Any, name: str) -> None:
        if type(value) is not int or not low <= value <= high:
            raise wrong(name, value, f"a whole number from {low} to {high}")

    return check


def real(low: float, high: float) -> Check:
    """A number."""

    def check(value: Any, name: str) -> None:
        if type(value) not in (int, float) or not low <= value <= high:
            raise wrong(name, value, f"a number from {low:g} to {high:g}")

    return check


def word(most: int) -> Check:
    """A text in one line."""

    def check(value: Any, name: str) -> None:
        if not isinstance(value, str) or len(value) > most or not value.isprintable():
            raise wrong(name, value, f"a text in one line of at most {most} characters")

    return check


def one_of(*choices: Any) -> Check:
    """One of some values."""

    def check(value: Any, name: str) -> None:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise wrong(name, value, f"one of {', '.join(map(repr, choices))}")

    return check


def maybe(inner: Check) -> Check:
    """`inner`, or null."""

    def check(value: Any, name: str) -> None:
        if value is not None:
            inner(value, name)

    return check


def each(inner: Check, least: int, most: int) -> Check:
    """A list.

    Args:
        inner: check of each entry.
        least: minimum number of entries.
        most: maximum number of entries.
    """

    def check(value: Any, name: str) -> None:
        if not isinstance(value, list):
            raise wrong(name, value, "a list")
        if not least <= len(value) <= most:
            raise ValueError(
                f"Report entry {name}: got {len(value)} entries, expected {least} to {most}."
            )
        for i, entry in enumerate(value):
            inner(entry, f"{name}[{i}]")

    return check


def record(needed: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with needed and optional entries. Other entries are any JSON within the limits."""
    checks = {**needed, **(optional or {})}

    def check(value: Any, name: str) -> None:
        if not isinstance(value, dict):
            raise wrong(name, value, "an object of named entries")
        if missing := [key for key in needed if key not in value]:
            raise wrong(name, value, f"an object with {', '.join(missing)}")
        for key, entry in value.items():
            checks.get(key, written)(entry, at(name, key))

    return check


COUNT = whole(0, WHOLE)
ID = whole(0, IDS)
REWARD = real(-1e300, 1e300)  # the difference of two stays finite
SECONDS = real(0.0, 1e12)
TIME = real(0.0, 1.0)
FLAG = one_of(True, False)
STEP = whole(0, SIGMAS)

ROW: dict[str, Check] = {
    "id": ID,
    "parent": maybe(ID),
    "path": ID,
    "step": STEP,
    "t": TIME,
    "kind": one_of(*SCORED),
    "reward": maybe(REWARD),
    "accepted": FLAG,
    "nfe": COUNT,
}
ITEM = record({"question": word(1000), "answer": word(1000), "p": maybe(real(0.0, 1.0))})
WATCHED: dict[str, Check] = {"watchdog": maybe(REWARD), "items": each(ITEM, 0, ITEMS)}
MAYBE_ROW: dict[str, Check] = {
    **WATCHED,
    "quota": COUNT,
    "log_w": maybe(REWARD),
    "failed": one_of(*CAUSES),
}
WINNER = {"id": ID, "path": ID, "reward": REWARD}
MAYBE_WINNER: dict[str, Check] = {**WATCHED, "start": ID, "finish_reward": maybe(REWARD)}
MODELS = ("model", "lookahead_model", "finish_model", "model_low")
SPENT: dict[str, Check] = {
    **dict.fromkeys(("network_calls", "decodes", "frames", "rewards", "gradients"), COUNT),
    **dict.fromkeys(("fallbacks", "micro_batch", "discarded_nfe", "check_nfe"), COUNT),
    "skipped_nfe": COUNT,
    "model_swaps": COUNT,
    "lookahead": whole(-1, LOOKAHEAD),
    "nfe_by_model": record({}, dict.fromkeys(MODELS, COUNT)),
}
BUDGET: dict[str, Check] = {
    "seconds": maybe(SECONDS),
    "target_reward": maybe(REWARD),
}
NEEDED: dict[str, Check] = {
    "method": word(64),
    "seed": whole(-WHOLE, WHOLE),
    "settings": record({}, {"lookahead": whole(-1, LOOKAHEAD)}),
    "sigmas": each(TIME, 2, SIGMAS),
    "spent": record({"nfe": COUNT, "seconds": record({"total": SECONDS})}, SPENT),
    "best": record(WINNER | {"nfe": COUNT}, MAYBE_WINNER),
    "stopped": word(64),
    "trace": each(record(ROW, MAYBE_ROW), 1, IDS),
}
REPORT = record(
    NEEDED,
    {
        "version": one_of(1),
        "budget": record({"nfe": real(0.0, 1e20)}, BUDGET),
        "top": each(record(WINNER | {"reward": maybe(REWARD)}, MAYBE_WINNER), 1, IDS),
        "lineage": lambda value, name: origins(value),
        "chosen": record({"why": word(1000)}, {"method": word(64), "ode_steps": whole(1, SIGMAS)}),
        "plain": record({"reward": maybe(REWARD), "nfe": COUNT}, {"id": ID}),
        "image": whole(0, BATCH - 1),
        "maximum": maybe(REWARD),
        "shape": each(whole(1, 1 << 20), 1, 8),
        "cfg": real(-1e9, 1e9),
        "conditioning": word(64),
        "latent": word(64),
        "warnings": each(word(1000), 0, 16),
    },
)
ENTRIES = tuple(NEEDED)


def check_report(report: Any, name: str = "") -> None:
    """Raise a ValueError unless a search can have written this report.

    Entries have their types and ranges. Ids are unique, parents have smaller ids, and times fall.
    There are no more rows than the NFE paid for, and the results are in the trace.
    """
    REPORT(report, name)
    _check_times(report["sigmas"], at(name, "sigmas"))
    by_id = _check_trace(report, at(name, "trace"))
    for i, winner in enumerate([report["best"], *report.get("top", [])]):
        _check_winner(winner, by_id, at(name, f"top[{i - 1}]" if i else "best"))
    last = len(report["sigmas"]) - 1
    for i, origin in enumerate(report.get("lineage", [])):
        if origin.get("step", 0) > last:
            where = at(name, f"lineage[{i}].step")
            raise wrong(where, origin["step"], f"at most {last}, the last of sigmas")


def _check_times(sigmas: list[float], name: str) -> None:
    for i, (t, s) in enumerate(pairwise(sigmas), 1):
        if s >= t:
            raise wrong(f"{name}[{i}]", s, f"less than the {t:g} before it")


def _check_winner(winner: dict[str, Any], by_id: dict[int, Any], name: str) -> None:
    row = by_id.get(winner["id"])
    if row is None:
        raise wrong(f"{name}.id", winner["id"], "the id of a row in the trace")
    for key in winner.keys() & {"path", "reward", "nfe"}:
        if winner[key] != row[key]:
            raise wrong(f"{name}.{key}", winner[key], f"{row[key]}, as in its row of the trace")


def _check_trace(report: dict[str, Any], name: str) -> dict[int, dict[str, Any]]:
    """The rows by id."""
    rows, spent, last = report["trace"], report["spent"]["nfe"], len(report["sigmas"]) - 1
    paid = sum(row["kind"] != "finish" for row in rows)
    finishes = len(rows) - paid - ("plain" in report)  # the plain image's row has the kind finish
    if paid > spent or finishes > 2 * paid:  # a finish may add a second row
        raise ValueError(
            f"Report entry {name}: got {paid} rows, {finishes} finishes and {spent} NFE, expected "
            "at most one row per NFE, two finishes per row."
        )
    by_id: dict[int, dict[str, Any]] = {}
    columns: set[str] = set()
    for i, row in enumerate(rows):
        where = f"{name}[{i}]"
        if row["id"] in by_id:
            raise wrong(f"{where}.id", row["id"], "an id that no earlier row has")
        if row["parent"] is not None and row["parent"] >= row["id"]:
            raise wrong(f"{where}.parent", row["parent"], f"an id below {row['id']}, or null")
        if row["step"] > last:
            raise wrong(f"{where}.step", row["step"], f"at most {last}, the last of sigmas")
        if row["nfe"] > spent:
            raise wrong(f"{where}.nfe", row["nfe"], f"at most {spent}, the NFE spent")
        by_id[row["id"]] = row
        columns.update(row)
    if len(columns) > COLUMNS:
        raise wrong(f"{name}, names in all rows", len(columns), f"at most {COLUMNS}")
    return by_id
