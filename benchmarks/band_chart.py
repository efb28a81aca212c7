"""Lines with bands over a logarithmic axis, as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from .line_chart import COLOURS

Point = tuple[float, float, float, float]  # x, y, low end and high end of the band
LEFT, RIGHT, TOP, BOTTOM = 60, 470, 45, 300
TICKS = (1, 2, 5, 10, 25, 50, 100, 200, 500, 1000, 2000, 5000)


def chart(title: str, x_name: str, y_name: str, series: dict[str, list[Point]]) -> str:
    """An SVG with a line and a band for each series; y is from 0 to 1.

    Args:
        title: above the chart.
        x_name: name of the x axis.
        y_name: name of the y axis.
        series: name -> points by rising x.
    """
    xs = [point[0] for points in series.values() for point in points]
    across = _axis(min(xs), max(xs))
    marks = [*_frame(title, x_name, y_name), *_grid(min(xs), max(xs), across)]
    for i, points in enumerate(series.values()):
        marks += _band(points, across, COLOURS[i % len(COLOURS)])
    for i, (name, points) in enumerate(series.items()):
        marks += _line(name, points, across, i)
    return "\n".join([*marks, "</svg>\n"])


def _axis(low: float, high: float) -> Callable[[float], float]:
    """x -> its pixel."""
    span = math.log(high / low) or 1.0
    return lambda x: LEFT + 15 + (RIGHT - LEFT - 30) * math.log(x / low) / span


def _height(y: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * y


def _frame(title: str, x_name: str, y_name: str) -> list[str]:
    return [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 350" font-family="sans-serif" '
        'font-size="12"><rect width="680" height="350" fill="#fff"/>',
        f'<text x="{LEFT}" y="26" font-size="15">{title}</text>',
        f'<text x="{(LEFT + RIGHT) / 2:.0f}" y="340" text-anchor="middle">{x_name}</text>',
        f'<text transform="translate(16 170) rotate(-90)" text-anchor="middle">{y_name}</text>',
    ]


def _grid(low: float, high: float, across: Callable[[float], float]) -> Iterable[str]:
    for i in range(6):
        at = _height(i / 5)
        yield f'<path d="M{LEFT} {at:.1f}H{RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{i / 5:.1f}</text>'
    for tick in TICKS:
        if low <= tick <= high:
            at = f"{across(tick):.1f}"
            yield f'<path d="M{at} {BOTTOM}v5" stroke="#333"/>'
            yield f'<text x="{at}" y="{BOTTOM + 20}" text-anchor="middle">{tick}</text>'


def _band(points: list[Point], across: Callable[[float], float], colour: str) -> list[str]:
    """The area between the ends; a bar, if there is one point."""
    lows = [f"{across(x):.1f} {_height(low):.1f}" for x, _, low, _ in points]
    highs = [f"{across(x):.1f} {_height(high):.1f}" for x, _, _, high in points]
    path = "L".join(highs + lows[::-1])
    if len(points) == 1:
        return [f'<path d="M{path}" stroke="{colour}" stroke-opacity="0.5" stroke-width="2"/>']
    return [f'<path d="M{path}Z" fill="{colour}" fill-opacity="0.12"/>']


def _line(name: str, points: list[Point], across: Callable[[float], float], i: int) -> list[str]:
    """One series and its line of the legend.

    Args:
        name: in the legend.
        points: of the series.
        across: x -> its pixel.
        i: the number of the series, which chooses its colour.
    """
    colour, at = COLOURS[i % len(COLOURS)], 60 + 20 * i
    places = [(f"{across(x):.1f}", f"{_height(y):.1f}") for x, y, _, _ in points]
    marks = [f'<path d="M{"L".join(map(" ".join, places))}" fill="none" stroke="{colour}" '
             'stroke-width="2"/>']  # fmt: skip
    if len(points) < 10:
        marks += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places]
    return [
        *marks,
        f'<path d="M{RIGHT + 15} {at}h18" stroke="{colour}" stroke-width="2"/>',
        f'<text x="{RIGHT + 40}" y="{at + 4}">{name}</text>',
    ]
