"""The pages that quality.py makes: tables and a chart for each model."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

from . import plans
from .line_chart import chart
from .world import Setting

DOCS = Path(__file__).resolve().parents[1] / "docs"
NOTES = {
    "base": "From 100 NFE on the particle methods have the automatic lookahead, which comes to 4 "
    "for 93 of 100 first particles of this model; `lookahead 0` is without. When these rows were "
    "made, such a search paid 5 NFE more for its look."
}
UNTIMED = (
    " CPU seconds were taken on two machines beside other work and are not to be compared before "
    "`--time` has measured them again."
)
ORDER_NOTE = (
    "The paper's order, from best to worst, is RBF, SVDD, CoDe, SMC, best of N. For steps it is "
    "VP-SDE, linear SDE, ODE. The tables have paired differences in exactly right results."
)
TIME_NOTE = (
    "CPU seconds of an image: network, decoder and reward together. Times between the measured "
    "rows are interpolated. Best of N has its best number of steps for each time. The demo "
    "model's network is cheap next to its decoder and reward, so this table favours methods "
    "that score little. With a large model NFE decide."
)
SECONDS = (0.25, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
ORDER = ("rbf, VP-SDE", "svdd, VP-SDE", "code, VP-SDE", "smc, VP-SDE", "best of N")  # the paper's
NAMES = {"rbf": "RBF", "svdd": "SVDD", "code": "CoDe", "smc": "SMC"}
KINDS = ("VP-SDE", "linear SDE", "linear ODE")  # its order of steps
Row = dict[str, list[float]]  # for each metric one number a prompt
HEAD = (
    "| method | exact | RSS | shapes agree | diversity | NFE | CPU s | exact, less best of N |\n"
    "|---|---|---|---|---|---|---|---|"
)


def mean_error(values: list[float]) -> tuple[float, float]:
    """Mean and standard error."""
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


def gain(values: list[float]) -> str:
    mean, error = mean_error(values)
    return f"{round(mean, 3) + 0.0:+.3f} ± {error:.3f}"  # not -0.000


def line(name: str, row: Row, base: Row | None) -> str:
    """One row of a table.

    Args:
        name: in its first cell.
        row: the measurements.
        base: those to compare with; None if they are not there.
    """
    cells = [mean_error(row[k]) for k in ("exact", "rss", "agreement")]
    text = " | ".join(f"{mean:.3f} ± {error:.3f}" for mean, error in cells)
    less = gain([a - b for a, b in zip(row["exact"], base["exact"], strict=True)]) if base else "–"
    diversity = "{:.3f} ± {:.3f}".format(*mean_error(row["diversity"]))
    seconds = "{:.2f} ± {:.2f}".format(*mean_error(row["seconds"]))
    nfe = statistics.fmean(row["nfe"])
    return f"| {name} | {text} | {diversity} | {nfe:.0f} | {seconds} | {less} |"


def by_budget(plan: dict[str, Setting], measured: dict[str, Row]) -> dict[str, dict[int, Row]]:
    """Method -> budget -> row, for the methods that plans.searches has at every budget."""
    by_method: dict[str, dict[int, Row]] = {}
    for name, setting in plan.items():
        method = name.split(" ", 1)[1]
        plain = method == "best of N" or method.endswith("VP-SDE") or " " not in method
        if plain and repr(setting) in measured:
            by_method.setdefault(method, {})[setting.budget] = measured[repr(setting)]
    return {method: rows for method, rows in by_method.items() if len(rows) > 1}


def at_seconds(rows: list[Row], seconds: float) -> tuple[float, float] | None:
    """Exactness at a CPU time: between the two rows around it, linear in log time.

    A row is left out if a faster one is more exact.
    """
    steps: list[tuple[float, list[float]]] = []
    for step in sorted((statistics.fmean(row["seconds"]), row["exact"]) for row in rows):
        if not steps or statistics.fmean(step[1]) > statistics.fmean(steps[-1][1]):
            steps.append(step)
    for (low, before), (high, after) in zip(steps, steps[1:], strict=False):
        if low <= seconds <= high:
            share = math.log(seconds / low) / math.log(high / low)
            return mean_error([a + share * (b - a) for a, b in zip(before, after, strict=True)])
    return None


def equal_seconds(methods: dict[str, list[Row]]) -> str:
    """The table at equal CPU time an image, with the times that half of the methods reached."""
    columns = [
        (s, values)
        for s in SECONDS
        if sum(map(bool, values := [at_seconds(rows, s) for rows in methods.values()]))
        >= len(methods) / 2
    ]
    lines = [
        f"| exact at | {' | '.join(f'{s:g} s' for s, _ in columns)} |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for i, method in enumerate(methods):
        cells = [values[i] for _, values in columns]
        shown = (f"{c[0]:.3f} ± {c[1]:.3f}" if c else "–" for c in cells)
        lines.append(f"| {method} | {' | '.join(shown)} |")
    return "\n".join(lines)


def links(rows: list[Row | None]) -> list[str]:
    """Each row's exactness less the next one's, paired; "–" if one of them is not measured."""
    cells = []
    for a, b in zip(rows, rows[1:], strict=False):
        pair = a and b and [x - y for x, y in zip(a["exact"], b["exact"], strict=True)]
        cells.append(gain(pair) if pair else "–")
    return cells


def order(plan: dict[str, Setting], measured: dict[str, Row]) -> str:
    """Two tables: whether the paper's order of methods, and of steps, holds."""

    def row(name: str) -> Row | None:
        return measured.get(repr(plan[name])) if name in plan else None

    def table(head: list[str], rows: dict[object, list[Row | None]]) -> str:
        lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
        return "\n".join(lines + [f"| {n} | {' | '.join(links(row))} |" for n, row in rows.items()])

    budgets = {b: [row(f"{b:03} {method}") for method in ORDER] for b in plans.BUDGETS}
    steps = {NAMES[m]: [row(f"100 {m}, {kind}") for kind in KINDS] for m in plans.PARTICLE_METHODS}
    return "\n\n".join(
        (
            table(["NFE", "RBF - SVDD", "SVDD - CoDe", "CoDe - SMC", "SMC - best of N"], budgets),
            table(["at 100 NFE", "VP-SDE - linear SDE", "linear SDE - ODE"], steps),
        )
    )


