"""The pages made of what quality.py measured: tables and a chart for each model."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import plans
from page import chart
from world import Setting

HERE = Path(__file__).resolve().parent
NOTES = {
    "base": "From 100 NFE on the particle methods have the automatic lookahead, which comes to 4 "
    "for 93 of 100 first particles of this model; `lookahead 0` is without."
}
UNTIMED = (
    " CPU seconds were taken on two machines beside other work and are not to be compared before "
    "`--time` has measured them again."
)
SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0)
Row = dict[str, list[float]]  # for each metric one number a prompt
HEAD = (
    "| method | exact | RSS | shapes agree | diversity | NFE | CPU s | exact, less best of N |\n"
    "|---|---|---|---|---|---|---|---|"
)


def mean_error(values: list[float]) -> tuple[float, float]:
    """Mean and standard error."""
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


def line(name: str, row: Row, base: Row | None) -> str:
    """One row of a table, compared with `base` if that is measured."""
    cells = [mean_error(row[k]) for k in ("exact", "rss", "agreement")]
    text = " | ".join(f"{mean:.3f} ± {error:.3f}" for mean, error in cells)
    gain = "–"
    if base:
        gains = [a - b for a, b in zip(row["exact"], base["exact"], strict=True)]
        gain = "{:+.3f} ± {:.3f}".format(*mean_error(gains))
    diversity, nfe, seconds = (statistics.fmean(row[k]) for k in ("diversity", "nfe", "seconds"))
    return f"| {name} | {text} | {diversity:.3f} | {nfe:.0f} | {seconds:.2f} | {gain} |"


def by_budget(plan: dict[str, Setting], measured: dict[str, Row]) -> dict[str, dict[int, Row]]:
    """Method -> budget -> row, of the rows that plan.searches names at every budget."""
    found: dict[str, dict[int, Row]] = {}
    for name, setting in plan.items():
        method = name.split(" ", 1)[1]
        plain = method == "best of N" or method.endswith("VP-SDE") or " " not in method
        if plain and repr(setting) in measured:
            found.setdefault(method, {})[setting.budget] = measured[repr(setting)]
    return {method: rows for method, rows in found.items() if len(rows) > 1}


def at_seconds(rows: dict[int, Row], seconds: float) -> tuple[float, float] | None:
    """Exactness at equal CPU time, between the two budgets around it, linear in log time.

    A budget that takes longer than one that finds more is left out.
    """
    steps: list[tuple[float, list[float]]] = []
    for own in sorted((statistics.fmean(row["seconds"]), row["exact"]) for row in rows.values()):
        if not steps or statistics.fmean(own[1]) > statistics.fmean(steps[-1][1]):
            steps.append(own)
    for (low, before), (high, after) in zip(steps, steps[1:], strict=False):
        if low <= seconds <= high:
            share = math.log(seconds / low) / math.log(high / low)
            return mean_error([a + share * (b - a) for a, b in zip(before, after, strict=True)])
    return None


def equal_seconds(methods: dict[str, dict[int, Row]]) -> str:
    """The second table: every method at equal CPU time a picture."""
    lines = [
        f"| exact at | {' | '.join(f'{s:g} s' for s in SECONDS)} |",
        "|---" * (len(SECONDS) + 1) + "|",
    ]
    for method, rows in methods.items():
        cells = [at_seconds(rows, s) for s in SECONDS]
        shown = (f"{c[0]:.3f} ± {c[1]:.3f}" if c else "–" for c in cells)
        lines.append(f"| {method} | {' | '.join(shown)} |")
    return "\n".join(lines)


def write(weights: str, plan: dict[str, Setting], measured: dict[str, Row]) -> None:
    """quality_<weights>.md and its chart, of the plan's rows that have been measured."""
    done = {name: setting for name, setting in plan.items() if repr(setting) in measured}
    timed = all("timed" in measured[repr(setting)] for setting in done.values())
    lines = [
        line(name, measured[repr(s)], measured.get(repr(plans.base_of(s.budget, weights))))
        for name, s in done.items()
    ]
    mixed = "\n\nSome rows were decoded in bfloat16, others in float32: counts agree on 199 of 200."
    page = [
        f"# Searches on the demo model `{weights}`",
        f"    python benchmarks/quality.py --weights {weights}",
        f"{len(done)} of {len(plan)} rows of plans.py are measured; names begin with the NFE. "
        + NOTES.get(weights, "")
        + ("" if timed else UNTIMED)
        + mixed,
        "\n".join([HEAD, *lines]),
    ]
    methods = by_budget(plan, measured)
    if methods:
        series = {
            name: [mean_error(rows[b]["exact"]) if b in rows else None for b in plans.BUDGETS]
            for name, rows in methods.items()
        }
        drawn = chart(f"Exactly right, {weights}", plans.BUDGETS, series, "NFE", "exact (± se)")
        (HERE / "plots" / f"quality-{weights}.svg").write_text(drawn)
        page.append(f"![quality](plots/quality-{weights}.svg)")
    if methods and timed:
        page += [
            "## At equal time",
            "CPU seconds a picture, network, decoder and reward together, between the budgets "
            "measured. The demo model's network is cheap beside its decoder and reward, so this "
            "table favours methods that score little; with a large model NFE decide.",
            equal_seconds(methods),
        ]
    (HERE / f"quality_{weights}.md").write_text("\n\n".join(page) + "\n")
