"""Line charts as SVG."""

from __future__ import annotations

from collections.abc import Callable

COLOURS = (
    "#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#333333",
    "#17a2b8", "#b5a000", "#8fd14f", "#f29ca3",
)  # fmt: skip


def chart(title: str, xs: tuple, series: dict, x_name: str, y_name: str) -> str:
    """An SVG with one line and its error bars for each series.

    Args:
        title: above the chart.
        xs: labels of the x axis, at even distances.
        series: name -> (mean, error) or None for each of `xs`.
        x_name: name of the x axis.
        y_name: name of the y axis.
    """
    points = [p for values in series.values() for p in values if p]
    low, high = min(m - e for m, e in points), max(m + e for m, e in points)
    across = {x: 70 + 330 * i / (len(xs) - 1) for i, x in enumerate(xs)}

    def y(value: float) -> float:
        return 290 - 240 * (value - low) / (high - low)

    marks = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 340" font-family="sans-serif" '
        'font-size="12"><rect width="680" height="340" fill="#fff"/>',
        f'<text x="70" y="28" font-size="15">{title}</text>',
        f'<text x="235" y="330" text-anchor="middle">{x_name}</text>',
        f'<text transform="translate(16 170) rotate(-90)" text-anchor="middle">{y_name}</text>',
    ]
    for x, at in across.items():
        marks.append(f'<text x="{at:.0f}" y="312" text-anchor="middle">{x}</text>')
    for i in range(5):
        value = low + (high - low) * i / 4
        marks.append(f'<path d="M70 {y(value):.1f}H400" stroke="#ddd"/>')
        marks.append(f'<text x="62" y="{y(value) + 4:.1f}" text-anchor="end">{value:.2f}</text>')
    for i, (name, values) in enumerate(series.items()):
        marks += line(name, list(zip(across.values(), values, strict=True)), y, i)
    return "\n".join([*marks, "</svg>\n"])


def line(name: str, points: list, y: Callable[[float], float], i: int) -> list[str]:
    """One series and its line of the legend.

    Args:
        name: in the legend.
        points: (pixel of x, (mean, error) or None).
        y: a value -> its pixel.
        i: the number of the series, which chooses its colour.
    """
    colour, measured = COLOURS[i % len(COLOURS)], [(x, *p) for x, p in points if p]
    path = "L".join(f"{x:.1f} {y(mean):.1f}" for x, mean, _ in measured)
    bars = "".join(f"M{x:.1f} {y(m - e):.1f}V{y(m + e):.1f}" for x, m, e in measured)
    return [
        f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
        f'<path d="{bars}" stroke="{colour}"/>',
        f'<path d="M415 {60 + 20 * i}h18" stroke="{colour}" stroke-width="2"/>',
        f'<text x="438" y="{64 + 20 * i}">{name}</text>',
    ]
