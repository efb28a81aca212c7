"""docs/results.md and its charts, from what multiplier.py measured."""

from __future__ import annotations

import json
from pathlib import Path

from . import lever_page, prompt_sets
from .multiplier_plan import BUDGETS, PATHS_STEPS, REGIONAL_STEPS, STEPS, plan
from .multiplier_sections import section, sheet, table
from .multiplier_tables import RESAMPLES, Measured, measured
from .world import ROOT

DOCS = ROOT / "docs"
ACCURACY = ROOT / "benchmarks" / "results" / "reader_accuracy.json"
MODELS, SETS = ("fast", "base"), ("hard", "medium", "easy")
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
- Settings were chosen on other prompts. "RBF, kernel" and "SVDD, kernel" are the published methods,
  with the settings of [quality_fast.md](quality_fast.md) and [quality_base.md](quality_base.md), as
  are CoDe, SMC, zero-order and search over paths. RBF and SVDD redraw their children in one region,
  in {STEPS["fast"]["children"]} steps. The regional search has {REGIONAL_STEPS["fast"]} steps on
  `fast` and {REGIONAL_STEPS["base"]} on `base`, regional paths has {PATHS_STEPS["base"]}. The
  schedule of auto has {STEPS["fast"]["auto"]} steps on `fast` and {STEPS["base"]["auto"]} on
  `base`.
- Two choices of auto on `fast` were made when 24 of these hard prompts had been seen: RBF in place
  of SVDD, which was also ahead on other prompts, and a finish of 2 steps.
- A search ends when a result has the highest score there is, as it does by default in ComfyUI.
- `base` was trained on independent noise and data, and `fast` is its reflow (demo/README.md). No
  training coupled noise and image cell by cell, which could favour a search by regions."""
SETS_NOTE = """\
Each pool has captions with a (count, colour, shape) that no training scene has, drawn by a seed.
How many of some plain samples are right decides the class. Nothing else uses these samples. A set
is the first 60 prompts of its class."""
LEFT_OUT_NOTE = """\
Settings that are off, and methods that are not in the pack, since no gain was found that is clear
of its error. Numbers are mean paired differences in right results, with their standard errors. They
were measured on other prompts: [levers.md](levers.md)."""


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
    parts += ["## Left out", LEFT_OUT_NOTE, lever_page.left_out(lever_page.FOLDER)]
    return "\n\n".join([*parts, *still_to_run(results)]) + "\n", charts


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
