"""Draws a report: reward against NFE, the budget per step, the tree of particles, the images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ...samplers.rules import ROUNDING, at_maximum

WIDE, HEIGHT, HEAD = 1200, 1000, 530  # px: the sheet, and its part with title, rewards and budget
TALL, ROOM, BELOW = 470, 380, 80  # px: heights of the tree, of the images, and below an axis
SIDE = 256  # px, longer side of an image
PAPER, INK, FAINT, BEST = "#ffffff", "#222222", "#d9d9d9", "#c23b22"
PATHS = ("#3b75af", "#55a868", "#8172b3", "#dd8452", "#937860", "#da8bc3", "#64b5cd", "#8c8c8c")
Row = dict[str, Any]


@dataclass(frozen=True)
class Plot:
    """A rectangle with a title and two axes.

    Args:
        draw: where to draw.
        box: left, top, right and bottom in px.
        x: range of the data.
        y: range of the data.
    """

    draw: ImageDraw.ImageDraw
    box: tuple[int, int, int, int]
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a point of the data."""
        left, top, right, bottom = self.box
        across = (x - self.x[0]) / (self.x[1] - self.x[0] or 1.0)
        up = (y - self.y[0]) / (self.y[1] - self.y[0] or 1.0)
        return left + across * (right - left), bottom - up * (bottom - top)

    def axes(self, title: str, x_name: str, y_name: str, ticks: Iterable[float]) -> None:
        """Draw the title, the axes and a grid of round values.

        Args:
            title: above the plot.
            x_name: below the plot.
            y_name: left above the plot.
            ticks: values to mark on the x axis.
        """
        left, top, right, bottom = self.box
        small, large = ImageFont.load_default(15), ImageFont.load_default(20)
        self.draw.text((left, top - 50), title, INK, large)
        self.draw.text(((left + right) / 2, bottom + 30), x_name, INK, small, "mt")
        self.draw.text((left, top - 6), y_name, INK, small, "lb")
        for value in even(*self.y):
            _, height = self.at(self.x[0], value)
            self.draw.line((left, height, right, height), FAINT)
            self.draw.text((left - 8, height), f"{value:.3g}", INK, small, "rm")
        for value in ticks:
            self.draw.text((self.at(value, 0)[0], bottom + 8), f"{value:g}", INK, small, "mt")

    def dot(self, x: float, y: float, colour: str, radius: float = 3.5) -> None:
        """Draw a dot.

        Args:
            x: of the data.
            y: of the data.
            colour: as Pillow names it.
            radius: px.
        """
        self.draw.ellipse(_around(self.at(x, y), radius), colour)

    def ring(self, x: float, y: float, radius: float = 7.0) -> None:
        """Draw the ring around the result.

        Args:
            x: of the data.
            y: of the data.
            radius: px.
        """
        self.draw.ellipse(_around(self.at(x, y), radius), outline=BEST, width=3)

    def line(self, points: list[tuple[float, float]], colour: str, width: int = 2) -> None:
        """Draw a line.

        Args:
            points: (x, y) of the data.
            colour: as Pillow names it.
            width: px.
        """
        self.draw.line([self.at(*point) for point in points], colour, width)


def _around(centre: tuple[float, float], radius: float) -> tuple[float, float, float, float]:
    x, y = centre
    return x - radius, y - radius, x + radius, y + radius


