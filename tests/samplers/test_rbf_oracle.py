"""Rollover Budget Forcing decides as the scalar oracle does, row for row, on pinned rewards."""

import math
import random
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pack.samplers.purse import Prices, Purse
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import check_budget, run
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.rounds import minimum
from pack.samplers.types import Transition

from .rbf_oracle import Row, automatic_quota, best_of_current_step, reference
from .world import task_of

INF = math.inf
NO_FINISH = Finish()


def pinned(examples):
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None)


FAMILIES = {
    "continuous": lambda rng, k: rng.random(),
    "ties": lambda rng, k: float(rng.randrange(4)),
    "equal": lambda rng, k: 0.5,
    "rising": lambda rng, k: float(k),
    "falling": lambda rng, k: float(-k),
    "slowly rising": lambda rng, k: float(k // 3),
    "huge": lambda rng, k: -1e12 * rng.random(),
    "failures": lambda rng, k: rng.choice([rng.random(), rng.random(), -INF, math.nan]),
    "all fail": lambda rng, k: rng.choice([-INF, math.nan]),
    "infinite": lambda rng, k: rng.choice([rng.random(), -INF, INF]),
}


@dataclass(frozen=True)
class Case:
    """Sizes of a run, and the reward of the k-th row each path asks for."""

    paths: int
    init: int
    steps: int
    extra: int  # particles above the smallest budget
    family: str = "continuous"
    seed: int = 0

    def least(self, quota=1):
        return self.paths * (self.init + (self.steps - 1) * max(1, quota))

    def reward(self, path, k):
        return FAMILIES[self.family](random.Random(f"{self.seed} {path} {k}"), k)


def cases(min_steps=2, most=25):
    return st.builds(
        Case,
        paths=st.sampled_from([1, 2, 3, 1, 2, 4]),
        init=st.integers(1, 6),
        steps=st.sampled_from([*range(min_steps, 6), *range(min_steps, 13)]),
        extra=st.one_of(st.integers(0, 4), st.integers(0, most)),
        family=st.sampled_from(sorted(FAMILIES)),
        seed=st.integers(0, 99),
    )


def task_for(case, budget, cost=1):
    """A latent is (own id, id of the latent it was drawn from, time): it says whence it came."""
    times = [1.0 - i / case.steps for i in range(case.steps)]
    first = case.init * case.paths

    def kernel(x, x0, t, s):
        assert float(x[0, 2]) == float(x0[0, 2]) == t
        return Transition(torch.stack([0 * x[:, 0], x[:, 0], torch.full_like(x[:, 0], s)], 1), 1.0)

    kernel.inner = 0

    def column(ids, time=0.0):
        return torch.tensor([[float(i), 0.0, time] for i in ids], dtype=torch.float64)

    def denoise(x, t):
        return torch.stack([x[:, 0], x[:, 1], torch.full_like(x[:, 0], t)], 1)

    def objective(x0):
        values = []
        for number in x0[:, 0].long().tolist():
            path, k = divmod(number, case.init)
            if number >= first:
                round_, path = divmod(number - first, case.paths)
                k = case.init + round_
            values.append(case.reward(path, k))
        return torch.tensor(values, dtype=torch.float64)

    return task_of(
        denoiser=denoise,
        kernel=kernel,
        times=times,
        start=lambda ids: column(ids, times[0]),
        noise=column,
        objective=objective,
        purse=Purse(total=budget, cost=cost),
    )


def search_of(case, quota=0):
    return RolloverBudgetForcing(case.init, case.paths, quota, children="kernel")


def ours(case, budget, quota=0, cost=1, finish=NO_FINISH):
    """Our run as the oracle's rows, and what it found. `budget` in NFE, finish included."""
    task, outcome = task_for(case, budget, cost), Outcome()
    last = case.steps - 1
    rows, start, now = {}, {}, {}
    for event in run(search_of(case, quota), task, finish, StopRules(), outcome, task.book.root):
        p = event.particles
        if event.kind in ("born", "propose"):
            now = {}
            for i, (number, path, step) in enumerate(
                zip(p.ids.tolist(), p.paths.tolist(), p.steps.tolist(), strict=True)
            ):
                parent = int(p.parents[i]) if event.kind == "propose" else None
                assert parent is None or p.x[i, 1] == parent
                assert float(p.x[i, 2]) == float(p.x0[i, 2]) == task.times[step]
                nfe = event.spent // cost - (len(p) - 1 - i)
                allowance = start.get(path, 0)
                rows[number] = [number, path, step, parent, float(p.reward[i]), "stay", None]
                rows[number] += [allowance, nfe]
                if parent is None:
                    rows[number][5] = "born"
                now[path] = rows[number]
        elif event.kind in ("accept", "exhaust"):
            path, number = int(p.paths), int(p.ids)
            start[path] = event.quota
            if int(p.steps) == 0:
                for row in rows.values():
                    if row[1] == path:
                        row[7] = event.quota
                continue
            row = now.pop(path)
            assert event.kind == "exhaust" or number == row[0]
            row[5] = "roll" if event.kind == "accept" else "exhaust"
            row[6] = None if event.kind == "accept" and int(p.steps) == last else number
            row[7] = event.quota
    assert list(rows) == sorted(rows)
    return [Row(*row) for row in rows.values()], outcome


def oracle(case, particles, quota):
    """The reference's first `particles` rows when nothing stops it there."""
    limit = particles + 2 * case.paths + 1
    return reference(case.reward, limit, case.init, case.paths, case.steps, quota)[:particles]


def best_of_starts(rows, top_k):
    """The best row of each start that has a score, then the others, best first."""
    rows = sorted(rows, key=lambda row: (-row.reward, -row.step, row.index))
    parents = {row.index: row.parent for row in rows}
    firsts = {}
    for row in rows:
        start = row.index
        while parents[start] is not None:
            start = parents[start]
        if row.reward > -math.inf:
            firsts.setdefault(start, row)
    others = [row for row in rows if row not in firsts.values()]
    chosen = [*firsts.values(), *others][:top_k]
    return [row for row in rows if row in chosen]


@pinned(60)
@given(
    cases(),
    st.sampled_from([0, 0, 1, 2, 3, 5]),
    st.integers(1, 2),
    st.integers(0, 2),
    st.integers(1, 3),
)
def test_every_decision_and_the_best_ever_seen(case, quota, cost, nodes, top_k):
    finish = Finish(nodes, top_k)
    particles = case.least(quota) + case.extra
    budget = (particles + finish.rows()) * cost + case.seed % cost
    fresh = quota or max(1, automatic_quota(particles, case.init, case.paths, case.steps))
    rows, outcome = ours(case, budget, quota, cost, finish)
    assert rows == oracle(case, particles, fresh)
    ranked = best_of_starts(rows, top_k)
    sources = [int(p.parents if int(p.steps) == case.steps else p.ids) for p in outcome.top]
    assert sorted(sources) == sorted(row.index for row in ranked)
    if not nodes:
        assert sources == [row.index for row in ranked]
        standing = best_of_current_step(rows, case.paths)
        assert standing is None or ranked[0].reward >= rows[standing].reward


@pinned(40)
@given(cases(most=60))
def test_one_nfe_less_repeats_the_reference(case):
    limit = case.least() + case.extra + 1
    quota = automatic_quota(limit, case.init, case.paths, case.steps)
    rows, _ = ours(case, limit - 1, quota)
    if quota == 0:
        with pytest.raises(ZeroDivisionError):
            reference(case.reward, limit, case.init, case.paths, case.steps)
        return
    want = reference(case.reward, limit, case.init, case.paths, case.steps)
    assert rows[: len(want)] == want
    assert len(rows) == limit - 1 and len(rows) - len(want) < case.paths


@pinned(40)
@given(cases(min_steps=1), st.integers(0, 3), st.integers(1, 2))
def test_the_smallest_budget_reaches_the_last_step(case, quota, cost):
    finish = Finish(2, 3)
    least = (case.least(quota) + finish.rows()) * cost
    needed = minimum(search_of(case, quota), case.steps, Prices())
    check_budget(needed, case.steps, finish, least, cost, Prices())
    rows, _ = ours(case, least, quota, cost, finish)
    assert {row.path for row in rows if row.step == case.steps - 1} == set(range(case.paths))
    with pytest.raises(ValueError, match=rf"got {least - 1} NFE, expected at least {least}\."):
        check_budget(needed, case.steps, finish, least - 1, cost, Prices())


@pinned(120)
@given(cases(most=300), st.integers(1, 7))
def test_the_oracle_keeps_the_claims_of_the_method(case, quota):
    rows = oracle(case, case.least(quota) + case.extra, quota)
    for path in range(case.paths):
        own = [row for row in rows if row.path == path]
        record, allowance, tried = max(row.reward for row in own[: case.init]), quota, 0
        for row in own[case.init :]:
            tried += 1
            assert (row.move == "roll") == (row.reward > record)
            record = max(record, row.reward)
            if row.step == case.steps - 1:
                assert row.moved_to is None and row.quota == allowance
            elif row.move == "stay":
                assert tried < allowance == row.quota
            else:
                assert tried <= allowance
                kept = allowance - tried if row.move == "roll" else 0
                assert row.quota == quota + kept and rows[row.moved_to].step == row.step
                allowance, tried = row.quota, 0
        assert own[-1].step == case.steps - 1


def table(rewards, steps, init=1):
    """A one-path case on a hand-written list of rewards."""

    class Table(Case):
        def reward(self, path, k):
            return rewards[k] if k < len(rewards) else 0.0

    return Table(1, init, steps, len(rewards))


def moves(rewards, steps, quota, init=1):
    case = table(rewards, steps, init)
    got, _ = ours(case, len(rewards), quota)
    assert got == oracle(case, len(rewards), quota)
    return [(row.step, row.parent, row.move, row.quota) for row in got[init:]]


def test_unused_quota_rolls_over_again_and_again():
    assert moves([0, 1, 2, 0, 3, 4, 0], steps=5, quota=3) == [
        (1, 0, "roll", 5),
        (2, 1, "roll", 7),
        (3, 2, "stay", 7),
        (3, 2, "roll", 8),
        (4, 4, "roll", 8),
        (4, 4, "stay", 8),
    ]


def test_exhaustion_moves_to_the_best_child_and_keeps_the_record():
    assert moves([5, 3, 4, 3, 4.5, 5, 6, 5.5], steps=4, quota=2) == [
        (1, 0, "stay", 2),
        (1, 0, "exhaust", 2),
        (2, 2, "stay", 2),
        (2, 2, "exhaust", 2),
        (3, 4, "stay", 2),
        (3, 4, "roll", 2),
        (3, 4, "stay", 2),
    ]


def test_an_exhausted_step_forfeits_what_was_rolled_over():
    got = moves([0, 1, 0, 0, 0, 0, 0, 0, 0, 0], steps=4, quota=3)
    assert [row[2:] for row in got] == [
        ("roll", 5),
        *[("stay", 5)] * 4,
        ("exhaust", 3),
        *[("stay", 3)] * 3,
    ]


def test_the_last_try_may_still_roll_with_nothing_left_over():
    assert moves([0, 0, 0, 1, 0], steps=3, quota=3)[2:] == [(1, 0, "roll", 3), (2, 3, "stay", 3)]


def test_two_times_are_pure_best_of_n_from_one_parent():
    got = moves([1, 3, 2, 4, 0, 5, 5], steps=2, quota=1, init=2)
    assert [row[:3] for row in got] == [
        (1, 1, "stay"),
        (1, 1, "roll"),
        (1, 1, "stay"),
        (1, 1, "roll"),
        (1, 1, "stay"),
    ]


@pytest.mark.parametrize("bad", [-INF, INF, math.nan])
def test_failed_children_are_passed_over_and_a_failed_parent_is_left(bad):
    got = moves([0, bad, -9, bad, bad, bad], steps=4, quota=3)
    assert [row[1:3] for row in got] == [
        (0, "stay"),
        (0, "stay"),
        (0, "exhaust"),
        (2, "stay"),
        (2, "stay"),
    ]
    assert moves([bad, -9, 0], steps=3, quota=2)[0][2:] == ("roll", 3)


@pytest.mark.parametrize("family", ["equal", "rising"])
def test_the_released_settings(family):
    """500 NFE, two paths of 25 noises, ten steps: quota 22, 224 children a path, 498 NFE used."""
    case = Case(2, 25, 10, 0, family)
    want = reference(case.reward, 500, 25, 2, 10)
    assert (want[0].quota, len(want)) == (22, 498)
    rows, _ = ours(case, 499, 22)
    assert rows[:498] == want and len(rows) == 499
    parents = {row.parent for row in rows if row.path == 1 and row.step == 9}
    assert len(parents) == 1
    per_step = [sum(row.step == step and row.path == 0 for row in rows) for step in range(1, 10)]
    tries = 1 if family == "rising" else 22
    assert per_step == [tries] * 8 + [225 - 8 * tries]


@pytest.mark.parametrize("limit, error", [(50, AssertionError), (68, ZeroDivisionError)])
def test_where_the_reference_fails_on_a_small_budget(limit, error):
    with pytest.raises(error):
        reference(lambda path, k: 0.0, limit, 25, 2, 10)


def test_one_time_is_the_best_start():
    case = Case(2, 3, 1, 0)
    rows, outcome = ours(case, 6)
    assert [row.move for row in rows] == ["born"] * 6
    assert float(outcome.top[0].reward) == max(row.reward for row in rows)


@pytest.mark.parametrize(
    "settings", [{"init_particles": -1}, {"paths": 0}, {"quota": -1}, {"speculation": 0}]
)
def test_settings_out_of_range_are_named(settings):
    (name, value), *_ = settings.items()
    with pytest.raises(
        ValueError, match=f"{name} is too small: got {value}, expected at least {value + 1}"
    ):
        RolloverBudgetForcing(**settings)
