"""Multipliers from rows whose truth is known, and the page of docs/ from the kept rows."""

import numpy as np
import pytest
import torch
from pack.benchmarks import multiplier_runs, prompt_sets
from pack.benchmarks.best_of_n_curve import Draws
from pack.benchmarks.kept_rows import Kept
from pack.benchmarks.line_chart import COLOURS
from pack.benchmarks.multiplier_plan import BUDGETS, FLUX_PRICES, FluxPrices, methods
from pack.benchmarks.multiplier_sections import CHOSEN
from pack.benchmarks.multiplier_tables import Cell, Estimate
from pack.samplers.lookahead import LOOK
from pack.samplers.purse import Prices
from pack.samplers.search import SEARCHES
from pack.samplers.search.rounds import Facts

PROMPTS = 60


def samples(generator, rate, n, seconds):
    draws = Draws()
    right = generator.random(n) < rate
    draws.add(np.where(right, -0.1, -1.1), right, seconds)
    return draws


def row(prompt, seed, right, nfe, scores):
    values = {"prompt": prompt, "seed": seed, "right": right, "reward": -0.1 if right else -1.1,
              "nfe": nfe, "first": 0, "calls": 9, "decodes": scores, "scores": scores,
              "seconds": 0.1 * scores}  # fmt: skip
    return [values[name] for name in multiplier_runs.COLUMNS]


def cell_of(budget, numbers, seeds=3, seed=0):
    """A method that is best of so many samples of 2 steps, at a budget."""
    generator = np.random.default_rng(seed)
    rates = generator.uniform(0.001, 0.04, PROMPTS)
    part = {1: 0.25, 2: 1.0}  # one step is half as dear, and a quarter as good
    draws = {s: [samples(generator, part[s] * p, 1000, 100.0) for p in rates] for s in (1, 2)}
    runs = [
        row(p, s, generator.random() < 1 - (1 - rates[p]) ** numbers, budget, numbers)
        for p in range(PROMPTS)
        for s in range(seeds)
    ]
    return Cell(budget, "method", np.array(runs, dtype=float), draws)


def test_best_of_n_has_a_multiplier_of_one():
    found = cell_of(100, 50).in_nfe()
    assert found.low < 1.0 < found.high and found.value == pytest.approx(1.0, rel=0.25)


def test_a_method_worth_four_times_as_much_has_a_multiplier_of_four():
    found = cell_of(100, 200).in_nfe(by_reward=True)
    assert found.low < 4.0 < found.high and found.low > 2.0


def test_one_interval_in_twenty_misses_at_most_a_few():
    found = [cell_of(100, 50, seed=seed).in_nfe() for seed in range(20)]
    assert sum(f.low <= 1.0 <= f.high for f in found) >= 16


def test_multipliers_in_seconds_and_at_prices_of_evaluations_decodes_and_scores():
    cell = cell_of(100, 50)  # a sample takes 0.1 s, of best of N and of the method
    assert cell.in_seconds().value == pytest.approx(cell.in_nfe().value)
    flux = FluxPrices("TAESD", 1.0, 0.25, 0.25)
    assert flux.seconds(2, 1, 1) == 2.5
    assert cell.at_prices(flux).value == pytest.approx(cell.in_nfe().value)


def test_success_above_the_curve_is_more_than_its_end():
    cell = cell_of(100, 10**6)
    for rows in cell.draws.values():
        rows[0] = samples(np.random.default_rng(0), 0.0, 1000, 100.0)
    assert cell.in_nfe().text() == "> 20.0 (20.0 to > 20.0)"
    assert Estimate(2.04, 1.0, np.inf, 9.0).text() == "2.0 (1.0 to > 9.0)"


def test_prompts_without_samples_do_not_count():
    cell = cell_of(100, 50)
    cell.draws[1][7] = None
    assert len(cell.prompts) == PROMPTS - 1 and len(cell.success()) == PROMPTS - 1


def test_pools_have_the_form_and_sets_the_success_of_their_class(tmp_path):
    hard = prompt_sets.pool(prompt_sets.FORMS["hard"], 20)
    prompts = [next(hard) for _ in range(20)]
    assert len(set(prompts)) == 20 and all(p.count(" and ") == 1 and "," in p for p in prompts)
    again = prompt_sets.pool(prompt_sets.FORMS["hard"], 20)
    assert [next(again) for _ in range(20)] == prompts
    for form in prompt_sets.FORMS.values():
        assert next(prompt_sets.pool(form, 3))
    kept = Kept(tmp_path / "no such file")
    kept.about, kept.rows = {"draws": 100}, {"hard": [["a", 4], ["b", 5], ["c", 0]]}
    assert prompt_sets.chosen(kept, "hard") == ["a", "c"]


def test_kept_rows_are_read_again_and_not_mixed(tmp_path):
    kept = Kept(tmp_path / "rows.json", {"draws": 3})
    kept.rows = {"a": [1, 2], "b": {"c": 0.5}}
    kept.save()
    assert Kept(tmp_path / "rows.json").rows == kept.rows
    with pytest.raises(SystemExit, match="got {'draws': 3}, expected {'draws': 4}"):
        Kept(tmp_path / "rows.json", {"draws": 4})


def test_plain_samples_are_exact_where_the_denoiser_is():
    x = torch.randn(3, 4, dtype=torch.float64)
    torch.testing.assert_close(prompt_sets.plain(lambda x, t: 0 * x + 2, x, 5), 0 * x + 2)
    slope = prompt_sets.plain(lambda x, t: x / 2, x, 2)  # half a step of dx/dt = x / 2t
    torch.testing.assert_close(slope, x * 0.75 / 2)


@pytest.mark.parametrize("weights", ["fast", "base"])
def test_each_line_of_a_chart_has_a_colour_of_its_own(weights):
    lines = {"best of N"}.union(*(methods(weights, budget) for budget in BUDGETS))
    assert len(lines) <= len(set(COLOURS)) == len(COLOURS)


@pytest.mark.parametrize("weights", ["fast", "base"])
def test_plans_have_every_method(weights):
    names = {"RBF", "SVDD", "RBF, kernel", "SVDD, kernel", "CoDe", "SMC", "zero-order"}
    names |= {"search over paths", "regional", "auto"}
    names |= {"regional paths"} if weights == "base" else set()
    assert set(methods(weights, 100)) == names
    assert len({flux.name for flux in FLUX_PRICES}) == len(FLUX_PRICES)


@pytest.mark.parametrize(
    "weights, sharp, chosen",
    [
        ("fast", True, {25: "SVDD", 50: "SVDD", 100: "RBF", 200: "RBF"}),
        ("base", False, dict.fromkeys(BUDGETS, "regional paths")),
    ],
)
def test_the_page_says_what_auto_chooses(weights, sharp, chosen):
    for budget, name in chosen.items():
        setting, prices = methods(weights, budget)["auto"], Prices(score=0 if sharp else LOOK)
        left = budget - setting.finish
        facts = Facts(sharp, "", setting.steps, budget, left, prices, False, lambda: True)
        search = setting.search().choice(facts).search
        assert type(search) is SEARCHES[name.lower().replace(" ", "_")]
        assert f"`{name}`" in CHOSEN[weights]
