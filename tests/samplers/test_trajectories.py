"""Whole trajectories by another sampler: the ODE's own, dearer, random and uneven ones."""

import math
import random
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.interpolants.linear import Linear
from pack.samplers.lineage import Origin, entries
from pack.samplers.noise import AddressedNoise
from pack.samplers.ode import ODE
from pack.samplers.purse import BudgetExceeded, Purse
from pack.samplers.replay import Replay
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import run
from pack.samplers.search import SEARCHES
from pack.samplers.trajectories import WholeTask

from .setups import NO_FINISH, NO_RULES, Setup, any_search, arithmetic, grid, pinned, same
from .world import Counter, denoise

WHOLE = [name for name, cls in SEARCHES.items() if cls.whole_trajectories]
STEPS = 5
TIMES = grid(STEPS)
NOISE = AddressedNoise(0, (3,))


def euler(x, root, pay, denoiser=arithmetic, again=lambda root, i: 0, std=0.0):
    """Steps of the ODE from x; `again` more calls at a step; noise of the start's own seed."""
    generator = torch.Generator().manual_seed(NOISE.sampler_seed(root))
    for i, t in enumerate(TIMES):
        for _ in range(1 + again(root, i)):
            x0 = pay(len(x), partial(denoiser, x, t))
        if i + 1 < STEPS:
            x = ODE(Linear())(x, x0, t, TIMES[i + 1]).mean
            x = x + std * torch.randn(x.shape, generator=generator)
    return x0


heun = partial(euler, again=lambda root, i: int(i + 1 < STEPS))  # 2 N - 1 calls
noisy = partial(euler, std=0.3)
uneven = partial(euler, again=lambda root, i: random.Random(f"{root} {i}").randrange(3))


def whole(search, trajectory=euler, budget=100, rules=NO_RULES, finish=NO_FINISH, **settings):
    """(events, outcome, task) of a search by whole trajectories."""
    plain = Setup(search, 1, kernel="ode", lead=STEPS - 1).task(denoiser=arithmetic)
    parts = {"purse": Purse(budget, settings.pop("cost", 1)), "objective": plain.objective}
    task = WholeTask(plain.flow, trajectory=trajectory, root=plain.book.root, **parts | settings)
    task.on_made, outcome = plain.book.add, Outcome()
    task.book = plain.book
    return list(run(search, task, finish, rules, outcome, plain.book.root)), outcome, task


def calls_of(trajectory, root):
    calls = []
    trajectory(torch.zeros(1, 3), root, lambda rows, call: (calls.append(rows), call())[1])
    return sum(calls)


def scored(events):
    return [(int(i), float(r)) for e in events if e.kind == "born"
            for i, r in zip(e.particles.ids, e.particles.reward, strict=True)]  # fmt: skip


def test_which_methods_take_any_sampler():
    assert WHOLE == ["auto", "best_of_n", "zero_order", "regional"]


def test_auto_takes_the_regional_search():
    found, _, task = whole(SEARCHES["auto"](), heun)
    expected, _, other = whole(SEARCHES["regional"](), heun)
    assert scored(found) == scored(expected) and task.purse.nfe == other.purse.nfe


@pytest.mark.parametrize("name", WHOLE[1:])
def test_the_trajectory_of_the_ode_is_the_search_along_it(name):
    """Bit for bit, event for event: as in a search that scores the last time alone."""

    @pinned(25)
    @given(any_search(name), st.integers(0, 90), st.integers(1, 2))
    def check(search, extra, cost):
        setup = Setup(search, 1, extra, "ode", STEPS - 1, cost=cost, fixed={"denoiser": arithmetic})
        events, outcome, task = setup.run()
        others, other, spent = whole(search, budget=setup.total, cost=cost)
        assert len(events) == len(others) and outcome.stopped == other.stopped
        for a, b in zip(events, others, strict=True):
            assert (a.kind, a.spent) == (b.kind, b.spent)
            for column in ("x0", "clean", "reward", "ids", "parents", "paths", "steps"):
                assert torch.equal(getattr(a.particles, column), getattr(b.particles, column))
        assert task.purse.nfe == spent.purse.nfe

    check()


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("trajectory", [euler, heun, noisy, uneven])
def test_the_purse_pays_each_call_and_never_too_much(name, trajectory):
    @pinned(25)
    @given(any_search(name), st.integers(STEPS * 3, 120), st.integers(1, 2))
    def check(search, budget, cost):
        counter = Counter(arithmetic)
        walk = partial(trajectory, denoiser=counter)
        events, outcome, task = whole(search, walk, budget * cost, cost=cost)
        assert task.purse.nfe == counter.rows * cost <= budget * cost
        assert task.purse.network_calls == counter.calls
        assert outcome.stopped == "budget" and len(scored(events)) >= 1
        assert not task.measured and not task.purse.prepaid  # the first trajectory was scored, too
        if trajectory is not uneven:
            price = 2 * STEPS - 1 if trajectory is heun else STEPS
            assert task.purse.nfe == price * cost * len(scored(events))  # none is begun in vain
            assert task.purse.left < price

    check()


def test_the_price_is_measured_before_the_search_plans():
    """Regional search begins with a quarter of what the budget buys of this sampler."""
    price = 2 * STEPS - 1
    events, _, _ = whole(SEARCHES["regional"](), heun, 16 * price)
    first = next(event for event in events if event.kind == "born")
    assert len(first.particles) == 4 and first.spent == 4 * price


def test_a_budget_that_ends_within_the_first_image_says_so():
    with pytest.raises(BudgetExceeded, match="within the first image: got 6 NFE, expected more"):
        whole(SEARCHES["best_of_n"](), heun, 6)


