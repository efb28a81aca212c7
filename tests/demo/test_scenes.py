"""Scenes: what is drawn is what the caption says; held-out triples stay out; seeds decide all."""

import numpy as np
import torch
from pack.demo import scenes
from pack.rewards.count.colour_shapes import colour_counts


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_drawn_shapes_match_the_kinds():
    kinds = scenes.draw_kinds(48, _generator())
    names = list(scenes.COLOURS)
    for rows, picture in zip(kinds.tolist(), scenes.draw_images(kinds, _generator(1)), strict=True):
        found = {name: n for name, n in colour_counts(picture.permute(1, 2, 0)).items() if n}
        assert found == {names[c]: n for n, c, _ in rows if n}


def test_shapes_keep_their_distance():
    kinds = scenes.draw_kinds(64, _generator(2))
    pictures = scenes.draw_images(kinds, _generator(3))
    ground = pictures[:, :, :1, :1]
    alpha = (pictures - ground).abs().amax(1) > 0.02
    cells = alpha.unfold(1, 32, 32).unfold(2, 32, 32)
    assert not cells[..., :2, :].any() and not cells[..., -2:, :].any()
    assert not cells[..., :, :2].any() and not cells[..., :, -2:].any()


def test_captions():
    assert scenes.caption([(3, 0, 0)]) == "three red circles"
    assert (
        scenes.caption([(3, 0, 0), (2, 4, 1), (0, 0, 0)])
        == "three red circles and two blue squares"
    )
    three = scenes.caption([(1, 0, 0), (2, 4, 1), (4, 3, 2)])
    assert three == "one red circle, two blue squares and four green triangles"


def test_held_out_triples_stay_out_of_training():
    assert len(scenes.HELD_OUT) == 16
    kinds = scenes.draw_kinds(4000, _generator(4))
    seen = {tuple(row) for scene in kinds.tolist() for row in scene if row[0]}
    assert not seen & scenes.HELD_OUT
    assert len(seen) == 108 - len(scenes.HELD_OUT)
    assert scenes.held_out_mask(scenes.draw_kinds(200, _generator(5), held_out=True)).all()


def test_scenes_obey_their_limits():
    kinds = scenes.draw_kinds(2000, _generator(6))
    count = kinds[..., 0]
    assert count.sum(1).max() <= scenes.MOST and count[:, 0].min() >= 1 and count.max() == 6
    for scene in kinds.tolist():
        colours = [c for n, c, _ in scene if n]
        assert len(set(colours)) == len(colours)


def test_seeds_decide():
    first, again = (scenes.held_out_prompts(20, 3) for _ in range(2))
    assert first == again != scenes.held_out_prompts(20, 4)
    kinds = scenes.draw_kinds(4, _generator(7))
    same = [scenes.draw_images(kinds, _generator(8)).numpy() for _ in range(2)]
    np.testing.assert_array_equal(*same)
