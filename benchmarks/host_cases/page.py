"""The tables of docs/models.md, from the rows in benchmarks/results/models.json."""

from __future__ import annotations

import json
from pathlib import Path

from ...tools.probing.tiny import MODELS
from ...tools.sections import table
from . import latents, models, sigmas, simulated, tricks
from .case import Case, Row

ROOT = Path(__file__).resolve().parents[2]
PAGE, ROWS = ROOT / "docs" / "models.md", ROOT / "benchmarks" / "results" / "models.json"
COMMAND = "python benchmarks/models.py --write"
Tables = dict[str, list[Row]]  # rows by the name of their table
CASES: dict[str, list[Case]] = {
    "models": models.CASES,
    "latents": latents.CASES,
    "sigmas": sigmas.CASES,
    "tricks": [*tricks.CASES, *simulated.CASES],
}
HEADS = {  # of each column, by the name of its cells
    "models": {
        "model": "model", "class": "class", "from": "from", "latent": "latent", "search": "search",
        "masked": "masked picture, denoise 0.6",
    },
    "latents": {
        "what": "what is wired", "model": "model", "search": "search", "nfe": "NFE a candidate",
    },
    "sigmas": {"what": "sigmas", "model": "model", "search": "search"},
    "tricks": {"what": "trick", "model": "model", "search": "search"},
}  # fmt: skip
DROPPED = (
    "Built without parts that run only with an input of their own (sound, faces, a second text), "
    "and whose size is fixed:"
)
WHY = {  # of the refused ones
    "Lotus": "it measures depth or surfaces in an image. It begins from that image, not from "
    "noise, so it has one answer",
    "Wan 2.1 FlowRVS": "it cuts an object out of a video. It begins from that video, not "
    "from noise, so it has one answer",
    "Stable Audio 1, Stable Audio 3, ACE-Step, ACE-Step 1.5": "they make sound alone. No reward "
    "hears it",
    "Hunyuan3D 2, Hunyuan3D 2.1, Hunyuan3D 2 mini, TripoSplat": "they make solid shapes. No reward "
    "looks at these",
}
NOT_TRIED = {
    "Stable_Zero123": "samples as SD 1.5 does",
    "RT_DETR_v4": "finds objects",
    "DepthAnything3": "measures depth",
    "SAM3": "cuts out objects",
    "SAM31": "cuts out objects",
}
REFUSED = "refused: "


def stored() -> Tables:
    """The rows as they were measured last."""
    return json.loads(ROWS.read_text("utf-8"))["tables"]


def store(comfyui: str, tables: Tables) -> None:
    """Write the file, one row a line.

    Args:
        comfyui: its version.
        tables: the rows.
    """
    parts = []
    for name, rows in tables.items():
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        parts.append(f"{json.dumps(name)}: [\n{lines}\n]")
    head = f'"command": {json.dumps(COMMAND)}, "comfyui": {json.dumps(comfyui)}'
    text = f'{{{head}, "tables": {{\n{", ".join(parts)}\n}}}}\n'
    ROWS.write_text(text, "utf-8", newline="\n")


def sections(tables: Tables) -> dict[str, str]:
    """The sections of the page by their marks."""
    texts = {name: section(name, rows) for name, rows in tables.items()}
    numbered, sentences = number_refusals(tables["models"])
    return texts | {"models": "\n\n".join([section("models", numbered), *notes(sentences)])}


def section(name: str, rows: list[Row]) -> str:
    """One table."""
    heads = HEADS[name]
    return table(heads.values(), [[row.get(key, "") for key in heads] for row in rows])


def number_refusals(rows: list[Row]) -> tuple[list[Row], list[str]]:
    """The rows with a number in place of each sentence, and the sentences."""
    refused = [row["search"] for row in rows if row["search"].startswith(REFUSED)]
    sentences = list(dict.fromkeys(refused))
    numbers = {text: f"refused ({i})" for i, text in enumerate(sentences, 1)}
    cells = [row | {"search": numbers.get(row["search"], row["search"])} for row in rows]
    return cells, [text.removeprefix(REFUSED) for text in sentences]


def notes(sentences: list[str]) -> list[str]:
    """The lists below the table of models."""
    dropped = {key: ", ".join(f"`{part}`" for part in tiny.drop) for key, tiny in MODELS.items()}
    lists = {
        "Refused with:": [f"{i}. {sentence}" for i, sentence in enumerate(sentences, 1)],
        "Why these are refused:": [f"- {keys}: {why}." for keys, why in WHY.items()],
        DROPPED: [f"- {key}: {parts}." for key, parts in dropped.items() if parts],
        "Not tried:": [f"- `{name}`: {why}." for name, why in NOT_TRIED.items()],
    }
    return [part for head, lines in lists.items() for part in (head, "\n".join(lines))]