def test_a_trajectory_cut_short_leaves_those_before_it():
    """The price of one grows while the search runs; what ended before is scored."""
    growing = partial(euler, again=lambda root, i: 9 * (root == 3))
    events, outcome, task = whole(SEARCHES["best_of_n"](), growing, 5 * STEPS)
    assert [i for i, _ in scored(events)] == [0, 1, 2]
    assert outcome.stopped == "budget" and task.purse.nfe == 5 * STEPS
    assert len(outcome.top) == 1


def test_a_stop_within_a_wave_scores_what_has_ended():
    task_nfe = []

    def trajectory(x, root, pay):
        return euler(x, root, lambda rows, call: (task_nfe.append(1), pay(rows, call))[1])

    rules = StopRules(stop_requested=lambda: len(task_nfe) >= 8 * STEPS + 2 * STEPS + 2)
    events, outcome, _ = whole(SEARCHES["best_of_n"](), trajectory, 1000, rules)
    assert outcome.stopped == "interrupt"
    assert [i for i, _ in scored(events)] == list(range(10))  # 8 of the first wave and 2


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("trajectory", [heun, noisy, uneven])
def test_the_same_seed_is_the_same_search_whatever_the_batch(name, trajectory):
    search, runs = SEARCHES[name](), []
    for size in (0, 1, 3):
        setup = Setup(search, micro_batch=size)
        runs.append(whole(search, trajectory, 150, batch=setup.task().batch))
    for events, outcome, _ in runs[1:]:
        assert scored(events) == scored(runs[0][0])
        assert same(outcome.top[0], runs[0][1].top[0])


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("trajectory", [heun, noisy, uneven])
def test_the_winner_comes_again_for_the_price_of_its_own(name, trajectory):
    _, outcome, task = whole(SEARCHES[name](), trajectory, 200)
    best = outcome.top[0]
    replay = Replay.of(entries(task.book.lineage(int(best.ids))), int(best.paths))
    events, again, repeated = whole(replay, trajectory, 200)
    assert torch.equal(again.top[0].clean, best.clean) and again.stopped == "done"
    assert int(again.top[0].ids) == int(best.ids)
    assert len(scored(events)) <= 1
    assert repeated.purse.nfe == calls_of(trajectory, task.root(int(best.ids)))


def test_neighbours_share_the_samplers_noise():
    """They differ by their start alone: where its region is all that differs, so is the image."""
    roots = {}

    def trajectory(x, root, pay):
        roots.setdefault(root, []).append(x)
        return noisy(x, root, pay)

    search = SEARCHES["regional"](starts=3, largest=0.5)
    events, _, task = whole(search, trajectory, 20 * STEPS)
    assert sorted(roots) == [0, 1, 2] and sum(map(len, roots.values())) == 20
    born = [event.particles for event in events if event.kind == "born"]
    rows = {i: x for p in born for i, x in zip(p.ids.tolist(), p.clean, strict=True)}
    moved = [event.particles for event in events if event.kind == "accept"]
    assert len(moved) > 2
    for origin in (task.book.origins[i] for i in rows):
        if origin.parent >= 0:
            assert (rows[origin.id] == rows[origin.parent]).any()
            assert (rows[origin.id] != rows[origin.parent]).any()


def test_a_lineage_of_steps_is_none_of_a_whole_trajectory():
    way = (Origin(0, "born"), Origin(5, "propose", 1, 0))
    with pytest.raises(ValueError, match="goes on to step 1: expected less than 1"):
        whole(Replay(way))


def test_nothing_is_left_to_look_ahead_to_or_to_finish():
    """What a preview scored is scored again by the full objective, at no evaluation."""
    counter = Counter(arithmetic)
    events, outcome, task = whole(
        SEARCHES["best_of_n"](), partial(euler, denoiser=counter), 4 * STEPS, finish=Finish(0, 2),
        lookahead=3, final_objective=lambda x0: -x0.mean(1).float(),
    )  # fmt: skip
    assert counter.rows == task.purse.nfe == 4 * STEPS and outcome.lookahead == 0
    finished = [event for event in events if event.kind == "finish"]
    assert len(finished) == len(outcome.top) == 2
    for event in finished:
        assert event.spent == 4 * STEPS
        assert float(event.particles.reward) == pytest.approx(-float(event.particles.x0.mean()))


def test_every_particle_has_a_seed_of_its_own():
    seeds = [NOISE.sampler_seed(i) for i in range(1000)]
    others = [AddressedNoise(1, (3,)).sampler_seed(i) for i in range(1000)]
    images = [AddressedNoise(0, (3,), image=1).sampler_seed(i) for i in range(1000)]
    assert len({*seeds, *others, *images}) == 3000
    assert all(0 <= seed < 1 << 48 for seed in seeds)
    rows = NOISE(range(3))
    for i in range(3):  # nor are its draws the particle's own noise
        drawn = torch.randn(3, generator=torch.Generator().manual_seed(seeds[i]))
        assert not torch.isclose(drawn, rows[i]).any()


def test_on_the_mixture_more_steps_find_what_the_ode_finds():
    """The exact denoiser: Heun's steps end nearer to the mode than Euler's, from the same noise."""
    best = [
        whole(SEARCHES["best_of_n"](), partial(by, denoiser=denoise), 400)[1].top[0].clean
        for by in (euler, heun)
    ]
    for clean in best:
        assert all(min(abs(v + 1), abs(v - 2)) < 1.0 for v in clean.flatten().tolist())
        assert math.isfinite(float(clean.sum()))
