"""docs/levers.md is made from the kept rows, and levers are told from their rivals in pairs."""

from dataclasses import replace
from inspect import signature

import pytest
import torch
from pack.benchmarks import lever_page, plans, prompt_sets
from pack.benchmarks.drafts import DRAFTS, run_draft
from pack.benchmarks.kept_rows import Kept
from pack.benchmarks.lever_plan import DRAFT, LEVERS
from pack.benchmarks.multiplier_runs import COLUMNS
from pack.benchmarks.world import SHAPE, Guided
from pack.rewards.count.shape_count import ShapeCount
from pack.samplers.search import SEARCHES
from pack.samplers.search.waves import WAVE


def test_the_page_is_made_from_the_rows():
    assert lever_page.page(lever_page.FOLDER) == lever_page.PAGE.read_text("utf-8")


def test_every_lever_changes_one_thing_of_a_method_in_the_tree():
    for lever in LEVERS:
        assert lever.plain.budget == lever.setting.budget
        if lever.setting.method in DRAFTS:
            assert lever.setting != lever.plain and lever.plain.method == "best_of_n"
        elif isinstance(lever.setting, Guided):
            assert lever.setting.search() == lever.plain.search() and lever.setting.strength > 0.0
        elif lever.is_in_the_tree:
            assert lever.setting.search() != lever.plain.search()
            assert lever.plain.method in (lever.setting.method, "regional")
    away = {lever.setting.method for lever in LEVERS} - set(SEARCHES)
    assert away == {"pruned", *DRAFTS} and DRAFT in lever_page.page(lever_page.FOLDER)


def test_a_gain_is_paired_by_prompt_and_seed(tmp_path):
    def run(number, seed, right):
        return [number, seed, right, *[0.0] * (len(COLUMNS) - 3)]

    lever = next(lever for lever in LEVERS if lever.weights == "fast")
    kept = Kept(tmp_path / "fast_hard.json", {})
    kept.rows[repr(lever.setting)] = [run(0, 0, 1), run(0, 1, 0), run(1, 0, 1), run(2, 0, 1)]
    kept.rows[repr(lever.plain)] = [run(0, 0, 0), run(0, 1, 0), run(1, 0, 1), run(3, 0, 1)]
    kept.save()
    ((found, runs, plain),) = lever_page.measured(tmp_path)
    assert found == lever and runs[:, :2].tolist() == plain[:, :2].tolist()
    cells = lever_page.row(lever, runs, plain)
    assert cells[4:8] == ("2", "0.750 ± 0.250", "0.500 ± 0.500", "+0.250 ± 0.250")
    assert len(cells) == len(lever_page.HEADS)


@pytest.mark.parametrize("name", DRAFTS)
def test_a_draft_of_no_strength_is_best_of_n_and_one_of_some_is_not(world, name):
    """Its first wave is the samples of the plain ODE."""
    prompt = "three red circles, four blue squares and five green triangles"
    plain = plans.ode("best_of_n", 2, 16)

    def row(strength):
        (option,) = set(signature(DRAFTS[name]).parameters) & {"share", "strength"}
        setting = replace(plain, method=name, options=((option, strength),))
        return dict(zip(COLUMNS[2:], run_draft(world, prompt, setting, 3), strict=True))

    noise = torch.randn(WAVE, *SHAPE, generator=torch.Generator().manual_seed(3))
    images = world.decode(prompt_sets.plain(world.denoiser(prompt), noise, 2, 1.0))
    best = float(ShapeCount().score(images, [prompt] * WAVE).max())
    none, some = row(0.0), row(3.0)
    assert none["reward"] == pytest.approx(best, abs=1e-3) and some["reward"] != none["reward"]
    assert none["nfe"] == none["decodes"] * 2 == 16 and none["first"] == 0
