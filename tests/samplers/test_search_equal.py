"""Where two methods are the same by their definitions they are the same bit for bit."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from pack.samplers.search.best_of_n import WAVE, BestOfN
from pack.samplers.search.code import CoDe
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.smc import SMC
from pack.samplers.search.sop import SearchOverPaths
from pack.samplers.search.svdd import SVDD
from pack.samplers.search.threshold import VerifierThreshold
from pack.samplers.search.zero_order import ZeroOrder

from .setups import (
    KERNELS,
    NO_FINISH,
    SCORED,
    Setup,
    arithmetic,
    assert_same_run,
    pinned,
    same,
    setups,
)

OF_WIDTH_ONE = {
    "best_of_n": BestOfN(),
    "svdd": SVDD(children="kernel"),
    "svdd by chance": SVDD(alpha=1.0, children="kernel"),
    "code": CoDe(block=1),
    "code in blocks": CoDe(block=3),
    "code in one block": CoDe(block=99),
    "smc": SMC(ess_threshold=1.0),
    "rbf": RolloverBudgetForcing(1, quota=1, children="kernel"),
    "rbf in chunks": RolloverBudgetForcing(1, quota=1, speculation=4, children="kernel"),
    "threshold": VerifierThreshold(9.0),
    "threshold reached": VerifierThreshold(-9.0),
    "zero_order": ZeroOrder(),
}
IEEE = {"denoiser": arithmetic}


def plain(setup, **settings):
    """The sampler without a search: its one particle at the last time, and what it spent."""
    task = setup.task(**settings)
    *_, last = task.walk(task.born(1, score=False), score=False)
    return last, task.purse.nfe


@pytest.mark.parametrize("search", OF_WIDTH_ONE.values(), ids=OF_WIDTH_ONE)
@pinned(12)
@given(
    st.integers(1, 7),
    st.sampled_from(sorted(KERNELS)),
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(0, 9),
)
def test_a_search_of_width_one_is_the_plain_sampler(search, steps, kernel, lead, ahead, seed):
    setup = Setup(search, steps, 0, kernel, lead, ahead, seed=seed, fixed=IEEE)
    one, nfe = plain(setup)
    events, _, task = setup.run()
    last = [event for event in events if event.kind in SCORED][-1].particles
    assert torch.equal(last.x, one.x) and torch.equal(last.x0, one.x0)
    assert last.ids.tolist() == one.ids.tolist() == [steps - 1]
    assert last.parents.tolist() == one.parents.tolist()
    scored = sum(event.kind in SCORED for event in events)
    assert task.purse.nfe == nfe + scored * ahead == setup.total


@pytest.mark.parametrize("forward", [4, 9])
@pytest.mark.parametrize("kernel", ["eta", "glass"])
def test_search_over_paths_that_turns_back_nowhere_is_the_ode(forward, kernel):
    setup = Setup(SearchOverPaths(1, forward, forward + 1), 5, 0, kernel, 1, fixed=IEEE)
    one, nfe = plain(Setup(BestOfN(), 5, 0, "ode", 1, fixed=IEEE))
    events, _, task = setup.run()
    last = events[-1].particles
    assert torch.equal(last.x, one.x) and torch.equal(last.x0, one.x0)
    assert last.ids.tolist() == one.ids.tolist()
    assert [event.kind for event in events] == ["propose", "accept"] and task.purse.nfe == nfe


@pinned(25)
@given(st.data(), st.integers(1, 4), st.integers(1, 4), st.integers(1, 12))
def test_search_over_paths_keeps_something_of_every_parent(data, forward, further, steps):
    """Re-noised to step 0 of an even schedule, where alpha is 0, a copy would be a new noise."""
    search = SearchOverPaths(1, forward, forward + further)
    setup = data.draw(setups("sop", search=search, steps=steps, fixed=IEEE))
    events, _, task = setup.run()
    tops = [own.step for own in task.book.origins.values() if own.kind == "renoise"]
    chosen = [event.particles for event in events if event.kind == "accept"]
    assert bool(tops) == (len(chosen) > 1) == (steps - 1 > search.backward)
    assert all(top >= 1 for top in tops)


@pinned(25)
@given(st.data(), st.integers(1, 3))
def test_blocks_of_one_step_are_svdd(data, paths):
    one = data.draw(setups("svdd", search=SVDD(paths, children="kernel"), fixed=IEEE))
    other = Setup(**vars(one) | {"search": CoDe(1, paths)})
    assert one.minimum == other.minimum
    assert_same_run(one.run(), other.run())


@pinned(25)
@given(st.data(), st.integers(1, WAVE), st.integers(0, 3))
def test_one_block_over_all_steps_is_best_of_n(data, n, longer):
    steps = data.draw(st.integers(1, 6))
    fixed = dict(extra=0, steps=steps, cost=1, fixed=IEEE)
    one = data.draw(setups("best_of_n", search=BestOfN(), **fixed))
    one = Setup(**vars(one) | {"extra": (n - 1) * one.minimum})
    other = Setup(**vars(one) | {"search": CoDe(steps + longer)})
    assert_same_run(one.run(), other.run())


@pinned(25)
@given(st.data(), st.integers(0, 400), st.sampled_from([WAVE, 2 * WAVE, 1000]))
def test_neighbours_at_radius_one_are_best_of_n(data, extra, starts):
    """The same starts from the same ids, wave by wave; only born ones name the best as parent."""
    one = data.draw(setups("best_of_n", search=BestOfN(), extra=extra, fixed=IEEE))
    other = Setup(**vars(one) | {"search": ZeroOrder(WAVE, radius=1.0, starts=starts)})
    assert one.minimum == other.minimum
    first, second = one.run(), other.run()
    if one.steps > 1:
        assert_same_run(first, second)
    for a, b in zip(first[0], second[0], strict=True):
        assert (a.kind, a.spent) == (b.kind, b.spent)
        assert torch.equal(a.particles.x, b.particles.x)
        assert torch.equal(a.particles.ids, b.particles.ids)


@pinned(30)
@given(st.data())
def test_a_threshold_out_of_reach_tries_equally_many_at_each_step(data):
    """Every step moves to its best; what does not divide goes to later steps."""
    setup = data.draw(setups("threshold", search=VerifierThreshold(9.0), fixed=IEEE))
    assume(setup.prices.born == setup.prices.step)
    events, _, _ = setup.run()
    tried = [[]]
    for event in events:
        if event.kind == "accept":
            best = max(tried[-1], key=lambda p: float(p.reward))
            assert same(event.particles, best)
            tried.append([])
        elif event.kind in ("born", "propose"):
            tried[-1].append(event.particles)
    counts = [len(rows) for rows in tried[:-1]]
    rows = (setup.minimum + setup.extra // setup.cost) // setup.prices.born
    assert len(counts) == setup.steps and sum(counts) == rows
    assert counts == sorted(counts) and counts[-1] - counts[0] <= 1


@pinned(30)
@given(st.data())
def test_without_resampling_smc_is_so_many_plain_samples(data):
    smc = SMC(ess_threshold=0.0)
    setup = data.draw(setups("smc", search=smc, lookahead=0, finish=NO_FINISH, fixed=IEEE))
    events, _, _ = setup.run()
    task = setup.task()
    born = task.born(len(events[0].particles))
    for event, wanted in zip(events, task.walk(born), strict=False):
        assert torch.equal(event.particles.x, wanted.x)
        assert event.particles.ids.tolist() == wanted.ids.tolist()
