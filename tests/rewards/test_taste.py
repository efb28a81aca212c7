"""Taste: the fit against plain least squares, and two folders of pictures with a tiny CLIP."""

import logging

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS, Files, findings_of
from pack.rewards.files.weights import peek
from pack.rewards.preference import taste_head
from PIL import Image

from . import test_clip, tiny_siglip
from .tiny_clip import shown


def painted(number, seed, red):
    """Pictures of blocks, reddish or bluish."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 160, (number, 8, 8, 3), dtype=np.uint8)
    coarse[..., 0 if red else 2] += 95
    return coarse.repeat(6, 1).repeat(6, 2)


def build(path, tower=test_clip.build, number=12, other_red=False):
    """Write a tower and two folders of pictures into `path`; the liked ones are red."""
    tower(path / "tower")
    for name, red, seed in (("liked", True, 1), ("not_liked", other_red, 2)):
        (path / name).mkdir()
        for i, picture in enumerate(painted(number, seed, red)):
            Image.fromarray(picture).save(path / name / f"{i}.png")


def load(path, **names):
    folders = {"liked": str(path / "liked"), "not_liked": str(path / "not_liked")}
    return REWARDS["taste"](str(path / "tower"), **folders | names).load(Files())


def clouds(liked, others, distance, dimensions=20):
    generator = torch.Generator().manual_seed(3)
    both = torch.randn(liked + others, dimensions, generator=generator)
    both[:liked, 0] += distance
    return both[:liked], both[liked:]


def test_the_head_is_a_weighted_ridge():
    """Against least squares with a row for each penalty, in numpy."""
    liked, others = clouds(9, 30, 2.0)
    middle = ((liked.mean(0) + others.mean(0)) / 2).double().numpy()
    roots = np.sqrt([0.5 / 9] * 9 + [0.5 / 30] * 30)[:, None]
    rows = (torch.cat((liked, others)).double().numpy() - middle) * roots
    targets = np.array([1.0] * 9 + [-1.0] * 30)[:, None] * roots
    penalty = np.sqrt(taste_head.STRENGTH * (rows**2).sum()) * np.eye(20)
    wanted = np.linalg.lstsq(
        np.concatenate((rows, penalty)), np.concatenate((targets, np.zeros((20, 1)))), rcond=None
    )[0][:, 0]
    weights, bias = taste_head.fitted(liked, others)
    cosine = np.dot(weights, wanted) / np.linalg.norm(weights) / np.linalg.norm(wanted)
    assert cosine == pytest.approx(1.0, abs=1e-6)
    means = [float((part @ weights + bias).mean()) for part in (liked, others)]
    assert means == pytest.approx([1.0, -1.0], abs=1e-5)


def test_the_area_under_the_curve():
    assert taste_head.auc(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 0.0])) == 3.5 / 4
    near = [taste_head.held_out_auc(*clouds(60, 60, distance)) for distance in (0.0, 1.0, 6.0)]
    assert abs(near[0] - 0.5) < 0.1 and near[0] + 0.1 < near[1] < near[2] and near[2] > 0.99
    assert taste_head.held_out_auc(*clouds(60, 60, 1.0)) == near[1]


@pytest.mark.parametrize("tower", [test_clip.build, tiny_siglip.build], ids=["clip", "siglip"])
def test_it_learns_what_two_folders_show(tmp_path, tower, caplog):
    build(tmp_path, tower)
    with caplog.at_level(logging.INFO, "flow_search"):
        scorer = load(tmp_path)
    fresh = torch.cat([shown(painted(6, seed, red)) for seed, red in ((7, True), (8, False))])
    scores = scorer.score(fresh, [""] * 12)
    assert scores[:6].min() > scores[6:].max() and scores[:6].mean() > 0.3
    assert findings_of(scorer)["held_out_auc"] > 0.9
    assert "Taste from 12 + 12 images: held-out AUC" in caplog.text and "chance" not in caplog.text
    own = scorer.score(shown(painted(12, 1, True)), [""] * 12)
    assert own.mean() == pytest.approx(1.0, abs=1e-3)


def test_a_taste_without_a_difference_is_warned_of(tmp_path, caplog):
    build(tmp_path, other_red=True)
    assert findings_of(load(tmp_path))["held_out_auc"] < 0.65
    assert "Add images: this is close to chance" in caplog.text


def test_folders_are_read_as_they_are(tmp_path):
    """Alpha over white, turned as a camera says, and other files left alone."""
    build(tmp_path)
    before = load(tmp_path).score(shown(painted(3, 5, True)), [""] * 3)
    (tmp_path / "liked" / "notes.txt").write_text("x")
    for i, picture in enumerate(painted(12, 1, True)):
        turned = Image.fromarray(picture).rotate(90, expand=True).convert("RGBA")
        exif = Image.Exif()
        exif[0x0112] = 6  # turn it clockwise to see it upright
        turned.save(tmp_path / "liked" / f"{i}.png", exif=exif)
    after = load(tmp_path).score(shown(painted(3, 5, True)), [""] * 3)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-5)


def test_what_is_no_folder_of_images_is_refused(tmp_path):
    build(tmp_path)
    with pytest.raises(ValueError, match="nowhere is no folder: expected a folder with images"):
        load(tmp_path, liked=str(tmp_path / "nowhere"))
    (tmp_path / "few").mkdir()
    with pytest.raises(ValueError, match=r"few has the wrong number of images: got 0, expected 5"):
        load(tmp_path, not_liked=str(tmp_path / "few"))
    (tmp_path / "liked" / "0.png").write_text("<html>")
    with pytest.raises(ValueError, match=r"0\.png cannot be read as an image \(.*\): expected"):
        load(tmp_path)

    def nothing(name):
        raise ValueError("outside")

    with pytest.raises(ValueError, match=r"folder with images is not there: got 'taste/liked', ex"):
        REWARDS["taste"](str(tmp_path)).load(Files(nothing))


def test_clip_and_siglip_are_listed(tmp_path):
    listed = REWARDS["taste"].__dataclass_fields__["checkpoint"].metadata["checkpoint"]
    for name, tower in (("clip", test_clip.build), ("siglip", tiny_siglip.build)):
        tower(tmp_path / name)
        assert listed(peek(tmp_path / name))
