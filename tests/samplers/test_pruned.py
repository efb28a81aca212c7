"""Pruned best of N: whom it drops, what that saves, and the law of what is left."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.noise import AddressedNoise
from pack.samplers.search.best_of_n import WAVE, BestOfN
from pack.samplers.search.pruned import Pruned

from .setups import SCORED, Setup, arithmetic, assert_same_run, pinned, setups
from .world import Counter

IEEE = {"denoiser": arithmetic}


@pinned(25)
@given(st.data(), st.integers(0, 200))
def test_if_nothing_is_pruned_it_is_best_of_n(data, extra):
    fixed = dict(extra=extra, kernel="ode", fixed=IEEE)
    one = data.draw(setups("best_of_n", search=BestOfN(), **fixed))
    other = Setup(**vars(one) | {"search": Pruned(keep=1.0)})
    assert one.minimum == other.minimum
    assert_same_run(one.run(), other.run())


def test_the_worse_half_ends_at_each_look():
    """Of 10 steps the looks are at steps 4 and 6; a wave of 8 costs 8*5 + 4*2 + 2*3."""
    counter = Counter()
    setup = Setup(Pruned(), 10, 2 * 54 - 10, "ode")
    events, _, task = setup.run(denoiser=counter)
    assert task.purse.nfe == counter.rows == 2 * 54
    kinds = ["propose", "resample", "propose", "resample", "propose"]
    for wave in (events[:6], [e for e in events[6:] if e.kind != "accept"]):
        assert [e.kind for e in wave if e.kind != "accept"] == kinds
        scored = [e.particles for e in wave if e.kind in SCORED]
        assert [int(p.steps[0]) for p in scored] == [4, 6, 9]
        assert [len(p) for p in scored] == [WAVE, 4, 2]
        for before, event in zip(scored, [e for e in wave if e.kind == "resample"], strict=False):
            kept = event.particles
            assert kept.ids.tolist() == sorted(kept.ids.tolist())
            assert sorted(kept.reward) == sorted(before.reward)[-len(kept) :]


@pytest.mark.parametrize(
    "n, scored", [(1, [1]), (2, [2]), (3, [3, 2]), (4, [4, 2]), (7, [7, 4, 2])]
)
def test_two_are_never_pruned_nor_scored_on_the_way(n, scored):
    search = Pruned()
    price = sum(
        r.tries * r.price(Setup(search, 10, lookahead=2).prices) for r in search.wave(n, 10)
    )
    setup = Setup(search, 10, price - 12, "ode", lookahead=2)
    events, _, task = setup.run()
    assert [len(e.particles) for e in events if e.kind in SCORED] == scored
    assert task.purse.nfe == price == setup.total


@pytest.mark.parametrize(
    "steps, looks", [(1, []), (2, []), (3, [1]), (4, [2]), (5, [2, 3]), (20, [8, 12])]
)
def test_looks_are_at_40_and_60_percent_of_the_steps(steps, looks):
    assert [r.bottom for r in Pruned().rounds(steps)] == [*looks, steps - 1]


def test_of_what_failed_those_go_on_that_can_have_children():
    """The reward fails everywhere, the network for four."""
    dead = 0.95 * AddressedNoise(0, (3,))([0, 1, 2, 5])

    def broken(x, t):
        x0 = arithmetic(x, t)
        bad = (x[:, None] == dead).all(2).any(1)
        return torch.where(bad[:, None], torch.nan, x0)

    setup = Setup(Pruned(), 10, 44, "ode", fixed={"denoiser": broken})
    events, _, task = setup.run(objective=lambda x0: torch.full((len(x0),), -math.inf))
    first = next(event.particles for event in events if event.kind == "resample")
    assert [task.book.root(i) for i in first.ids.tolist()] == [3, 4, 6, 7]


def test_by_a_reward_of_chance_the_result_is_a_fresh_sample():
    """It has the law of the plain sampler, whose noise is another here."""
    chance = torch.Generator().manual_seed(3)
    fixed = {"objective": lambda x0: torch.rand(len(x0), generator=chance), "shape": (400,)}
    found, plain = [], []
    for seed in range(5):
        setup = Setup(Pruned(), 8, 2 * 42, "ode", seed=seed, fixed=fixed)
        found.append([e for e in setup.run()[0] if e.kind == "accept"][-1].particles.x[0])
        task = Setup(Pruned(), 8, 0, "ode", seed=seed + 99, fixed=fixed).task()
        *_, end = task.walk(task.born(1, score=False), score=False)
        plain.append(end.x[0])
    x, y = torch.cat(found).double(), torch.cat(plain).double()
    for power in (1, 2, 3):
        error = math.sqrt(((x**power).var() + (y**power).var()) / len(x))
        assert abs(float((x**power).mean() - (y**power).mean())) < 5 * error
