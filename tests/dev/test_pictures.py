"""Pictures that scripts make: the film of the panel, the social preview, icon and banner."""

import re
from xml.etree import ElementTree

import pytest
from pack.tools.demonstration import WORKFLOW
from pack.tools.workflows import panel_film, social_preview
from PIL import Image, ImageDraw

from ..test_docs import RAW, ROOT

MEGABYTE = 1 << 20
PAGES = "README.md", "README.zh.md"


def shot(width, bar):
    """A panel at twice its size, with an even area below it."""
    image = Image.new("RGB", (2 * panel_film.WIDTH, 900), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 2 * panel_film.WIDTH, 399), "black")
    draw.rectangle((0, 100, width, 100 + bar), "red")
    return image


def test_a_film_has_no_empty_area_and_no_frame_twice(tmp_path):
    shots = [shot(10, 5), shot(10, 5), shot(200, 5), shot(300, 5)]
    frames = panel_film.film(shots)
    assert [frame.size for frame in frames] == [(panel_film.WIDTH, 205)] * 3
    panel_film.save(frames, tmp_path / "film.webp")
    with Image.open(tmp_path / "film.webp") as film:
        assert film.n_frames == 3 and film.info["loop"] == 0
        film.seek(2)
        film.load()
        assert film.info["duration"] == panel_film.END


def test_a_long_film_ends_with_its_last_frame():
    frames = panel_film.film([shot(10 + 5 * i, 5) for i in range(90)])
    assert len(frames) <= panel_film.FRAMES + 1
    last = panel_film.film([shot(10 + 5 * 89, 5)])[0]
    assert frames[-1].tobytes() == last.tobytes()


def test_the_social_preview_is_what_the_script_makes():
    with Image.open(WORKFLOW.with_suffix(".jpg")) as sheet:
        made = social_preview.preview(sheet.convert("RGB"))
    with Image.open(social_preview.FILE) as kept:
        assert kept.size == made.size == (1280, 640)
        pairs = zip(kept.convert("RGB").resize((32, 16)).tobytes(),
                    made.resize((32, 16)).tobytes(), strict=True)  # fmt: skip
        assert max(abs(a - b) for a, b in pairs) <= 8  # fonts and JPEG differ a little
    assert social_preview.FILE.stat().st_size < MEGABYTE  # GitHub takes no more


def test_the_film_in_the_readme_is_small_and_moves():
    name = "web/docs/panel.webp"
    assert all(f"({name})" in (ROOT / page).read_text("utf-8") for page in PAGES)
    film = ROOT / name
    assert film.stat().st_size < MEGABYTE
    with Image.open(film) as image:
        assert image.n_frames >= 10


@pytest.mark.parametrize("key, shape", [("Icon", 1.0), ("Banner", 21 / 9)])
def test_the_registry_takes_icon_and_banner(key, shape):
    """A square of at most 400 pixels, and 21:9."""
    address = re.search(f'^{key} = "(.*)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.M)[1]
    assert address.startswith(RAW)
    drawn = ElementTree.parse(ROOT / address.removeprefix(RAW)).getroot()
    *_, width, height = map(float, drawn.get("viewBox").split())
    assert width / height == pytest.approx(shape)
    assert key != "Icon" or width <= 400