def heading(weights: str, about: dict) -> str:
    """The paragraph about all rows."""
    common = plans.COMMON[plans.model(weights)]
    return (
        f"{about['prompts']} held-out prompts (prompt seed {about['prompt_seed']}) x "
        f"{about['seeds']} seeds a row. ± is the standard error over prompts. Seconds are of "
        f"{plans.TIMED} of the prompts with one seed. For the verifier threshold, which stops by "
        f"itself, they are of all prompts. VP-SDE has the kernel {common['kernel']} with a "
        f"diffusion_norm of {common['norm']:g}, and 10 steps where no other number is named. Then "
        f"the best {common['top_k']} are finished in {common['finish']} steps. RBF has budget / "
        f"{plans.STARTS[plans.model(weights)]} starts."
    )


def write(weights: str, about: dict, plan: dict[str, Setting], measured: dict[str, Row]) -> None:
    """Write docs/quality_<weights>.md and its chart.

    Args:
        weights: fast or base.
        about: prompts and seeds.
        plan: name -> setting of all rows.
        measured: the rows that have been measured.
    """
    text, drawn = page(weights, about, plan, measured)
    (DOCS / f"quality_{weights}.md").write_text(text, "utf-8", newline="\n")
    if drawn:
        (DOCS / "plots" / f"quality-{weights}.svg").write_text(drawn, "utf-8", newline="\n")


def page(
    weights: str, about: dict, plan: dict[str, Setting], measured: dict[str, Row]
) -> tuple[str, str | None]:
    """The page, and its chart if enough rows are measured.

    Args:
        weights: fast or base.
        about: prompts and seeds.
        plan: name -> setting of all rows.
        measured: the rows that have been measured.
    """
    done = {name: setting for name, setting in plan.items() if repr(setting) in measured}
    timed = all("timed" in measured[repr(setting)] for setting in done.values())
    mixed = "\n\nSome rows were decoded in bfloat16, others in float32: counts agree on 199 of 200."
    parts = [
        f"# Searches on the demo model `{weights}`",
        f"    python benchmarks/quality.py --weights {weights}",
        heading(weights, about),
        f"{len(done)} of {len(plan)} rows of plans.py are measured. Names begin with the NFE. "
        + NOTES.get(weights, "")
        + ("" if timed else UNTIMED)
        + mixed,
    ]
    methods, drawn = by_budget(plan, measured), None
    if methods:
        drawn = sheet(weights, methods)
        parts.insert(2, f"![Exactly right, by NFE](plots/quality-{weights}.svg)")
        parts += ["## The paper's order", ORDER_NOTE, order(plan, measured)]
    if methods and timed:
        by_method = {method: list(rows.values()) for method, rows in methods.items()}
        plain = {n: s for n, s in done.items() if "best of N" in n and not s.finish}
        by_method["best of N"] = [measured[repr(s)] for s in plain.values()]
        parts += ["## At equal time", TIME_NOTE, equal_seconds(by_method)]
    parts += ["## All rows", all_rows(weights, done, measured)]
    return "\n\n".join(parts) + "\n", drawn


def all_rows(weights: str, done: dict[str, Setting], measured: dict[str, Row]) -> str:
    """The table of all measured rows.

    Args:
        weights: fast or base.
        done: name -> setting of these rows.
        measured: their measurements.
    """
    lines = [
        line(name, measured[repr(s)], measured.get(repr(plans.base_of(s.budget, weights))))
        for name, s in done.items()
    ]
    return "\n".join([HEAD, *lines])


def sheet(weights: str, methods: dict[str, dict[int, Row]]) -> str:
    """The chart of exactness by budget."""
    series = {
        name: [mean_error(rows[b]["exact"]) if b in rows else None for b in plans.BUDGETS]
        for name, rows in methods.items()
    }
    return chart(f"Exactly right, {weights}", plans.BUDGETS, series, "NFE", "exact (± se)")
