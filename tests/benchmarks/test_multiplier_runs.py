"""What multiplier.py runs: samples and searches of the demo model."""

import pytest
from pack.benchmarks import multiplier_runs, plans, prompt_sets
from pack.benchmarks.multiplier_plan import methods
from pack.benchmarks.world import SHAPE
from pack.rewards.count.shape_count import ShapeCount
from pack.samplers.noise import AddressedNoise

PROMPT = "three red circles and two blue squares"


def test_the_curve_samples_what_best_of_n_does(world):
    row = multiplier_runs.run_search(world, PROMPT, plans.ode("best_of_n", 2, 6), 5)
    noise = AddressedNoise(5, SHAPE)([0, 1, 2])
    images = world.decode(prompt_sets.plain(world.denoiser(PROMPT), noise, 2))
    best = float(ShapeCount().score(images, [PROMPT] * 3).max())
    columns = dict(zip(multiplier_runs.COLUMNS[2:], row, strict=True))
    assert columns["reward"] == pytest.approx(best, abs=2e-3)
    assert (columns["nfe"], columns["decodes"], columns["scores"]) == (6, 3, 3)


def test_a_regional_search_decodes_nothing_twice(world):
    row = multiplier_runs.run_search(world, PROMPT, methods("fast", 25)["regional"], 5)
    columns = dict(zip(multiplier_runs.COLUMNS[2:], row, strict=True))
    assert columns["decodes"] == columns["scores"] == columns["nfe"] / 2
    assert 0 <= columns["first"] <= columns["nfe"] <= 24 and columns["seconds"] > 0


def test_samples_have_addresses(world):
    rewards, right, seconds = multiplier_runs.run_draws(world, PROMPT, 1, 25, 25)
    assert len(rewards) == len(right) == 25 and seconds > 0
    again = multiplier_runs.run_draws(world, PROMPT, 1, 0, 50)
    assert again[0][25:] == rewards and again[1][25:] == right
    assert prompt_sets.seed_of("a", 1) != prompt_sets.seed_of("a", 2)
