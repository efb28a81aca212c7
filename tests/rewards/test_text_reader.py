"""The Text Reader with its trained weights on rendered text, against the package easyocr."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS, Files, blames, load_scorer
from pack.rewards.text.craft import craft_pixels, load_detector
from pack.rewards.text.line_reader import line_pixels, load_reader
from pack.rewards.text.reading import read_lines
from PIL import Image, ImageDraw, ImageFont

from . import tiny_text

models = pytest.importorskip("easyocr_en_models")
easyocr = pytest.importorskip("easyocr")

FOLDER = Path(models.model_dir())
FILES = (str(FOLDER / "english_g2.pth"), str(FOLDER / "craft_mlt_25k.pth"))
FONTS = [
    "/usr/share/fonts/truetype/dejavu/DejaVuSerif-Bold.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSerif-Italic.ttf",
]
SIGN = 'a wooden sign that says "OPEN", oil painting'


def font(size, number=0):
    """Pillow's own font, or one of Linux that may not be there."""
    path = FONTS[number - 1] if number else ""
    return ImageFont.truetype(path, size) if Path(path).is_file() else ImageFont.load_default(size)


def written(*texts, size=(128, 64), letters=26, number=0, noise=0.0, ink=(20, 30, 90)):
    """A picture (H, W, 3) with the texts below each other."""
    picture = Image.new("RGB", size, (225, 215, 180))
    for i, text in enumerate(texts):
        place = (10, 8 + int(1.4 * i * letters))
        ImageDraw.Draw(picture).text(place, text, ink, font(letters, number))
    pixels = np.asarray(picture) + np.random.default_rng(0).normal(0, noise, (*size[::-1], 3))
    return torch.tensor(pixels.clip(0, 255).astype(np.uint8)).float() / 255


def curved(text):
    """Letters on a flat arc, each turned along it."""
    picture = Image.new("RGB", (192, 64), "white")
    for i, letter in enumerate(text):
        angle = (i - (len(text) - 1) / 2) * 0.05
        tile = Image.new("L", (40, 40))
        ImageDraw.Draw(tile).text((20, 20), letter, 255, font(26), anchor="mm")
        tile = tile.rotate(-math.degrees(angle), Image.Resampling.BICUBIC)
        place = (int(76 + 400 * math.sin(angle)), int(20 + 400 * (1 - math.cos(angle))))
        picture.paste((0, 0, 0), place, tile)
    return torch.tensor(np.asarray(picture)).float() / 255


PICTURES = {
    "small": written("flow search 2026", letters=14, size=(128, 32)),
    "large": written("SALE", letters=50, size=(160, 64)),
    "serif": written("Hotel", number=1),
    "italic": written("River Cafe", number=2),
    "noise": written("OPEN", noise=25.0),
    "white on dark": 1.0 - written("No 4711"),
    "two lines": written("MIND", "THE GAP", size=(128, 96)),
    "curved": curved("CURVED"),
    "nonsense": written("xq7 bnFz"),
    "nothing": written(""),
}


@pytest.fixture(scope="module")
def original():
    """The package, which reads on one CPU core as it is by default there, but unquantised."""
    return easyocr.Reader(
        ["en"], False, str(FOLDER), download_enabled=False, verbose=False, quantize=False
    )


@pytest.fixture(scope="module")
def parts():
    """The trained networks, loaded once: a detector and a reader."""
    return load_scorer(REWARDS["text_reader"](*FILES), Files())


def scorer(parts, **settings):
    return type(parts)(parts.module, REWARDS["text_reader"](*FILES, **settings))


