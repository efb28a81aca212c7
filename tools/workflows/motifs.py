"""A small drawing for each example that needs downloads: what it is about, at a glance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import ImageDraw, ImageFont

Point = tuple[float, float]
FRAMES = ((0.0, 0.1), (0.34, 0.1), (0.68, 0.1), (0.0, 0.55), (0.34, 0.55), (0.68, 0.55))


@dataclass(frozen=True)
class Pen:
    """Draws in a square, whose corners are (0, 0) and (1, 1).

    Args:
        draw: on the sheet.
        left, top, side: of the square in pixels.
        colour: of lines and areas.
        paper: behind them.
    """

    draw: ImageDraw.ImageDraw
    left: float
    top: float
    side: float
    colour: str
    paper: tuple[int, int, int]

    def at(self, points: Sequence[Point]) -> list[Point]:
        """Points of the sheet."""
        return [(self.left + x * self.side, self.top + y * self.side) for x, y in points]

    def line(self, *points: Point, width: float = 0.06) -> None:
        self.draw.line(self.at(points), self.colour, round(width * self.side), joint="curve")

    def area(self, *points: Point) -> None:
        self.draw.polygon(self.at(points), self.colour)

    def box(self, x: float, y: float, wide: float, high: float, filled: bool = False) -> None:
        """A rectangle.

        Args:
            x, y: its upper left corner.
            wide, high: its sides.
            filled: or only its border.
        """
        (corner, far) = self.at([(x, y), (x + wide, y + high)])
        fill = self.colour if filled else self.paper
        self.draw.rounded_rectangle((*corner, *far), 0.04 * self.side, fill, self.colour,
                                    round(0.04 * self.side))  # fmt: skip

    def disc(self, x: float, y: float, radius: float, filled: bool = True) -> None:
        """A circle.

        Args:
            x, y, radius: where, and how large.
            filled: or only its border.
        """
        (corner, far) = self.at([(x - radius, y - radius), (x + radius, y + radius)])
        fill = self.colour if filled else self.paper
        self.draw.ellipse((*corner, *far), fill, self.colour, round(0.05 * self.side))

    def text(self, x: float, y: float, words: str, size: float) -> None:
        """Words around a point.

        Args:
            x, y: the point.
            words: few of them.
            size: height of the letters.
        """
        font = ImageFont.load_default(round(size * self.side))
        self.draw.text(self.at([(x, y)])[0], words, self.colour, font, "mm")

    def tick(self, x: float, y: float, size: float) -> None:
        """The sign for right.

        Args:
            x, y: its left end.
            size: its width.
        """
        self.line((x, y), (x + 0.35 * size, y + 0.35 * size), (x + size, y - 0.4 * size))


def batch(pen: Pen) -> None:
    for number, (x, y) in enumerate(FRAMES):
        pen.box(x, y, 0.28, 0.36, filled=number == 4)


def judge(pen: Pen) -> None:
    pen.disc(0.3, 0.35, 0.22, filled=False)
    pen.disc(0.3, 0.35, 0.09)
    pen.tick(0.55, 0.4, 0.4)
    pen.box(0.0, 0.72, 1.0, 0.22)


def bolt(pen: Pen) -> None:
    pen.area((0.6, 0.0), (0.15, 0.58), (0.45, 0.58), (0.35, 1.0), (0.85, 0.38), (0.52, 0.38))


def sign(pen: Pen) -> None:
    pen.line((0.5, 0.5), (0.5, 1.0))
    pen.box(0.0, 0.12, 1.0, 0.46)
    pen.text(0.5, 0.35, "OPEN", 0.3)


def ticks(pen: Pen) -> None:
    for y in (0.2, 0.5, 0.8):
        pen.tick(0.0, y, 0.22)
        pen.line((0.4, y), (1.0, y))


def heart(pen: Pen) -> None:
    pen.disc(0.3, 0.32, 0.23)
    pen.disc(0.7, 0.32, 0.23)
    pen.area((0.1, 0.44), (0.9, 0.44), (0.5, 0.95))


def counts(pen: Pen) -> None:
    for x, y in ((0.2, 0.3), (0.5, 0.3), (0.8, 0.3), (0.35, 0.68), (0.65, 0.68)):
        pen.disc(x, y, 0.13)


def server(pen: Pen) -> None:
    for y in (0.05, 0.37, 0.69):
        pen.box(0.1, y, 0.8, 0.26)
        pen.disc(0.25, y + 0.13, 0.045)
        pen.line((0.45, y + 0.13), (0.8, y + 0.13), width=0.04)


def mask(pen: Pen) -> None:
    pen.box(0.0, 0.05, 1.0, 0.9)
    pen.disc(0.55, 0.55, 0.27)


def before_after(pen: Pen) -> None:
    pen.box(0.0, 0.25, 0.38, 0.5)
    pen.line((0.44, 0.5), (0.56, 0.5), width=0.08)
    pen.box(0.62, 0.25, 0.38, 0.5, filled=True)


def film(pen: Pen) -> None:
    pen.box(0.0, 0.15, 1.0, 0.7)
    for x in (0.1, 0.3, 0.5, 0.7, 0.9):
        pen.disc(x, 0.25, 0.035)
        pen.disc(x, 0.75, 0.035)
    pen.area((0.4, 0.36), (0.4, 0.64), (0.64, 0.5))


def loupe(pen: Pen) -> None:
    pen.line((0.6, 0.6), (0.95, 0.95), width=0.12)
    pen.disc(0.4, 0.4, 0.34, filled=False)


def sound(pen: Pen) -> None:
    for number, high in enumerate((0.2, 0.55, 0.9, 0.4, 0.75, 0.3)):
        x = 0.08 + 0.168 * number
        pen.line((x, 0.5 - high / 2), (x, 0.5 + high / 2), width=0.09)


def experts(pen: Pen) -> None:
    pen.disc(0.33, 0.5, 0.31)
    pen.disc(0.67, 0.5, 0.31, filled=False)


def chips(pen: Pen) -> None:
    for x, y in ((0.05, 0.05), (0.55, 0.05), (0.05, 0.55), (0.55, 0.55)):
        pen.box(x, y, 0.4, 0.4, filled=(x, y) == (0.05, 0.05))
    pen.line((0.45, 0.25), (0.55, 0.25))
    pen.line((0.25, 0.45), (0.25, 0.55))


MOTIFS: dict[str, Callable[[Pen], None]] = {
    "sdxl_batch": batch, "flux2_klein": judge, "z_image_turbo": bolt,
    "qwen_image_lightning": sign, "flux_schnell_rbf_vqascore": ticks,
    "flux_dev_rbf_pickscore": heart, "counting_grounding_dino": counts,
    "vlm_judge_over_http": server, "inpaint_search": mask, "kontext_edit_search": before_after,
    "wan_video_frames": film, "sdxl_search": loupe, "ltx2_sound": sound,
    "wan22_experts": experts, "workers_share": chips,
}  # fmt: skip
