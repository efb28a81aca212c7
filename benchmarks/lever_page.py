"""docs/levers.md, from what levers.py measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..tools.sections import table
from .kept_rows import Kept
from .lever_plan import (
    BUDGET,
    DRAFT,
    DRAFT_ARGUMENTS,
    LEVERS,
    NOT_MEASURED,
    POOL,
    PROMPTS,
    SET,
    Lever,
)
from .multiplier_runs import COLUMNS
from .world import ROOT

FOLDER = ROOT / "benchmarks" / "results" / "levers"
PAGE = ROOT / "docs" / "levers.md"
COMMAND = "python benchmarks/levers.py"
HEADS = ("lever", "model", "search", "against", "prompts", "right", "right without it", "gain",
         "NFE", "NFE without it", "in the pack")  # fmt: skip
INTRO = f"""\
# What single settings are worth

    {COMMAND} write

Each row compares a search with the same search without the lever, at {BUDGET} NFE.

- Both run on the same prompts and seeds. The gain is the mean paired difference in right results.
  ± is a standard error over prompts. A gain below twice its error may be chance.
- A result is right if `benchmarks/shape_reader.py` reads exactly what the prompt names. Searches
  follow `shape_count`, and end when a result has its highest score ([results.md](results.md)).
- Prompts come from the pool of {SET} prompts with seed {POOL}, in its order. No other page uses
  them.
- When the rows of RBF and SVDD on `base` were made, a search paid 5 NFE more for its look,
  with the lever and without it."""
LEFT_OUT = """\
## Left out, or off unless set

What does not pay is not the default. If it needs code of its own, it is not in the pack."""
WORTH = """\
Velocity guidance needs a reward with a gradient. Here soft counts guide, while the search follows
`shape_count`. Each gradient costs a pass through the decoder, which counts in the seconds. Kernel
noise in a region is clearly better than kernel noise everywhere, but no better than noise redrawn
in the region, which is the default of SVDD."""


def write() -> None:
    """Write docs/levers.md."""
    PAGE.write_text(page(FOLDER), "utf-8", newline="\n")


def page(folder: Path) -> str:
    """The page.

    Args:
        folder: of the kept rows.
    """
    pairs = measured(folder)
    rows = [row(lever, right, plain) for lever, right, plain in pairs]
    waiting = [*still_to_run(pairs), *(f"- {name}: {why}." for name, why in NOT_MEASURED.items())]
    parts = [INTRO, table(HEADS, rows), commands(), "## Worth setting", WORTH,
             worth_setting(folder), LEFT_OUT, left_out(folder)]  # fmt: skip
    return "\n\n".join([*parts, "## Not measured", "\n".join(waiting)]) + "\n"


def measured(folder: Path) -> list[tuple[Lever, np.ndarray, np.ndarray]]:
    """The levers that have runs, and their runs and their rivals' on the same prompts and seeds.

    Runs are (runs, columns) as COLUMNS.
    """
    kept = {lever.weights: Kept(folder / f"{lever.weights}_{SET}.json").rows for lever in LEVERS}
    pairs = []
    for lever in LEVERS:
        of_lever, of_plain = (
            {(run[0], run[1]): run for run in kept[lever.weights].get(repr(setting), [])}
            for setting in (lever.setting, lever.plain)
        )
        if both := sorted(set(of_lever) & set(of_plain)):
            columns = ([runs[key] for key in both] for runs in (of_lever, of_plain))
            pairs.append((lever, *map(np.array, columns)))
    return pairs


def row(lever: Lever, runs: np.ndarray, plain: np.ndarray) -> Sequence[str]:
    """A row of the table.

    Args:
        lever: what is compared.
        runs: with the lever.
        plain: without it.
    """
    right, without = by_prompt(runs, "right"), by_prompt(plain, "right")
    return (
        lever.name,
        lever.weights,
        lever.search,
        lever.rival,
        f"{len(right)}",
        mean_error(right),
        mean_error(without),
        mean_error(right - without, "+"),
        *(f"{by_prompt(rows, 'nfe').mean():.0f}" for rows in (runs, plain)),
        lever.state,
    )


def by_prompt(runs: np.ndarray, column: str) -> np.ndarray:
    """For each prompt the mean of a column over seeds."""
    numbers, values = runs[:, 0], runs[:, COLUMNS.index(column)]
    return np.array([values[numbers == n].mean() for n in np.unique(numbers)])


def mean_error(values: np.ndarray, sign: str = "") -> str:
    """Mean and standard error over prompts (n,)."""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{values.mean():{sign}.3f} ± {error:.3f}"


def still_to_run(pairs: list[tuple[Lever, np.ndarray, np.ndarray]]) -> list[str]:
    """A line for each lever in the tree that has not run on all prompts.

    Args:
        pairs: as `measured` gives them.
    """
    prompts = {lever: len(by_prompt(runs, "right")) for lever, runs, _ in pairs}
    few = [lever for lever in LEVERS if lever.is_in_the_tree and prompts.get(lever, 0) < PROMPTS]
    return [
        f"- {lever.name} ({lever.search}, `{lever.weights}`): {prompts.get(lever, 0)} of {PROMPTS} "
        "prompts so far."
        for lever in few
    ]


def commands() -> str:
    """The commands that make the rows."""
    names = dict.fromkeys((lever.name, lever.weights) for lever in LEVERS if lever.is_in_the_tree)
    lines = [f'    {COMMAND} measure --weights {w} --only "{name}"' for name, w in names]
    draft = f"    git checkout {DRAFT} && {COMMAND} {DRAFT_ARGUMENTS}"
    about = "Their commands, the last one for pruning. Regions on `base` also have `--seeds 3`."
    return "\n".join([about, "", *lines, draft])


def left_out(folder: Path) -> str:
    """A line for each measured lever that is not the default, and whose gain is not clear."""
    return "\n".join(_lines(folder, clear=False))


def worth_setting(folder: Path) -> str:
    """A line for each measured lever that is not the default, and whose gain is clear."""
    return "\n".join(_lines(folder, clear=True))


def _lines(folder: Path, clear: bool) -> list[str]:
    """A line for each measured lever that is not the default.

    Args:
        folder: of the kept rows.
        clear: whether those whose gain is more than twice its error, or the others.
    """
    lines = []
    for lever, runs, plain in measured(folder):
        gains = by_prompt(runs, "right") - by_prompt(plain, "right")
        error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.nan
        if lever.state != "default" and clear == bool(gains.mean() > 2 * error):
            seconds = [by_prompt(rows, "seconds").mean() for rows in (runs, plain)]
            took = ", in {:.1f} CPU seconds and not {:.1f}," if clear else ""
            took = took.format(*seconds)
            lines.append(
                f"- {lever.name} ({lever.search}, `{lever.weights}`): {mean_error(gains, '+')}"
                f"{took} against {lever.rival}, {len(gains)} prompts, {lever.state}."
            )
    return lines
