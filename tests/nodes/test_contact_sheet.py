"""The contact sheet of Score Images: every image with its score, whatever its size."""

import math

import pytest
import torch
from PIL import ImageColor

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


@pytest.fixture
def sheets(parts):
    return parts.contact_sheet


def plain(height, width, colour=BLUE):
    return torch.tensor(colour).expand(height, width, len(colour))


def area(sheet, colour):
    """How many pixels have this colour."""
    return int(((sheet[0] - torch.tensor(colour)).abs().amax(-1) < 0.01).sum())


def drawn(sheets, *images, kept=True):
    cells = [sheets.Cell(image, i, 0.5, kept) for i, image in enumerate(images)]
    return sheets.contact_sheet(cells, "a note")


@pytest.mark.parametrize("side", [64, 256, 1024])
@pytest.mark.parametrize("count, columns, rows", [(1, 1, 1), (4, 2, 2), (5, 3, 2), (30, 6, 5)])
def test_images_of_any_size_fill_the_same_place(sheets, side, count, columns, rows):
    sheet = drawn(sheets, *[plain(side, side)] * count)
    place = sheets.SIDE + sheets.GAP
    height = sheets.HEAD + rows * (place + sheets.CAPTION)
    assert sheet.shape == (1, height, sheets.GAP + columns * place, 3)
    assert 0.0 <= sheet.min() and sheet.max() == 1.0
    assert area(sheet, BLUE) == count * sheets.SIDE**2


@pytest.mark.parametrize("size", [(512, 1024), (32, 64), (1000, 10), (1, 5000)])
def test_the_shape_of_an_image_stays(sheets, size):
    scale = sheets.SIDE / max(size)
    wanted = max(1, round(size[0] * scale)) * max(1, round(size[1] * scale))
    assert area(drawn(sheets, plain(*size)), BLUE) == wanted


def test_images_differ_in_size_and_channels(sheets):
    alpha = plain(64, 64, (1.0, 0.0, 0.0, 0.0))  # transparent: white
    sheet = drawn(sheets, plain(64, 64), plain(100, 300, RED), alpha, plain(8, 8, (0.5,)))
    assert area(sheet, BLUE) == sheets.SIDE**2
    assert area(sheet, RED) == sheets.SIDE * round(sheets.SIDE / 3)
    assert area(sheet, (128 / 255,) * 3) >= sheets.SIDE**2


def test_videos_show_their_first_frame(sheets):
    sheet = drawn(sheets, torch.stack([plain(32, 32, RED), plain(32, 32), plain(32, 32)]))
    assert area(sheet, RED) == sheets.SIDE**2 and area(sheet, BLUE) == 0


def test_a_rejected_image_has_a_red_border_and_words(sheets):
    border = [channel / 255 for channel in ImageColor.getrgb(sheets.BEST)]
    kept, rejected = (drawn(sheets, plain(64, 64), kept=kept) for kept in (True, False))
    assert area(kept, border) == 0
    frame = (sheets.SIDE + 8) ** 2 - sheets.SIDE**2
    assert area(rejected, border) > frame
    words = rejected[:, sheets.HEAD + sheets.SIDE + sheets.GAP :]
    assert area(words, border) > 100


def test_an_image_that_failed_is_shown(sheets):
    image = plain(64, 64).clone()
    image[:32] = math.nan
    sheet = sheets.contact_sheet([sheets.Cell(image, 0, math.nan, False)], "a note")
    assert sheet.isfinite().all()
    assert area(sheet, BLUE) > sheets.SIDE**2 / 3


def test_scores_are_written(sheets):
    one, other = (
        sheets.contact_sheet([sheets.Cell(plain(64, 64), 0, score, True)], "a note")
        for score in (0.25, -13.5)
    )
    caption = slice(sheets.HEAD + sheets.SIDE, None)
    assert torch.equal(one[:, : caption.start], other[:, : caption.start])
    assert not torch.equal(one[:, caption], other[:, caption])


def test_a_sheet_has_at_most_100_images(sheets):
    sheet = drawn(sheets, *[plain(8, 8)] * 130)
    assert area(sheet, BLUE) == sheets.SHOWN * sheets.SIDE**2
