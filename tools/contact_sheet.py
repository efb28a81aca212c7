"""A contact sheet: a row for each prompt, a column for each method, right and wrong marked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

SIDE, BORDER, GAP, STRIP = 160, 6, 16, 26  # pixels
LEFT, TOP = 250, 84  # width of the prompts and height of the titles
CELL = SIDE + 2 * BORDER
PAPER, INK, FAINT = "#ffffff", "#20242c", "#69707d"
MARKS = {True: ("right", "#1f8a45"), False: ("wrong", "#c8322b")}
LINES = {  # of a tick and of a cross, in a square of side 1
    True: [((0.05, 0.55), (0.38, 0.88)), ((0.38, 0.88), (0.95, 0.12))],
    False: [((0.12, 0.12), (0.88, 0.88)), ((0.88, 0.12), (0.12, 0.88))],
}


@dataclass(frozen=True)
class Column:
    """What a method found.

    Args:
        title: the method.
        note: a line below the title.
        images: of each prompt.
        right: of each image, whether it is right.
    """

    title: str
    note: str
    images: Sequence[Image.Image]
    right: Sequence[bool]


def contact_sheet(prompts: Sequence[str], columns: Sequence[Column]) -> Image.Image:
    """The sheet."""
    high = CELL + STRIP + GAP
    sheet = Image.new(
        "RGB", (LEFT + (CELL + GAP) * len(columns) + GAP, TOP + high * len(prompts)), PAPER
    )
    draw = ImageDraw.Draw(sheet)
    for row, prompt in enumerate(prompts):
        lines = broken(f"{row + 1}. {prompt}", LEFT - 2 * GAP, font(19))
        draw.text((GAP, TOP + high * row + 2), "\n".join(lines), INK, font(19), spacing=7)
    for number, column in enumerate(columns):
        x = LEFT + (CELL + GAP) * number
        draw.text((x, 16), column.title, INK, font(26))
        draw.text((x, 50), column.note, FAINT, font(17))
        for row, (image, right) in enumerate(zip(column.images, column.right, strict=True)):
            paste(sheet, image, right, (x, TOP + high * row))
    return sheet


def paste(sheet: Image.Image, image: Image.Image, right: bool, at: tuple[int, int]) -> None:
    """An image with a border and a mark below it.

    Args:
        sheet: gets the image.
        image: of any size.
        right: whether it is.
        at: left upper corner of the border.
    """
    draw, (x, y), (word, colour) = ImageDraw.Draw(sheet), at, MARKS[right]
    draw.rectangle((x, y, x + CELL - 1, y + CELL - 1), colour)
    sheet.paste(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x + BORDER, y + BORDER))
    size, below = 13, y + CELL + 7
    for line in LINES[right]:
        draw.line([(x + 2 + size * a, below + size * b) for a, b in line], colour, 3)
    draw.text((x + 24, below - 4), word, colour, font(17))


def broken(text: str, width: int, face: ImageFont.FreeTypeFont) -> list[str]:
    """A text in lines.

    Args:
        text: with spaces.
        width: of a line, in pixels.
        face: the font.
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if face.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
