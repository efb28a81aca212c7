"""docs/results.md and its charts, from what multiplier.py measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from . import prompt_sets
from .band_chart import Point, chart
from .best_of_n_curve import Curve, bootstrap, interval
from .multiplier_plan import BUDGETS, FLUX_PRICES, plan
from .multiplier_tables import RESAMPLES, Cell, Measured, measured
from .world import ROOT

DOCS = ROOT / "docs"
ACCURACY = ROOT / "benchmarks" / "results" / "reader_accuracy.json"
MODELS, SETS = ("fast", "base"), ("hard", "medium", "easy")
AT = (10, 25, 50, 100, 200, 500, 1000, 2000)  # NFE of the table of best of N
FULL = {"prompts": 60, "seeds": 3, "draws": 1000}  # what is to be run of each set
COMMAND = "python benchmarks/multiplier.py"
INTRO = f"""\
# What a search is worth

    {COMMAND} write

A search is right if its result shows exactly what the prompt names, each count of colour and shape.
The *multiplier* of a method at a budget is the NFE that best of N needs for the same success,
divided by the budget. Best of N has its best number of steps for each success. Above 1 the method
is worth more than its evaluations.

- Searches follow the reward `shape_count`. `benchmarks/shape_reader.py` judges the results. It
  shares no code with the reward, and is stricter: a faint or broken shape is not right.
- Best of N's curve needs no searches. It is estimated from plain samples, of which the one with the
  highest reward counts (`benchmarks/best_of_n_curve.py`). A number of steps counts up to as many
  samples as were drawn. `>` means that no curve went so high.
- `NFE until the reward is right` counts the whole spending where it never is.
- Intervals hold 95 % of {RESAMPLES} resamples of the prompts, curve and method together.
- Settings are those of [quality_fast.md](quality_fast.md) and [quality_base.md](quality_base.md),
  which were chosen on other prompts. No search stops early."""
SETS_NOTE = """\
Each pool has captions with a (count, colour, shape) that no training scene has, drawn by a seed.
How many of some plain samples are right decides the class. Nothing else uses these samples. A set
is the first 60 prompts of its class."""
SECONDS_NOTE = """\
The multiplier in CPU seconds. Network, decoder and reward are included. The decoder takes most of
the demo model's time. Seconds were taken next to other work on the machine."""
FLUX_NOTE = """\
The multiplier in seconds on a large model, reckoned from the counts of evaluations, decodes and
scores: 1.2 s an evaluation, 0.05 s a decode with TAESD or 0.25 s with the full VAE."""


def write(folder: Path) -> None:
    """Write docs/results.md and its charts.

    Args:
        folder: of the kept rows.
    """
    text, charts = page(folder, json.loads(ACCURACY.read_text("utf-8")))
    (DOCS / "results.md").write_text(text, "utf-8", newline="\n")
    for name, drawn in charts.items():
        (DOCS / "plots" / name).write_text(drawn, "utf-8", newline="\n")


def page(folder: Path, accuracy: dict) -> tuple[str, dict[str, str]]:
    """The page, and name -> chart.

    Args:
        folder: of the kept rows.
        accuracy: of the readers.
    """
    sets = [measured(folder, weights, name) for weights in MODELS for name in SETS]
    results = [result for result in sets if result and result.sampled]
    parts, charts = [INTRO, sets_table(results), accuracy_table(accuracy)], {}
    for result in results:
        name = f"multiplier-{result.weights}-{result.name}.svg"
        charts[name] = sheet(result)
        parts += section(result, name)
    return "\n\n".join([*parts, *still_to_run(results)]) + "\n", charts


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def sets_table(results: list[Measured]) -> str:
    """What the sets are, and how their prompts were chosen."""
    rows = []
    for result in results:
        form, about = prompt_sets.FORMS[result.name], result.about
        low, high = form.success
        bounds = f"{low:g} to {high:g}" if high < 1 else f"{low:g} and more"
        captions = f"{span(form.kinds)} kinds, {span(form.things)} things"
        samples = f"{about['draws']}, {about['steps']} steps"
        share = f"{len(result.prompts)} of {result.pool}"
        row = (result.weights, result.name, captions, str(about["seed"]), samples, bounds, share)
        rows.append(row)
    head = ("model", "set", "captions of the pool", "seed", "plain samples a prompt",
            "right", "prompts of those looked at")  # fmt: skip
    return "\n\n".join(("## Prompts", SETS_NOTE, table(head, rows)))


