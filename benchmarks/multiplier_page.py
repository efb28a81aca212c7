"""docs/results.md and its charts, from what multiplier.py measured."""

from __future__ import annotations

import json
from pathlib import Path

from . import lever_page, prompt_sets, twin_page
from .multiplier_claims import ENOUGH, at_main_budget
from .multiplier_plan import BUDGETS, MODELS, PATHS_STEPS, REGIONAL_STEPS, SETS, STEPS, plan
from .multiplier_sections import TABLES_NOTE, claims, sheet, table, tables, worth_sheet
from .multiplier_tables import RESAMPLES, Measured, measured
from .world import ROOT

DOCS = ROOT / "docs"
ACCURACY = ROOT / "benchmarks" / "results" / "reader_accuracy.json"
# What is to be run: samples of each prompt and number of steps are worth so many NFE.
FULL = {"prompts": 60, "seeds": 3, "nfe": 2000}
AIM = {"fast": ("hard", "medium"), "base": ("hard", "medium")}
COMMAND = "python benchmarks/multiplier.py"


def _steps(weights: str) -> str:
    """The steps of the methods that choose in one region, for a line of a list."""
    steps = STEPS[weights] | {"regional search": REGIONAL_STEPS[weights]}
    steps |= {"regional paths": PATHS_STEPS[weights]} if weights in PATHS_STEPS else {}
    names = {"children": "RBF and SVDD", "auto": "`auto`"}
    listing = ", ".join(f"{count} for {names.get(name, name)}" for name, count in steps.items())
    return f"on `{weights}` {listing}"


INTRO = f"""\
# What a search is worth

    {COMMAND} write

A search is right if its result shows exactly what the prompt names, each count of colour and shape.
The *multiplier* of a method at a budget is the NFE that best of N needs for the same success,
divided by the budget. Above 1 the method is worth more than its evaluations.

A method is *ahead* of best of N if the whole 95 % interval of its multiplier is above 1, *behind*
if it is below, and else *level*. This program computes every heading and sentence about a set from
the rows. It claims nothing from fewer than {ENOUGH} prompts. Every number is in the
[tables](#tables)."""
METHOD = f"""\
## How it was measured

- Searches follow the reward `shape_count`. `benchmarks/shape_reader.py` judges the results. It
  shares no code with the reward, and is stricter: a faint or broken shape is not right.
- Best of N's curve needs no searches. It is estimated from plain samples, of which the one with the
  highest reward counts (`benchmarks/best_of_n_curve.py`). It has its best number of steps for each
  success. A number of steps counts up to as many samples as were drawn. `>` means that no curve
  went so high.
- `NFE until the reward is right` counts the whole spending where it never is.
- Intervals hold 95 % of {RESAMPLES} resamples of the prompts, curve and method together. Of twenty
  comparisons of equals about one looks clear by chance. The best of several methods looks better
  than it is.
- Settings were chosen on other prompts. "RBF, kernel" and "SVDD, kernel" are the published methods,
  with the settings of [quality_fast.md](quality_fast.md) and [quality_base.md](quality_base.md), as
  are CoDe, SMC, zero-order and search over paths. RBF and SVDD redraw their children in one region.
- Steps: {_steps("fast")}; {_steps("base")}.
- Two choices of auto on `fast` were made when 24 of these hard prompts had been seen: RBF in place
  of SVDD, which was also ahead on other prompts, and a finish of 2 steps.
- A search ends when a result has the highest score there is, as it does by default in ComfyUI.
- `base` was trained on independent noise and data, and `fast` is its reflow (demo/README.md). No
  training coupled noise and image cell by cell, which could favour a search by regions.
- `eps` and `v` have the settings of `base`. Their schedule begins at the largest sigma, 14.6, where
  t is 0.94. Their weights are not in the pack: `python -m demo.training.train_diffusion` makes
  similar ones in some minutes.
- All of it is the demo model, which draws coloured shapes. Other models and rewards may differ."""
SETS_NOTE = """\
Each pool has captions with a (count, colour, shape) that no training scene has, drawn by a seed.
How many of some plain samples are right decides the class. Nothing else uses these samples. A set
is the first 60 prompts of its class."""
WORTH_NOTE = f"""\
Settings that are off, with a gain that is more than twice its error.
{lever_page.WORTH}"""
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
    parts, charts = [INTRO], {}
    for result in results:
        name = f"{result.weights}-{result.name}"
        parts += claims(result, name)
        charts[f"multiplier-{name}.svg"] = sheet(result)
        if at_main_budget(result):
            charts[f"worth-{name}.svg"] = worth_sheet(result)
    parts += twin_page.section(results)
    parts += ["## Worth setting", WORTH_NOTE, lever_page.worth_setting(lever_page.FOLDER)]
    parts += ["## What was left out", LEFT_OUT_NOTE, lever_page.left_out(lever_page.FOLDER)]
    parts += [METHOD, sets_table(results), accuracy_table(accuracy), *still_to_run(results)]
    parts += ["## Tables", TABLES_NOTE, *(part for result in results for part in tables(result))]
    return "\n\n".join(parts) + "\n", charts


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
    return "\n\n".join(("### Prompts", SETS_NOTE, table(head, rows)))


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
    missing = [line for weights, sets in AIM.items() for name in sets
               if (line := lacking(weights, name, results))]  # fmt: skip
    if not missing:
        return []
    commands = "\n".join(
        f"    {COMMAND} {step} --weights {weights} --sets {' '.join(sets)}"
        for weights, sets in AIM.items()
        for step in ("prompts", "draws", "searches")
    )
    aim = "{prompts} prompts a set, samples for {nfe} NFE a prompt, {seeds} seeds a method"
    return ["### Still to run", f"The aim is {aim.format(**FULL)}, at NFE of "
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
    nfe = min(row[n].n * steps for steps, row in result.draws.items() for n in result.sampled)
    full = FULL["prompts"] * FULL["seeds"]
    whole = sum(len(cell.runs) >= full for cell in result.cells)
    prompts = min(FULL["prompts"], len(result.prompts))
    if prompts == FULL["prompts"] and nfe >= FULL["nfe"] and whole == len(rows):
        return ""
    return (
        f"- `{weights}`, {name}: {prompts} prompts, samples for {nfe} NFE a prompt at least, "
        f"{whole} of {len(rows)} rows whole and {len(result.cells) - whole} begun."
    )
