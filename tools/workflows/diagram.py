"""A workflow as a small diagram: its nodes as boxes in three columns, with their wires."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageColor, ImageDraw, ImageFont

from ..demo_runs import SEARCHES
from ..saved_workflow import widget_values
from .motifs import Pen
from .parts import COLUMNS

SIDE, HEADER, MARGIN = 640, 138, 14  # px
MOTIF = 104  # px, a side
BOX, AIR, BEND = 176, 10, 24  # width of a box, least distance of two, bend of a wire
LOW, HIGH = 42, 60  # a lower box has one line; the greatest height
PAPER, PANE, INK, FAINT = "#16181f", "#2b2f3a", "#f5f5f5", "#b9c3d4"
WIRES = {  # as ComfyUI colours them
    "MODEL": "#b39ddb", "CLIP": "#ffd500", "VAE": "#ff6e6e", "CONDITIONING": "#ffa931",
    "LATENT": "#ff9cf9", "IMAGE": "#64b5f6", "FLOW_REWARD": "#7ed957",
}  # fmt: skip
PLACES = {"load": 0, "text": 1, "set": 1, "search": 2, "save": 2}
FACTS = {  # the second line of a box
    "CheckpointLoaderSimple": "{ckpt_name}", "UNETLoader": "{unet_name}",
    "CLIPLoader": "{clip_name}", "DualCLIPLoader": "{clip_name2}", "VAELoader": "{vae_name}",
    "LoraLoaderModelOnly": "{lora_name}", "KSampler": "{steps} steps", "LoadImage": "{image}",
    "FlowSearchKSampler": "effort {effort}", "FlowSearchRBF": "budget {budget}",
    "FlowSearchParticles": "{method}, budget {budget}", "FlowSearchRewardScore": "keep {keep}",
    "FlowSearchRewardLoader": "{reward}", "EmptyLatentImage": "a batch of {batch_size}",
    "EmptyHunyuanLatentVideo": "{length} frames", "EmptySD3LatentImage": "{width} x {height}",
    "EmptyFlux2LatentImage": "{width} x {height}", "FlowSearchScheduler": "{steps} steps",
    "BasicScheduler": "{steps} steps", "CFGGuider": "cfg {cfg}",
}  # fmt: skip


@dataclass(frozen=True)
class Box:
    """A node in the diagram.

    Args:
        place: left, top, right, bottom in pixels.
        name: of the node.
        fact: a second line; may be empty.
        ours: whether it is one of the nodes that search or score.
    """

    place: tuple[float, float, float, float]
    name: str
    fact: str
    ours: bool


def diagram(
    workflow: dict,
    object_info: dict,
    title: str,
    lines: tuple[str, ...],
    accent: str,
    motif: Callable[[Pen], None],
) -> Image.Image:
    """The diagram below a title.

    Args:
        workflow: as saved.
        object_info: the server's answer to /object_info.
        title: a few words.
        lines: up to two below the title.
        accent: colour of the bar beside the title, and of the nodes that search.
        motif: a small drawing beside the title.
    """
    sheet, draw = titled(title, lines, accent)
    motif(Pen(draw, 2 * (SIDE - MOTIF - 18), HEADER - MOTIF, 2 * MOTIF, accent, tinted(accent)))
    boxes = dict(placed(workflow, object_info))
    for _, source, _, target, _, kind in workflow["links"]:
        if source in boxes and target in boxes:
            wire(draw, boxes[source].place, boxes[target].place, WIRES.get(kind, "#8a93a5"))
    for box in boxes.values():
        show(draw, box, accent)
    return sheet.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def titled(
    title: str, lines: tuple[str, ...], accent: str
) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty sheet with a title, twice as large: Pillow draws lines without smoothing.

    Args:
        title: a few words.
        lines: up to two below the title.
        accent: colour of the bar beside it.
    """
    sheet = Image.new("RGB", (2 * SIDE, 2 * SIDE), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((0, 0, 2 * SIDE, 2 * HEADER), tinted(accent))
    draw.rectangle((0, 0, 20, 2 * HEADER), accent)
    write(draw, (34, 14), title, 38, INK)
    for i, line in enumerate(lines):
        write(draw, (35, 64 + 32 * i), line, 23, FAINT)
    return sheet, draw


def tinted(accent: str) -> tuple[int, int, int]:
    """A dark colour between the accent and the paper."""
    both = zip(ImageColor.getrgb(accent), ImageColor.getrgb(PAPER), strict=True)
    red, green, blue = (round(0.38 * bright + 0.62 * dark) for bright, dark in both)
    return red, green, blue


def placed(workflow: dict, object_info: dict) -> Iterator[tuple[int, Box]]:
    """The box of each node but the notes, by the node's id."""
    columns: dict[int, list[dict]] = {0: [], 1: [], 2: []}
    names = {x: name for name, x in COLUMNS.items()}
    for node in workflow["nodes"]:
        if node["type"] != "MarkdownNote":
            columns[PLACES[names[node["pos"][0]]]].append(node)
    gap = (SIDE - MARGIN - BEND - 3 * BOX) / 2
    for column, nodes in columns.items():
        left, free = MARGIN + column * (BOX + gap), SIDE - HEADER - 2 * MARGIN
        high = min(HIGH, free / max(1, len(nodes)) - AIR)
        step = (free - high * len(nodes)) / (len(nodes) + 1)
        for row, node in enumerate(nodes):
            top = HEADER + MARGIN + step + row * (high + step)
            info = object_info[node["type"]]
            values = widget_values(node, info["input"])
            yield (
                node["id"],
                Box(
                    (left, top, left + BOX, top + high),
                    node.get("title") or info["display_name"] or node["type"],
                    fact(node["type"], values),
                    node["type"] in (*SEARCHES, "FlowSearchRewardScore"),
                ),
            )


def fact(kind: str, values: Mapping[str, Any]) -> str:
    """The second line of a box."""
    return FACTS.get(kind, "").format_map(values).removesuffix(".safetensors")


def wire(draw: ImageDraw.ImageDraw, source: tuple, target: tuple, colour: str) -> None:
    """A curve between two boxes; on the right of them where they are in one column.

    Args:
        draw: the sheet.
        source: place of the box that it comes from.
        target: place of the box that it goes to.
        colour: of the wire.
    """
    start = (source[2], (source[1] + source[3]) / 2)
    same = source[0] == target[0]
    end = (target[2] if same else target[0], (target[1] + target[3]) / 2)
    bend = BEND if same else max(40, (end[0] - start[0]) / 2)
    knees = (start[0] + bend, start[1]), (end[0] + (bend if same else -bend), end[1])
    points = [curve(i / 32, start, *knees, end) for i in range(33)]
    draw.line([(2 * x, 2 * y) for x, y in points], colour, 6, joint="curve")


def curve(t: float, *points: tuple[float, float]) -> tuple[float, float]:
    """The point at `t` (0 to 1) of the Bézier curve with four control points."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    x, y = (sum(w * p[axis] for w, p in zip(weights, points, strict=True)) for axis in (0, 1))
    return x, y


def show(draw: ImageDraw.ImageDraw, box: Box, accent: str) -> None:
    """Draw a box with its text.

    Args:
        draw: the sheet.
        box: where it is and what it says.
        accent: colour of the edge of our nodes.
    """
    left, top, right, bottom = box.place
    edge = accent if box.ours else "#4a5263"
    corners = [2 * v for v in box.place]
    draw.rounded_rectangle(corners, 14, PANE, edge, 8 if box.ours else 3)
    middle, two = (top + bottom) / 2, box.fact and bottom - top >= LOW
    name = box.name if two or not box.fact else f"{box.name}: {box.fact}"
    first = middle - 18 if two else middle - 9
    write(draw, (left + 10, first), fitted(name, 15, BOX - 18), 15, INK)
    if two:
        write(draw, (left + 10, middle + 2), fitted(box.fact, 13, BOX - 18), 13, FAINT)


def fitted(text: str, size: int, width: float) -> str:
    """The text, cut where it is too long.

    Args:
        text: one line.
        size: of the font.
        width: pixels.
    """
    font = ImageFont.load_default(2 * size)
    if font.getlength(text) <= 2 * width:
        return text
    while text and font.getlength(text + "…") > 2 * width:
        text = text[:-1]
    return text + "…"


def write(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, size: int, colour: str
) -> None:
    """Text at twice its size.

    Args:
        draw: the sheet.
        at: left and top in pixels of the thumbnail.
        text: one line.
        size: of the font in pixels of the thumbnail.
        colour: of the text.
    """
    draw.text((2 * at[0], 2 * at[1]), text, colour, ImageFont.load_default(2 * size))