def chart(report: dict[str, Any], pictures: Sequence[Image.Image] = ()) -> Image.Image:
    """The sheet, 1200 px wide and at least 1000 px tall.

    It has no tree if the method draws no children, and no budget if it scores at a single step.

    Args:
        report: of one search.
        pictures: images of the report's `top`, best first.
    """
    rows, best = report["trace"], report["best"]
    searched = [row for row in rows if row["kind"] != "finish"] or rows
    ids = {row["id"] for row in searched}
    has_tree = any(row["parent"] in ids for row in searched)
    has_budget = len({row["step"] for row in searched}) > 1
    floor = (ROOM if pictures else 0) + (TALL if has_tree else 0)
    sheet = Image.new("RGB", (WIDE, max(HEIGHT, HEAD + floor)), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((90, 22), headline(report), INK, ImageFont.load_default(24))
    if warnings := report.get("warnings"):
        draw.text((90, 54), warnings[-1][:150], BEST, ImageFont.load_default(15))
    bottom = sheet.height - floor - BELOW
    _rewards(draw, rows, best, (90, 130, 690 if has_budget else 1140, bottom))
    if has_budget:
        _budget(draw, rows, (800, 130, 1140, bottom))
    if has_tree:
        _tree(draw, rows, best, (90, bottom + 130, 1140, bottom + 470))
    if pictures:
        _images(sheet, draw, pictures, report.get("top", [best]), sheet.height - ROOM)
    return sheet


def headline(report: dict[str, Any]) -> str:
    """The title of the sheet: method, seed, best reward, cost, and why the search stopped."""
    best, spent = report["best"], report["spent"]
    maximum, target = report.get("maximum"), report.get("budget", {}).get("target_reward")
    perfect = maximum is not None and at_maximum(best["reward"], maximum)
    highest = maximum is not None and target is None and report["stopped"] == "target"
    stopped = "at the maximum" if highest else f"by {report['stopped']}"
    counts = spent.get("nfe_by_model", {}).items()
    second = ", ".join(f"{nfe} by {name}" for name, nfe in counts if name != "model")
    return (
        f"{report['method']}, seed {report['seed']}: reward {figure(best['reward'])}"
        f"{' (perfect)' if perfect else ''} with {spent['nfe']} NFE"
        f"{second and f' ({second})'} in "
        f"{spent['seconds']['total']:.1f} s, stopped {stopped}"
    )


def figure(value: float) -> str:
    """A number with four significant digits; 0 if only rounding separates it from 0."""
    return "0" if abs(value) < ROUNDING else f"{value:.4g}"


def even(low: float, high: float) -> list[float]:
    """About five round numbers from `low` to `high`."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    return [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _scores(rows: list[Row]) -> tuple[float, float]:
    """The range of the rewards, widened a little."""
    rewards = [row["reward"] for row in rows if row["reward"] is not None] or [0.0]
    low, high = min(rewards), max(rewards)
    rounding = 1e-9 * max(abs(low), abs(high))  # a smaller margin would not change large rewards
    spare = max(0.05 * (high - low) or 0.5, rounding)
    return low - spare, high + spare


def _colour(row: Row) -> str:
    return PATHS[row["path"] % len(PATHS)]


def _rewards(draw: ImageDraw.ImageDraw, rows: list[Row], best: Row, box: tuple) -> None:
    """The reward of every particle against the NFE spent by then, and the best so far."""
    end = max(row["nfe"] for row in rows)
    plot = Plot(draw, box, (0.0, end), _scores(rows))
    plot.axes("Reward found", "NFE spent", "reward", [round(end * i / 4) for i in range(5)])
    record: list[tuple[float, float]] = []
    for row in (row for row in rows if row["reward"] is not None):
        plot.dot(row["nfe"], row["reward"], _colour(row))
        high = max(record[-1][1], row["reward"]) if record else row["reward"]
        record += [(row["nfe"], record[-1][1])] if record else []
        record.append((row["nfe"], high))
    plot.line(record, BEST)
    plot.ring(best["nfe"], best["reward"])


def _budget(draw: ImageDraw.ImageDraw, rows: list[Row], box: tuple) -> None:
    """The number of particles scored at each step."""
    steps = range(max(row["step"] for row in rows) + 1)
    tried = Counter(row["step"] for row in rows)
    plot = Plot(draw, box, (-0.5, len(steps) - 0.5), (0.0, float(max(tried.values()))))
    spacing = max(1, len(steps) // 10)
    plot.axes("Where the budget went", "step", "particles scored", steps[::spacing])
    for step, count in tried.items():
        left, top = plot.at(step - 0.4, count)
        right, bottom = plot.at(step + 0.4, 0.0)
        draw.rectangle((left, top, right, bottom), PATHS[0])


def _tree(draw: ImageDraw.ImageDraw, rows: list[Row], best: Row, box: tuple) -> None:
    """Children joined to their parents. Accepted particles are larger, and the ancestors of the
    result are red. Within a step, particles go from left to right in the order of their scores."""
    last = max(row["step"] for row in rows)
    plot = Plot(draw, box, (0.0, last + 1.0), _scores(rows))
    spacing = max(1, (last + 1) // 12)
    plot.axes("Tree of particles", "step", "reward", range(0, last + 1, spacing))
    place, by_id = _places(rows, plot.y[0]), {row["id"]: row for row in rows}
    winners = set(lineage(by_id, best["id"]))
    for won in (False, True):  # the ancestors of the result are drawn last, on top
        for row in (row for row in rows if (row["id"] in winners) == won):
            here, colour = place[row["id"]], BEST if won else _colour(row)
            if row["parent"] in place:
                plot.line([place[row["parent"]], here], BEST if won else FAINT, 3 if won else 1)
            plot.dot(*here, colour, 5.0 if row["accepted"] or won else 2.5)
    plot.ring(*place[best["id"]])


def _images(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    pictures: Sequence[Image.Image],
    top: list[Row],
    y: int,
) -> None:
    """The returned images with their rewards, best first, as many as fit."""
    small, large = ImageFont.load_default(15), ImageFont.load_default(20)
    shown = list(zip(pictures, top, strict=True))[: (WIDE - 90) // (SIDE + 12)]
    more = f" (the first {len(shown)} of {len(top)})" if len(shown) < len(top) else ""
    draw.text((90, y), f"Images returned{more}", INK, large)
    for i, (picture, row) in enumerate(shown):
        x = 90 + i * (SIDE + 12)
        picture = ImageOps.contain(picture, (SIDE, SIDE))
        sheet.paste(picture, (x, y + 40))
        start = f", start {row['start']}" if "start" in row else ""
        below = [f"particle {row['id']}{start}, reward {figure(row['reward'])}"]
        if row.get("finish_reward") is not None:
            below.append(f"dropped finish: reward {figure(row['finish_reward'])}")
        draw.text((x, y + 48 + picture.height), "\n".join(below), INK, small)


def _places(rows: list[Row], floor: float) -> dict[int, tuple[float, float]]:
    """The point of each particle in the tree. A particle without a reward is at the bottom."""
    width, placed = Counter(row["step"] for row in rows), Counter()
    place = {}
    for row in rows:
        step = row["step"]
        x = step + 0.85 * placed[step] / width[step]
        place[row["id"]] = x, floor if row["reward"] is None else row["reward"]
        placed[step] += 1
    return place


def lineage(by_id: dict[int, Row], particle: int) -> list[int]:
    """Ids from a particle up to its first ancestor that was scored."""
    ids = [particle]
    while (parent := by_id[ids[-1]]["parent"]) in by_id:
        ids.append(parent)
    return ids
