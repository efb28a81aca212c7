"""What the demo's runs found: python tools/demo_results.py FOLDER

`python dev.py demo` runs this with ComfyUI's Python. The reader that judges the images shares no
code with the reward that the searches follow. Multipliers come from benchmarks/results.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks.multiplier_tables import Cell, measured
from pack.benchmarks.shape_reader import is_right
from pack.tools.contact_sheet import Column, contact_sheet
from pack.tools.demo_runs import AUTO, BUDGET, METHODS, PROMPTS, RBF, image_file

WEIGHTS, SET = "fast", "hard"
TABLES = ROOT / "benchmarks" / "results" / "multiplier"
COMMAND = f"python benchmarks/multiplier.py {{}} --weights {WEIGHTS} --sets {SET}"
Marks = dict[str, list[bool]]  # method -> whether it was right, for each prompt


def main(folder: Path) -> None:
    """Judge, print, draw the contact sheet."""
    columns = [column(folder, method) for method in METHODS]
    marks = {column.title: list(column.right) for column in columns}
    spent = {method: spending(folder, method) for method in METHODS}
    print("\n" + table(marks, spent) + "\n\n" + verdict(marks))
    tables = measured(TABLES, WEIGHTS, SET)
    print("\n" + multipliers(tables.cells if tables else []))
    place = folder / "contact_sheet.png"
    contact_sheet(PROMPTS, columns).save(place)
    print(f"\nContact sheet: {place}\nImages and reports: {folder}")


def column(folder: Path, method: str) -> Column:
    """A method's images, judged."""
    numbers = range(1, len(PROMPTS) + 1)
    images = [Image.open(image_file(folder, n, method)).convert("RGB") for n in numbers]
    right = [judged(*pair) for pair in zip(images, PROMPTS, strict=True)]
    nfe = f"{spending(folder, method):.0f} NFE"
    return Column(method, f"{sum(right)} of {len(right)} right, {nfe}", images, right)


def judged(image: Image.Image, prompt: str) -> bool:
    """Whether an image shows exactly what the prompt names."""
    return is_right(torch.from_numpy(np.asarray(image, np.float32) / 255), prompt)


def spending(folder: Path, method: str) -> float:
    """Network evaluations for a prompt, on average."""
    files = (image_file(folder, n, method) for n in range(1, len(PROMPTS) + 1))
    reports = [json.loads(file.with_suffix(".json").read_text("utf-8")) for file in files]
    return float(np.mean([report["spent"]["nfe"] for report in reports]))


def table(marks: Marks, spent: dict[str, float]) -> str:
    """A line for each prompt, and the totals.

    Args:
        marks: of each method.
        spent: NFE of each method for a prompt.
    """
    rows = [[*marks, ""]]
    for number, prompt in enumerate(PROMPTS):
        words = ("right" if right[number] else "wrong" for right in marks.values())
        rows.append([*words, prompt])
    rows.append([*(f"{sum(right)}" for right in marks.values()), f"right of {len(PROMPTS)}"])
    rows.append([*(f"{nfe:.0f}" for nfe in spent.values()), "NFE a prompt, on average"])
    return "\n".join("  " + "".join(f"{cell:<11}" for cell in row).rstrip() for row in rows)


def verdict(marks: Marks) -> str:
    """Which method was right most often, and how often RBF was if that is another."""
    totals = {method: sum(right) for method, right in marks.items()}
    most = max(totals.values())
    best = [method for method, total in totals.items() if total == most]
    verb = "wins" if len(best) == 1 else "tie"
    sentence = f"{' and '.join(best)} {verb} with {most} of {len(PROMPTS)} right."
    return sentence if RBF in best else f"{sentence} RBF does not win: it has {totals[RBF]}."


def multipliers(cells: Sequence[Cell]) -> str:
    """What the tables say of RBF and AUTO at the demo's budget, and the commands that made it."""
    at_budget = {cell.method: cell for cell in cells if cell.budget == BUDGET}
    lines = [
        f"Eight prompts are few. On many, best of N needs so many times {BUDGET} NFE for the same",
        "success (docs/results.md, with 95 % intervals):",
    ]
    for method in (RBF, AUTO):
        text = "not measured yet"
        if method in at_budget:
            cell = at_budget[method]
            text = f"{cell.in_nfe().text()}, from {len(cell.prompts)} prompts"
        lines.append(f"  {method:<11}{text}")
    steps = ("prompts", "draws", f"searches --budgets {BUDGET}")
    return "\n".join([*lines, "Made by", *(f"  {COMMAND.format(step)}" for step in steps)])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
