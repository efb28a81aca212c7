"""Pictures that scripts make: the panel, the social preview, icon and banner."""

import re
from xml.etree import ElementTree

import pytest
from pack.tools.demonstration import WORKFLOW
from pack.tools.workflows import help_pictures, social_preview
from PIL import Image, ImageDraw

from ..test_docs import RAW, ROOT

MEGABYTE = 1 << 20


def test_the_panel_has_no_even_area_below_it():
    shot = Image.new("RGB", (80, 300), "white")
    ImageDraw.Draw(shot).rectangle((0, 0, 80, 99), "black")
    assert help_pictures.trimmed(shot).size == (80, 100 + help_pictures.MARGIN)
    full = shot.crop((0, 0, 80, 100))
    assert help_pictures.trimmed(full).size == full.size


def test_the_social_preview_is_what_the_script_makes():
    with Image.open(WORKFLOW.with_suffix(".jpg")) as sheet:
        made = social_preview.preview(sheet.convert("RGB"))
    with Image.open(social_preview.FILE) as kept:
        assert kept.size == made.size == (1280, 640)
        pairs = zip(kept.convert("RGB").resize((32, 16)).tobytes(),
                    made.resize((32, 16)).tobytes(), strict=True)  # fmt: skip
        assert max(abs(a - b) for a, b in pairs) <= 8  # fonts and JPEG differ a little
    assert social_preview.FILE.stat().st_size < MEGABYTE  # GitHub takes no more


@pytest.mark.parametrize("key, shape", [("Icon", 1.0), ("Banner", 21 / 9)])
def test_the_registry_takes_icon_and_banner(key, shape):
    """A square of at most 400 pixels, and 21:9."""
    address = re.search(f'^{key} = "(.*)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)[1]
    assert address.startswith(RAW)
    drawn = ElementTree.parse(ROOT / address.removeprefix(RAW)).getroot()
    *_, width, height = map(float, drawn.get("viewBox").split())
    assert width / height == pytest.approx(shape)
    assert key != "Icon" or width <= 400