def span(ends: tuple[int, int]) -> str:
    return " to ".join(map(str, dict.fromkeys(ends)))


def accuracy_table(accuracy: dict) -> str:
    """How often the readers are right on scenes whose truth is known."""
    readers = {name: None for rows in accuracy["right"].values() for name in rows}
    rows = [
        (name, *(f"{rows[name] / accuracy['scenes']:.3f}" for rows in accuracy["right"].values()))
        for name in readers
    ]
    return (
        f"{accuracy['scenes']} scenes that the training knows, read exactly right "
        "(`python benchmarks/reader_accuracy.py`):\n\n"
        + table(("reader", *accuracy["right"]), rows)
    )


def section(result: Measured, name: str) -> list[str]:
    """Everything about one model on one set.

    Args:
        result: what was measured.
        name: of its chart.
    """
    parts = [f"## `{result.weights}`, {result.name} prompts", f"![success](plots/{name})"]
    parts += ["### Best of N", best_of_n_table(result)]
    if result.cells:
        parts += ["### At equal NFE", nfe_table(result.cells)]
        parts += ["### At equal CPU seconds", SECONDS_NOTE, seconds_table(result.cells)]
        parts += ["### At the prices of FLUX", FLUX_NOTE, flux_table(result.cells)]
    return parts


def curve_points(result: Measured, steps: Iterable[int], numbers: Sequence[int]) -> list[Point]:
    """Points of best of N by NFE, at its best number of steps, where samples suffice.

    Args:
        result: what was measured.
        steps: numbers of steps to choose from.
        numbers: NFE.
    """
    weights, points = bootstrap(len(result.sampled), RESAMPLES), []
    curves = [Curve.of([result.draws[s][n] for n in result.sampled], s) for s in steps]
    means = [(int(curve.price), curve.mean(weights)) for curve in curves]
    for nfe in numbers:
        values = [m[:, nfe // s] for s, m in means if 0 < nfe // s < m.shape[1]]
        if values:
            best = np.max(values, axis=0)
            points.append((nfe, float(best[0]), *interval(best)))
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
            f"{cell.means('seconds').mean():.1f}",
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
    for cell in result.cells:
        if cell.method != "best of N":
            values = cell.weights @ cell.success()
            point = (cell.budget, float(values[0]), *interval(values))
            series.setdefault(cell.method, []).append(point)
    return chart(f"Right results, {result.weights}, {result.name} prompts", "NFE", "right", series)


def still_to_run(results: list[Measured]) -> list[str]:
    """What the tables lack, and the commands that measure it."""
    missing = [line for weights in MODELS for name in SETS
               if (line := lacking(weights, name, results))]  # fmt: skip
    if not missing:
        return []
    commands = "\n".join(
        f"    {COMMAND} {step} --weights {weights} --sets {' '.join(SETS)}"
        for weights in MODELS
        for step in ("prompts", "draws", "searches")
    )
    aim = "{prompts} prompts a set, {draws} samples a prompt, {seeds} seeds a method"
    return ["## Still to run", f"The aim is {aim.format(**FULL)}, at NFE of "
            f"{', '.join(map(str, BUDGETS))}. So far:", "\n".join(missing), commands]  # fmt: skip


def lacking(weights: str, name: str, results: list[Measured]) -> str:
    """A line of a list on what a set lacks, empty if nothing.

    Args:
        weights: fast or base.
        name: of the set.
        results: what was measured.
    """
    of_set = [r for r in results if (r.weights, r.name) == (weights, name)]
    if not of_set:
        return f"- `{weights}`, {name}: nothing."
    (result,), rows = of_set, plan(weights)
    samples = min(d.n for row in result.draws.values() for n in result.sampled for d in [row[n]])
    full = FULL["prompts"] * FULL["seeds"]
    whole = sum(len(cell.runs) >= full for cell in result.cells)
    prompts = min(FULL["prompts"], len(result.prompts))
    if prompts == FULL["prompts"] and samples >= FULL["draws"] and whole == len(rows):
        return ""
    return (
        f"- `{weights}`, {name}: {prompts} prompts, {samples} samples a prompt and number of "
        f"steps, {whole} of {len(rows)} rows whole and {len(result.cells) - whole} begun."
    )
