"""Best of N's curve from one set of samples, against counting all subsets, and its inverse."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from pack.benchmarks import best_of_n_curve as curve

SAMPLES = some.lists(some.tuples(some.integers(0, 3), some.booleans()), min_size=1, max_size=7)


def by_counting(samples, number):
    """Mean over all subsets of how often one of its best is right."""
    total, subsets = 0.0, list(itertools.combinations(samples, number))
    for subset in subsets:
        least = min(penalty for penalty, _ in subset)
        best = [right for penalty, right in subset if penalty == least]
        total += sum(best) / len(best)
    return total / len(subsets)


def draws_of(samples):
    draws = curve.Draws()
    draws.add([-penalty for penalty, _ in samples], [right for _, right in samples], 0.5)
    return draws


@settings(deadline=None, max_examples=60)
@given(SAMPLES)
def test_success_is_that_of_all_subsets(samples):
    numbers = np.arange(1, len(samples) + 1)
    expected = [by_counting(samples, int(n)) for n in numbers]
    np.testing.assert_allclose(curve.success(draws_of(samples).groups(), numbers), expected)


def test_it_is_pass_at_k_where_reward_and_reader_agree():
    n, c = 40, 3
    draws = draws_of([(0, True)] * c + [(1, False)] * (n - c))
    numbers = np.arange(1, n + 1)
    expected = [1 - math.comb(n - c, k) / math.comb(n, k) for k in range(1, n + 1)]
    np.testing.assert_allclose(curve.success(draws.groups(), numbers), expected, atol=1e-12)


def test_a_reward_that_picks_wrong_ones_never_succeeds():
    draws = draws_of([(0, False)] * 2 + [(1, True)] * 8)
    found = curve.success(draws.groups(), np.array([0, 1, 2, 9, 10]))
    np.testing.assert_allclose(found[[0, 1, 3, 4]], [0.0, 0.8, 0.0, 0.0], atol=1e-12)


def test_draws_are_kept_and_read_again():
    draws = draws_of([(0, True), (0, False), (2, False)])
    draws.add([-0.126, -7.3], [True, False], 0.25)
    again = curve.Draws.of(draws.row())
    assert again == draws and again.n == 5 and again.seconds == 0.75
    assert again.levels == {0: [2, 1], 200: [1, 0], 13: [1, 1], 700: [1, 0]}
    assert again.right() == 2 and again.reward_right() == 3
    assert again.both_right() == 2


def test_price_of_success_is_the_inverse_of_the_curve():
    few = curve.Curve(1.0, np.array([[0.0, 0.2, 0.4, 0.5]]))
    many = curve.Curve(4.0, np.array([[0.0, 0.6, 0.8]]))
    weights, level = np.ones((5, 1)), np.array([0.1, 0.2, 0.45, 0.7, 0.9])
    means = [few.mean(weights), many.mean(weights)]
    prices = curve.price_of_success([few.price, many.price], means, level)
    np.testing.assert_allclose(prices, [0.4 * 4 * 0.3125, 1.0, 2.5, 6.0, np.inf])


def test_bootstrap_draws_prompts_with_replacement():
    weights = curve.bootstrap(10, 500)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    np.testing.assert_allclose(weights[0], 0.1)
    assert weights.max() > 0.3 and curve.bootstrap(10, 500).tolist() == weights.tolist()


def test_the_interval_holds_the_middle():
    assert curve.interval(np.arange(101.0)) == pytest.approx((2.0, 98.0))
    assert curve.interval(np.array([1.0] * 50 + [np.inf] * 51))[1] == math.inf
