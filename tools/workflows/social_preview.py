"""The social preview of the repository, 1280×640: python tools/workflows/social_preview.py

GitHub shows it next to a link, once it is uploaded in the settings of the repository. It has the
name and three columns of the demo's image: what the plain sampler and what a search drew for the
same prompt. `dev.py write pictures` makes it.
"""

from __future__ import annotations

import runpy
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[2]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.tools.demonstration import WORKFLOW
from pack.tools.workflows.diagram import FAINT, INK, PAPER

SIZE = 1280, 640
FILE = ROOT / "docs" / "social-preview.png"
ACCENT = "#f2a65a"
TITLE = "Flow Search"
LINES = ("Spend more compute on one image,", "and get the one you asked for.",
         "Inference-time search for ComfyUI")  # fmt: skip
# The demo's image: the first square, the distance to the next one, the sides with a border.
LEFT, TOP, ACROSS, DOWN, SIDE = 96, 8, 68, 72, 66
ROWS = {"plain sampler": 0, "search": 3}
COLUMNS = (0, 2, 4)  # prompts that the plain sampler gets wrong
CELL, GAP = 160, 24


def cut(sheet: Image.Image, row: int, column: int) -> Image.Image:
    """One framed square of the demo's image.

    Args:
        sheet: the image.
        row: of the method.
        column: of the prompt.
    """
    x, y = LEFT + ACROSS * column, TOP + DOWN * row
    square = sheet.crop((x, y, x + SIDE, y + SIDE))
    return square.resize((CELL, CELL), Image.Resampling.LANCZOS)


def preview(sheet: Image.Image) -> Image.Image:
    """The picture.

    Args:
        sheet: the image of the demo.
    """
    page = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(page)
    draw.text((60, 170), TITLE, INK, ImageFont.load_default(96))
    for number, (text, colour) in enumerate(zip(LINES, (INK, INK, ACCENT), strict=True)):
        draw.text((64, 310 + 54 * number), text, colour, ImageFont.load_default(36))
    left, top = SIZE[0] - 60 - len(COLUMNS) * (CELL + GAP) + GAP, 92
    for number, (name, row) in enumerate(ROWS.items()):
        y = top + number * (CELL + 80)
        draw.text((left, y), name, FAINT, ImageFont.load_default(26))
        for place, column in enumerate(COLUMNS):
            page.paste(cut(sheet, row, column), (left + place * (CELL + GAP), y + 40))
    return page


def main() -> None:
    with Image.open(WORKFLOW.with_suffix(".jpg")) as sheet:
        preview(sheet.convert("RGB")).save(FILE, optimize=True)


if __name__ == "__main__":
    main()
