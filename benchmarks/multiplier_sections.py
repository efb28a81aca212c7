"""The parts of docs/results.md about one model on one set: charts, claims and tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from . import interval_chart
from . import multiplier_claims as said
from .band_chart import Point, chart
from .best_of_n_curve import Curve, bootstrap, interval
from .multiplier_plan import FLUX_PRICES
from .multiplier_tables import RESAMPLES, Cell, Measured

AT = (10, 25, 50, 100, 200, 500, 1000, 2000)  # NFE of the table of best of N
CHART_NOTE = "Bands and bars hold 95 %. Methods at one budget are set a little apart."
WORTH_NOTE = """\
A dot is the multiplier, a line its interval. An arrow means that the interval goes on, or that no
curve of best of N goes so high."""
TABLES_NOTE = """\
In CPU seconds network, decoder and reward are included. The decoder takes most of the demo model's
time. On `fast` and `base` each method and budget was timed by itself, on three prompts of the set
(`multiplier.py seconds`). On `eps` and `v` seconds were taken next to other work on the machine.

At the prices of FLUX the multiplier is in seconds on a large model. They are reckoned from the
counts of evaluations, decodes and scores. An evaluation takes 1.2 s, a decode 0.05 s with TAESD or
0.25 s with the full VAE."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


REGRET_NOTE = """\
The best of several methods looks better than it is. So `auto` has some regret even among equals.
Where the number is negative, `auto` is the best."""
# What auto chooses on a model, by its rule.
CHOSEN = {
    "fast": "`auto` runs `SVDD` at 25 and 50 NFE here, and `RBF` at 100 and 200.",
    "base": "`auto` runs `regional paths` here. Only the first time differs: it is 0.993, not 1.",
}


def claims(result: Measured, name: str) -> list[str]:
    """What one model shows on one set: charts, and claims that are computed from the rows.

    Args:
        result: what was measured.
        name: of its charts.
    """
    chart = f"![Right results by NFE](plots/multiplier-{name}.svg)"
    if not result.cells:
        return [f"## `{result.weights}`, {result.name} prompts: best of N alone", chart]
    parts = [f"## {said.heading(result)}", chart, CHART_NOTE]
    if not said.at_main_budget(result):
        return [*parts, said.doubts(result)]
    at = dict.fromkeys((said.at_main_budget(result)[0].budget,))
    heights = {x: y for nfe in at for x, y, *_ in curve_points(result, result.draws, [nfe])}
    parts += [said.best_rates(result, heights), verdict_table(result), *said.lead_claim(result)]
    for method in said.NAMED:
        parts += said.method_claim(result, method)
    parts += regret_table(result)
    parts += [*said.seconds_claim(result), f"![Multipliers](plots/worth-{name}.svg)", WORTH_NOTE]
    return [*parts, "### What these rows do not show", said.doubts(result)]


def verdict_table(result: Measured) -> str:
    head = ("NFE", said.AHEAD, said.LEVEL, said.BEHIND, said.FEW)
    return table(head, said.verdicts(result))


def regret_table(result: Measured) -> list[str]:
    """What auto loses to the best other method; nothing if it was not run."""
    head = ("NFE", "best other method", "right more often than auto", "prompts")
    rows = said.regrets(result)
    if not rows:
        return []
    chosen = [CHOSEN[result.weights]] if result.weights in CHOSEN else []
    return ["### The regret of `auto`", REGRET_NOTE, *chosen, table(head, rows)]


def tables(result: Measured) -> list[str]:
    """Every number of one model on one set.

    Args:
        result: what was measured.
    """
    about = f"`{result.weights}`, {result.name} prompts"
    parts = [f"### {about}: best of N", best_of_n_table(result)]
    if result.cells:
        parts += [f"### {about}: at equal NFE", nfe_table(result.cells)]
        parts += [f"### {about}: at equal CPU seconds", seconds_table(result.cells)]
        parts += [f"### {about}: at the prices of FLUX", flux_table(result.cells)]
    return parts


