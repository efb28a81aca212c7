"""Numbers with their intervals on a logarithmic axis, a row for each name, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from .line_chart import COLOURS

Mark = tuple[float, float, float, bool]  # value, low and high end, whether it may be more
LEFT, RIGHT, TOP, ROW, GAP = 150, 640, 92, 34, 9
LOW, HIGH = 0.125, 16.0  # what lies outside ends at the edge, with an arrow
TICKS = (0.125, 0.25, 0.5, 1, 2, 4, 8, 16)


def chart(title: str, labels: Sequence[str], rows: Mapping[str, Sequence[Mark]]) -> str:
    """An SVG with as many marks for each name as there are labels.

    Args:
        title: above the chart.
        labels: what the marks of a row are, in their order.
        rows: name -> marks.
    """
    bottom = TOP + ROW * len(rows)
    parts = [*_frame(title, bottom), *_grid(bottom), *_legend(labels)]
    for number, (name, marks) in enumerate(rows.items()):
        y = TOP + ROW * (number + 0.5)
        parts.append(f'<text x="{LEFT - 12}" y="{y + 4:.1f}" text-anchor="end">{name}</text>')
        for i, mark in enumerate(marks):
            parts += _mark(mark, y + GAP * (i - (len(marks) - 1) / 2), COLOURS[i % len(COLOURS)])
    return "\n".join([*parts, "</svg>\n"])


def _across(value: float) -> float:
    """The pixel of a value; the edge for one outside."""
    inside = min(max(value, LOW), HIGH)
    return LEFT + (RIGHT - LEFT) * math.log(inside / LOW) / math.log(HIGH / LOW)


def _frame(title: str, bottom: float) -> list[str]:
    high = bottom + 46
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 {high}" '
        f'font-family="sans-serif" font-size="12"><rect width="680" height="{high}" fill="#fff"/>',
        f'<text x="20" y="26" font-size="15">{title}</text>',
        f'<text x="{(LEFT + RIGHT) / 2:.0f}" y="{bottom + 38}" text-anchor="middle">'
        "multiplier: best of N is at 1</text>",
    ]


def _grid(bottom: float) -> Iterable[str]:
    for tick in TICKS:
        x, colour = f"{_across(tick):.1f}", "#333" if tick == 1 else "#ddd"
        yield f'<path d="M{x} {TOP}V{bottom}" stroke="{colour}"/>'
        yield f'<text x="{x}" y="{bottom + 18}" text-anchor="middle">{tick:g}</text>'


def _legend(labels: Sequence[str]) -> Iterable[str]:
    width = (680 - 40) / len(labels)
    for i, label in enumerate(labels):
        x, colour = 20 + width * i, COLOURS[i % len(COLOURS)]
        yield f'<path d="M{x:.0f} 56h18" stroke="{colour}" stroke-width="2"/>'
        yield f'<circle cx="{x + 9:.0f}" cy="56" r="3.5" fill="{colour}"/>'
        yield f'<text x="{x + 25:.0f}" y="60">{label}</text>'


def _mark(mark: Mark, y: float, colour: str) -> Iterable[str]:
    """A dot and its interval.

    Args:
        mark: value, low and high end, whether it may be more.
        y: pixel.
        colour: of both.
    """
    value, low, high = map(_across, mark[:3])
    yield f'<path d="M{low:.1f} {y:.1f}H{high:.1f}" stroke="{colour}" stroke-width="2"/>'
    if mark[2] > HIGH or mark[3]:
        yield f'<path d="M{high:.1f} {y - 3:.1f}l6 3l-6 3z" fill="{colour}"/>'
    yield f'<circle cx="{value:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
