"""The rows of the tables of gradients.py, and how they are written."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, replace

from .world import Setting

METRICS = ("reward", "exact", "agree", "diversity", "nfe", "gradients", "seconds")


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        method: a key of SEARCHES, or `alone` for one sample.
        budget: NFE.
        steps: of the schedule.
        guidance: none, dps or x0.
        strength: of the guidance.
        schedule: of the strength.
    """

    method: str
    budget: int = 50
    steps: int = 10
    guidance: str = "none"
    strength: float = 0.0
    schedule: str = "relative"

    @property
    def name(self) -> str:
        return self.method if self.guidance == "none" else f"{self.method} + {self.guidance}"

    def setting(self) -> Setting:
        """The search with the settings of the model's own table."""
        options = (("init_particles", self.budget // 4),) if self.method == "rbf" else ()
        method = "best_of_n" if self.method == "alone" else self.method
        return Setting(
            method, self.budget, self.steps, finish=2, kernel="eta", norm=1.0, options=options
        )


# Chosen by the sweep: the largest strength at which `agree` does not fall, and the best reward's.
CAREFUL, STRONG = {"dps": 0.25, "x0": 0.25}, {"dps": 2.0, "x0": 1.0}
LONG = {"dps": {"budget": 50, "steps": 24}, "x0": {"budget": 50, "steps": 48}}  # of one sample


def guided(row: Row, strengths: dict[str, float]) -> list[Row]:
    return [replace(row, guidance=kind, strength=s) for kind, s in strengths.items()]


def sweep(kept: dict) -> list[Row]:
    """RBF with every schedule at several strengths."""
    tried = {
        "relative": (0.25, 0.5, 1.0, 2.0, 4.0),
        "theory": (1.0, 10.0, 100.0),
        "tempered": (1.0, 10.0),
        "velocity": (0.05, 0.1, 0.3),
    }
    rows = [base := Row("rbf", 50)]
    for kind in ("dps", "x0"):
        rows += [
            replace(base, guidance=kind, strength=s, schedule=n)
            for n, v in tried.items()
            for s in v
        ]
    return rows


def equal_nfe(kept: dict) -> list[Row]:
    """Searches at 50 NFE, and single samples."""
    alone, searches = Row("alone", 12), (Row("svdd"), Row("rbf"))
    rows = [Row("best_of_n"), alone, *guided(alone, CAREFUL), *guided(alone, STRONG)]
    rows += [replace(row, **LONG[row.guidance]) for row in guided(alone, STRONG)]
    for row in searches:
        rows += [row, *guided(row, CAREFUL), *guided(row, STRONG)]
    for row in (Row("best_of_n"), *searches):
        rows.append(replace(row, guidance="x0", strength=0.1, schedule="velocity"))
    return rows


def equal_seconds(kept: dict) -> list[Row]:
    """Rows as long as RBF + DPS at 50 NFE: the NFE grow by the seconds that `kept` has."""
    alone, svdd, rbf = Row("alone", 12), Row("svdd"), Row("rbf")
    seconds = statistics.fmean(kept[key("nfe", guided(rbf, CAREFUL)[0])]["seconds"])

    def buy(row: Row) -> Row:
        more = seconds / statistics.fmean(kept[key("nfe", row)]["seconds"])
        if row.method == "alone":  # a finer one
            return replace(row, steps=round(row.steps * more))
        return replace(row, budget=round(row.budget * more))

    single = [replace(row, **LONG[row.guidance]) for row in guided(alone, STRONG)]
    rows = [Row("best_of_n"), *single, svdd, *guided(svdd, CAREFUL), rbf, *guided(rbf, CAREFUL)]
    return [buy(row) for row in rows]


TABLES = {"nfe": equal_nfe, "seconds": equal_seconds, "sweep": sweep}
SEEDS = {"nfe": 2, "seconds": 2, "sweep": 0}  # of the prompts


def cell(values: list[float], sign: str = "") -> str:
    """Mean and standard error."""
    error = statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.fmean(values):{sign}.3f} ± {error:.3f}"


def key(table: str, row: Row) -> str:
    return f"{table} {row!r}"


def unguided(table: str, row: Row, rows: list[Row]) -> str:
    """The key of the row to compare with: the same method unguided, for `alone` that of 12 NFE.

    Args:
        table: a key of TABLES.
        row: the row.
        rows: all rows of the table.
    """
    if row.method == "alone":
        return key("nfe", Row("alone", 12))
    return key(table, next(r for r in rows if r.method == row.method and not r.strength))


def line(table: str, row: Row, rows: list[Row], kept: dict[str, dict]) -> str:
    """One row of a table; differences are paired by prompt.

    Args:
        table: a key of TABLES.
        row: the row.
        rows: all rows of the table.
        kept: all measurements.
    """
    guidance = f"{row.schedule} {row.strength:g}" if row.strength else "–"
    values, base = kept[key(table, row)], kept[unguided(table, row, rows)]
    means = {k: statistics.fmean(values[k]) for k in METRICS}
    diversity = f"{means['diversity']:.3f}" if means["diversity"] else "–"
    cells = [cell(values[k]) for k in ("reward", "exact", "agree")]
    for metric in ("reward", "agree"):
        gains = [a - b for a, b in zip(values[metric], base[metric], strict=True)]
        cells.append(cell(gains, sign="+") if row.strength else "–")
    return (
        f"| {row.name} | {guidance} | {means['nfe']:.0f} | {means['gradients']:.0f} "
        f"| {' | '.join(cells)} | {diversity} | {means['seconds']:.2f} |"
    )


NAMES = ("method", "schedule, strength", "NFE", "gradients", "reward", "exact", "agree")
GAINS = ("reward, less unguided", "agree, less unguided", "diversity", "CPU s")
HEAD = f"| {' | '.join(NAMES + GAINS)} |\n|{'---|' * len(NAMES + GAINS)}"