def curve_points(result: Measured, steps: Iterable[int], numbers: Sequence[int]) -> list[Point]:
    """Points of best of N by NFE, at its best number of steps, where samples suffice.

    Where a curve ends, the height that it reached stays.

    Args:
        result: what was measured.
        steps: numbers of steps to choose from.
        numbers: NFE.
    """
    weights, points = bootstrap(len(result.sampled), RESAMPLES), []
    curves = [Curve.of([result.draws[s][n] for n in result.sampled], s) for s in steps]
    means = [(int(curve.price), curve.mean(weights)) for curve in curves]
    highest = np.zeros(RESAMPLES)
    for nfe in numbers:
        values = [m[:, nfe // s] for s, m in means if 0 < nfe // s < m.shape[1]]
        if values:
            highest = np.maximum(highest, np.max(values, axis=0))
            points.append((nfe, float(highest[0]), *interval(highest)))
    return points


def best_of_n_table(result: Measured) -> str:
    """Success by NFE for each number of steps."""
    rows = []
    for steps, samples in result.draws.items():
        some = [samples[n] for n in result.sampled]
        n = sum(draws.n for draws in some)
        plain = sum(draws.right() for draws in some) / n
        by_reward = sum(draws.reward_right() for draws in some) / n
        points = {x: f"{y:.2f} ({a:.2f} to {b:.2f})" for x, y, a, b in
                  curve_points(result, [steps], AT)}  # fmt: skip
        cells = (points.get(nfe, "–") for nfe in AT)
        fewest = f"{min(draws.n for draws in some)}"
        rows.append((str(steps), fewest, f"{plain:.3f}", f"{by_reward:.3f}", *cells))
    head = ("steps", "samples a prompt", "one is right", "by the reward", *map("{} NFE".format, AT))
    return f"{len(result.sampled)} prompts. {agreement(result)}\n\n" + table(head, rows)


def agreement(result: Measured) -> str:
    """Two sentences on how often the reward and the reader call the same samples right."""
    draws = [samples[n] for samples in result.draws.values() for n in result.sampled]
    right, by_reward = sum(d.right() for d in draws), sum(d.reward_right() for d in draws)
    both = sum(d.both_right() for d in draws)
    return (
        f"Of {sum(d.n for d in draws)} samples the reward calls {by_reward} right, and the reader "
        f"agrees on {both} of them. The reader calls {right} right."
    )


def nfe_table(cells: list[Cell]) -> str:
    """Success and multiplier of each method and budget."""
    head = ("NFE", "method", "prompts, runs", "right", "by the reward", "multiplier",
            "multiplier by the reward", "NFE spent",
            "NFE until the reward is right")  # fmt: skip
    return table(head, map(nfe_row, cells))


def nfe_row(cell: Cell) -> tuple[str, ...]:
    first = np.where(cell.column("first") > 0, cell.column("first"), cell.column("nfe"))
    return (
        str(cell.budget),
        cell.method,
        f"{len(cell.prompts)}, {len(cell.runs)}",
        with_error(cell.success()),
        with_error(cell.success(by_reward=True)),
        cell.in_nfe().text(),
        cell.in_nfe(by_reward=True).text(),
        f"{cell.means('nfe').mean():.0f}",
        f"{cell.by_prompt(first).mean():.0f}",
    )


def with_error(values: np.ndarray) -> str:
    """Mean and standard error over prompts."""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():.3f} ± {error:.3f}"


def seconds_table(cells: list[Cell]) -> str:
    head = ("NFE", "method", "CPU s", "decodes", "multiplier")
    rows = (
        (
            str(cell.budget),
            cell.method,
            f"{cell.seconds().mean():.1f}",
            f"{cell.means('decodes').mean():.0f}",
            cell.in_seconds().text(),
        )
        for cell in cells
    )
    return table(head, rows)


def flux_table(cells: list[Cell]) -> str:
    head = ("NFE", "method", *(flux.name for flux in FLUX_PRICES))
    rows = (
        (str(cell.budget), cell.method, *(cell.at_prices(flux).text() for flux in FLUX_PRICES))
        for cell in cells
    )
    return table(head, rows)


def sheet(result: Measured) -> str:
    """The chart of success by NFE."""
    numbers = [round(10 * 2 ** (i / 4)) for i in range(31)]  # to 1810
    series = {"best of N": curve_points(result, result.draws, numbers)}
    names = dict.fromkeys(cell.method for cell in result.cells if cell.method != "best of N")
    for i, name in enumerate(names):
        apart = 1.03 ** (i - len(names) / 2)
        series[name] = [
            (cell.budget * apart, float(values[0]), *interval(values))
            for cell in result.cells
            if cell.method == name
            for values in [cell.weights @ cell.success()]
        ]
    return chart(f"Right results, {result.weights}, {result.name} prompts", "NFE", "right", series)


def worth_sheet(result: Measured) -> str:
    """The chart of multipliers at the main budget, in three currencies."""
    cells = said.at_main_budget(result)
    rows = {cell.method: [cell.in_nfe(), cell.in_seconds(), cell.at_prices(said.DEAREST)]
            for cell in cells}  # fmt: skip
    labels = ("in NFE", "in CPU seconds", f"at FLUX prices, {said.DEAREST.name}")
    marks = {name: [e.capped() for e in row] for name, row in rows.items()}
    title = f"{result.weights}, {result.name} prompts, {cells[0].budget} NFE"
    return interval_chart.chart(f"What a method is worth: {title}", labels, marks)
