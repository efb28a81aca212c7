"""The reader that judges searches, on scenes whose truth is known."""

import ast

import pytest
import torch
from pack.benchmarks import shape_reader
from pack.benchmarks.world import ROOT
from pack.demo.scenes import caption, draw_images, draw_kinds


@pytest.fixture(scope="module")
def scenes():
    generator = torch.Generator().manual_seed(3)
    kinds = draw_kinds(20, generator)
    images = draw_images(kinds, generator).permute(0, 2, 3, 1).contiguous()
    return images, [caption(row) for row in kinds.tolist()]


def test_it_reads_drawn_scenes(scenes):
    assert all(map(shape_reader.is_right, *scenes))


def test_another_prompt_is_not_right(scenes):
    images, prompts = scenes
    assert not any(map(shape_reader.is_right, images, prompts[1:] + prompts[:1]))


def test_a_shape_painted_over_is_missing_and_half_a_shape_is_unclear():
    kinds = torch.tensor([[[1, 0, 0], [0, 0, 0], [0, 0, 0]]])
    image = draw_images(kinds, torch.Generator().manual_seed(0))[0].permute(1, 2, 0)
    assert shape_reader.pairs_in(image) == {("red", "circle"): 1}
    rows = (image[..., 1] < 0.5).any(1).nonzero()[:, 0]
    image[rows[: len(rows) // 2]] = image[0, 0]
    assert shape_reader.pairs_in(image) == {("red", "unclear"): 1}
    image[rows] = image[0, 0]
    assert not shape_reader.pairs_in(image)


def test_it_shares_no_code_with_the_rewards():
    tree = ast.parse((ROOT / "benchmarks" / "shape_reader.py").read_text("utf-8"))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "demo.scenes" in modules and not [name for name in modules if "reward" in name]
