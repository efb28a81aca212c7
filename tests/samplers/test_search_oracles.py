"""Every method decides as its oracle in plain numbers does: each particle, event and price."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.purse import Prices
from pack.samplers.rules import Outcome, StopRules
from pack.samplers.run import run
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.search.code import CoDe
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.rounds import minimum
from pack.samplers.search.smc import SMC
from pack.samplers.search.sop import SearchOverPaths
from pack.samplers.search.svdd import SVDD
from pack.samplers.search.threshold import VerifierThreshold
from pack.samplers.search.zero_order import ZeroOrder

from . import oracles
from .setups import NO_FINISH, pinned
from .traced import REWARDS, World

worlds = st.builds(
    World,
    steps=st.integers(1, 8),
    lead=st.sampled_from([0, 0, 1, 3]),
    inner=st.sampled_from([0, 0, 2, 3]),
    ahead=st.sampled_from([0, 0, 1, 2]),
    cost=st.integers(1, 2),
    family=st.sampled_from(sorted(REWARDS)),
    seed=st.integers(0, 999),
)
extras = st.one_of(st.integers(0, 6), st.integers(0, 60))


def assert_decides_as(oracle, search, world, extra, *settings):
    price = Prices(world.lead + 1, world.inner or 1, world.ahead)
    rows = minimum(search, world.steps, price) + extra
    book = oracles.Book(
        rows,
        world.steps,
        price.birth,
        price.child,
        price.score,
        world.reward,
        world.uniform,
        world.times[world.lead :],
    )
    oracle(book, *settings)
    task, outcome = world.task(rows * world.cost + world.seed % world.cost), Outcome()
    events = list(run(search, task, NO_FINISH, StopRules(), outcome))

    told = [
        (e.kind, e.spent // world.cost, tuple(e.particles.ids.tolist()), e.quota) for e in events
    ]
    assert told == [event[:4] for event in book.events]
    assert events[-1].spent == task.purse.nfe
    for event, (*_, log_w) in zip(events, book.events, strict=True):
        assert (event.log_w is None) == (log_w is None)
        assert log_w is None or event.log_w.tolist() == pytest.approx(log_w, rel=1e-9, abs=1e-9)
    by_id = {row.id: row for row in book.rows}
    for event in events:
        paths = [by_id[i].path for i in event.particles.ids.tolist()]
        assert event.particles.paths.tolist() == paths
    assert set(task.made) == set(by_id)
    for row in book.rows:
        assert_made(task.made[row.id], row, by_id.get(row.parent), world, search)
    if book.rows:
        scored = [row for row in book.rows if row.reward is not None]
        best = min(scored, key=lambda row: (-row.reward, -row.step, row.id))
        assert int(outcome.top[0].ids) == best.id
    return book


def assert_made(p, row, parent, world, search):
    t = world.times[world.lead + row.step]
    assert (int(p.parents), int(p.steps)) == (row.parent, row.step)
    assert row.step == 0 or int(p.paths) == row.path
    assert float(p.x0[0, 3]) == t
    for latent in (p.x, p.x0, p.clean):
        assert float(latent[0, 0]) == pytest.approx(row.value, rel=1e-9, abs=1e-9)
    if row.reward is None:
        assert math.isnan(float(p.reward))
    else:
        assert float(p.reward) == row.reward
        asked = t / (world.ahead + 1)
        assert float(p.clean[0, 3]) == pytest.approx(asked) and (world.ahead or asked == t)
    if parent is not None and row.step > 0 and not isinstance(search, SearchOverPaths):
        assert float(p.x[0, 1]) == pytest.approx(parent.value)
        assert float(p.x[0, 2]) == t


@pinned(60)
@given(worlds, extras)
def test_best_of_n(world, extra):
    assert_decides_as(oracles.best_of_n, BestOfN(), world, extra)


@pinned(60)
@given(worlds, extras, st.integers(1, 6), st.sampled_from([0.1, 0.5, 1.0]), st.integers(0, 20))
def test_zero_order(world, extra, neighbours, radius, starts):
    search = ZeroOrder(neighbours, radius, starts)
    assert_decides_as(oracles.zero_order, search, world, extra, neighbours, radius, starts)


@pinned(60)
@given(worlds, extras, st.integers(1, 4), st.sampled_from([0.0, 0.0, 0.1, 2.0]))
def test_svdd(world, extra, paths, alpha):
    assert_decides_as(oracles.svdd, SVDD(paths, alpha, "kernel"), world, extra, paths, alpha)


@dataclass(frozen=True)
class Extreme(World):
    """Uniforms at the ends of their range, where a failed child without weight is next to one."""

    def uniform(self, number, n):
        return [(0.0, math.nextafter(1.0, 0.0))[(number + i) % 2] for i in range(n)]


@pinned(40)
@given(st.integers(2, 5), st.integers(0, 60), st.integers(1, 3), st.integers(0, 99))
def test_svdd_never_follows_a_child_without_weight(steps, extra, paths, seed):
    world = Extreme(steps, 0, 0, 0, 1, "mostly failures", seed)
    assert_decides_as(oracles.svdd, SVDD(paths, 2.0, "kernel"), world, extra, paths, 2.0)


@pinned(60)
@given(worlds, extras, st.integers(1, 5), st.integers(1, 4))
def test_code(world, extra, block, paths):
    assert_decides_as(oracles.code, CoDe(block, paths), world, extra, block, paths)


@pinned(60)
@given(worlds, extras, st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
def test_search_over_paths(world, extra, paths, forward, further):
    search = SearchOverPaths(paths, forward, forward + further)
    assert_decides_as(oracles.sop, search, world, extra, paths, forward, forward + further)


@pinned(60)
@given(worlds, extras, st.sampled_from([-1e3, 0.2, 0.5, 0.9, 1.0, 1e3]))
def test_verifier_threshold(world, extra, wanted):
    assert_decides_as(oracles.threshold, VerifierThreshold(wanted), world, extra, wanted)


@pinned(90)
@given(
    worlds,
    extras,
    st.sampled_from([0.05, 0.5, 10.0]),
    st.booleans(),
    st.sampled_from([0.0, 0.47, 0.83, 0.999]),
    st.sampled_from(["multinomial", "systematic", "stratified", "residual"]),
)
def test_smc(world, extra, lam, linear, share, scheme):
    search = SMC(lam, "linear" if linear else "none", share, scheme)
    assert_decides_as(oracles.smc, search, world, extra, lam, linear, share, scheme)


@pinned(60)
@given(
    worlds,
    extras,
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(0, 7),
    st.sampled_from([1, 2, 3, 5, 64]),
)
def test_rollover_budget_forcing_in_chunks(world, extra, init, paths, quota, chunk):
    search = RolloverBudgetForcing(init, paths, quota, chunk, "kernel")
    assert_decides_as(oracles.rbf, search, world, extra, init, paths, quota, chunk)