def test_the_networks_are_those_of_the_package(original, parts):
    picture = PICTURES["two lines"]
    pixels, _ = craft_pixels(picture, 1.0)
    line, _ = line_pixels(picture, (6, 4, 120, 44))
    with torch.no_grad():
        maps = original.detector(pixels)[0].permute(0, 3, 1, 2)
        torch.testing.assert_close(parts.module["detector"](pixels), maps, rtol=1e-4, atol=1e-5)
        logits = original.recognizer.eval()(line, None)
        torch.testing.assert_close(parts.module["reader"](line), logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", PICTURES)
def test_it_reads_what_the_package_reads(original, parts, name):
    """The boxes are a few pixels apart at most: cv2 rounds otherwise."""
    picture = PICTURES[name]
    detector, reader = parts.module["detector"], parts.module["reader"]
    with torch.no_grad():
        lines = read_lines(detector, reader, picture, 1.0)
    wanted = original.readtext((255 * picture).round().byte().numpy())
    assert [line.text for line in lines] == [text.replace(" ", "") for _, text, _ in wanted]
    for line, (corners, _, _) in zip(lines, wanted, strict=True):
        box = np.array([*np.min(corners, 0), *np.max(corners, 0)])
        assert np.abs(box - line.box).max() <= 3


def score(parts, picture, prompt, **settings):
    with torch.inference_mode():
        return float(scorer(parts, **settings).score(picture[None], [prompt])[0])


@pytest.mark.parametrize(
    ("shown", "settings", "wanted"),
    [
        (["OPEN"], {}, 1.0),
        (["Open"], {}, 1.0),
        (["Open"], {"case": "match"}, 0.25),
        (["OPN"], {}, 0.75),
        (["OPENN"], {}, 0.75),
        (["OPEN", "NOW"], {}, 0.25),
        (["OPEN", "NOW"], {"other_text": "ignore"}, 1.0),
        (["A OPEN"], {"other_text": "ignore"}, 1.0),
        (["OP", "EN"], {}, 1.0),
        (["NOW", "OPEN"], {"text": "open\nnow"}, 1.0),
        (["BAKERY"], {}, 0.0),
        ([""], {}, 0.0),
    ],
)
def test_the_score_is_that_of_wrong_letters(parts, shown, settings, wanted):
    picture = written(*shown, size=(128, 96 if shown[1:] else 64))
    assert score(parts, picture, SIGN, **settings) == pytest.approx(wanted)


def test_the_soft_score_ranks_as_the_edits_do(parts):
    """And above what is read as the same: a faint text is less probable."""
    texts = ["OPEN", "OPFN", "QPFM", ""]
    scores = [score(parts, written(text), SIGN, score="soft") for text in texts]
    assert scores[0] > 0.9 and scores[3] == pytest.approx(math.exp(-1), abs=1e-6)
    assert scores[0] > scores[1] + 0.1 and scores[1] > scores[2] + 0.1


def test_a_step_along_the_gradient_makes_the_text_more_probable(parts):
    reader, picture = scorer(parts, score="soft"), written("OPFN")[None].requires_grad_()
    before = reader.score(picture, [SIGN])
    before.sum().backward()
    step = picture.grad / picture.grad.abs().max()
    with torch.no_grad():
        after = reader.score((picture + 0.2 * step).clamp(0, 1), [SIGN])
    assert after > before + 0.05


def test_wrong_letters_are_blamed(parts):
    reader = scorer(parts)
    assert blames(reader)
    pictures = torch.stack([written("OPEN"), written("OPFN"), written("")])
    right, wrong, empty = reader.blame(pictures, [SIGN] * 3)
    assert right.max() == 0.0 and 0.0 < empty.mean() < 0.2
    columns = (wrong.max(0).values > 0.5).nonzero().flatten()
    assert 40 < columns.min() and columns.max() < 75 and wrong.max() == 1.0
    assert reader.blame(pictures[1:2] * math.nan, [SIGN]).max() == 0.0


def test_the_prompt_is_checked_before_a_search(parts):
    scorer(parts).check(SIGN)
    with pytest.raises(ValueError, match=r"no text in quotes: got 'a wooden sign', expected one"):
        scorer(parts).check("a wooden sign")


def test_a_reader_of_another_language_is_refused(tmp_path):
    file = tmp_path / "latin_g2.pth"
    torch.save(tiny_text.reader_state(letters=351), file)
    with pytest.raises(ValueError, match="reads 351 letters of another language, not 96: expected"):
        load_reader(file)
    torch.save(tiny_text.detector_state(), file)
    with pytest.raises(ValueError, match=r"looks like the text detector CRAFT: expected EasyOCR's"):
        load_reader(file)
    torch.save(tiny_text.reader_state(), file)
    with pytest.raises(ValueError, match="looks like a text reader of EasyOCR: expected the text"):
        load_detector(file)
