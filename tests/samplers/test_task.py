"""What a task does for a search: births along the lead, re-noising, lookahead, the finish."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.purse import BudgetExceeded, Prices, Purse
from pack.samplers.rules import Finish
from pack.samplers.schedules import split_window
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.rounds import Round
from pack.samplers.types import Particles

from .setups import KERNELS, Setup, arithmetic, grid, pinned, same
from .world import Counter, new_task, task_of


def euler(x, x0, t, s):
    return x + (s - t) * (x - x0) / t


@pytest.mark.parametrize(
    "start, end, lead, inside",
    [
        (1.0, 0.0, [], [1.0, 0.8, 0.5, 0.2]),
        (0.8, 0.2, [1.0], [0.8, 0.5, 0.2]),
        (0.79, 0.21, [1.0, 0.8], [0.5]),
        (0.5, 0.5, [1.0, 0.8], [0.5]),
        (0.3, 0.1, [1.0, 0.8, 0.5], [0.2]),
    ],
)
def test_a_search_window_takes_the_times_inside(start, end, lead, inside):
    assert split_window([1.0, 0.8, 0.5, 0.2], start, end) == (lead, inside)


@pytest.mark.parametrize("start, end", [(0.79, 0.51), (0.1, 0.0), (0.2, 0.8), (2.0, 1.5)])
def test_an_empty_window_is_refused(start, end):
    said = rf"holds no sigma: got {start} down to {end}, expected .*\[1.0, 0.8, 0.5, 0.2\]"
    with pytest.raises(ValueError, match=said):
        split_window([1.0, 0.8, 0.5, 0.2], start, end)


@pytest.mark.parametrize(
    "times, lead, end",
    [
        ([], [], 0.0),
        ([], [0.9], 0.0),
        ([0.5, 0.5], [], 0.0),
        ([0.5, 0.7], [], 0.0),
        ([1.1, 0.7], [], 0.0),
        ([0.5, 0.0], [], 0.0),
        ([0.5], [], 0.5),
        ([0.5], [], -0.1),
        ([0.8], [0.7], 0.0),
    ],
)
def test_times_that_do_not_fall_are_refused(times, lead, end):
    with pytest.raises(ValueError, match=r"got \[.*\], expected one or more in \(0, 1\]"):
        task_of(
            denoiser=None,
            kernel=None,
            times=times,
            start=None,
            noise=None,
            lead=lead,
            end=end,
        )


@pytest.mark.parametrize("lead", [1, 3])
def test_the_lead_is_crossed_by_the_ode(lead):
    """Born as the plain ODE sampler comes there, whatever the kernel; steps count from there."""
    counter = Counter(arithmetic)
    late = Setup(BestOfN(), 3, 99, "eta", lead).task(denoiser=counter)
    born = late.born(2)
    whole = Setup(BestOfN(), 3 + lead, 99, "ode").task(denoiser=arithmetic)
    *_, same_there = whole.walk(whole.born(2), last=lead)
    torch.testing.assert_close(born.x, same_there.x)
    assert born.steps.tolist() == [0, 0]
    assert counter.rows == 2 * (lead + 1) == 2 * late.prices.birth
    assert late.prices == Prices(lead + 1, 1, 0)


@pinned(30)
@given(st.integers(1, 4), st.sampled_from(sorted(KERNELS)), st.integers(0, 2))
def test_the_lookahead_is_the_end_of_the_ode_and_what_is_scored(ahead, kernel, lead):
    asked, seen = [], []

    def spy(x, t):
        asked.append(t)
        return arithmetic(x, t)

    def objective(x0):
        seen.append(x0)
        return x0.sum(1)

    setup = Setup(BestOfN(), 3, 99, kernel, lead, ahead)
    task = setup.task(denoiser=spy, objective=objective)
    born = task.born(2)
    child = task.propose(born)
    for p, own in ((born, seen[0]), (child, seen[1])):
        t, x, x0 = task.times[int(p.steps[0])], p.x, p.x0
        for i in range(1, ahead + 1):
            s = task.times[int(p.steps[0])] * (1 - i / (ahead + 1))
            x, t = euler(x, x0, t, s), s
            x0 = arithmetic(x, s)
        torch.testing.assert_close(p.clean, x0)
        assert torch.equal(p.clean, own) and torch.equal(p.reward, own.sum(1).double())
    t = task.times[1]
    assert asked[-ahead:] == pytest.approx([t * (1 - i / (ahead + 1)) for i in range(1, ahead + 1)])
    last = task.finish(child[1], ahead)
    assert torch.equal(last.clean, child[1].clean)
    assert task.finish(child[1], 0).clean is not child[1].x0
    assert task.propose(born, score=False).reward.isnan().all()


def test_rows_of_several_steps_look_ahead_each_from_its_own_time():
    task = Setup(BestOfN(), 4, 99, lookahead=2).task(denoiser=arithmetic)
    born = task.born(2)
    mixed = Particles.cat([born[0], task.propose(born)[1], born[1]])
    children = task.propose(mixed)
    assert children.steps.tolist() == [1, 2, 1]
    for i in range(3):
        wanted = task.finish(children[i], 2)
        torch.testing.assert_close(children[i].clean, wanted.clean)


@pytest.mark.parametrize(
    "steps, ahead, left", [(4, 0, 4), (4, 3, 4), (4, 4, 0), (4, 9, 0), (0, 0, 0)]
)
def test_a_lookahead_that_goes_as_far_stands_for_the_finish(steps, ahead, left):
    assert Finish(steps, 3).after(ahead) == Finish(left, 3)
    assert Finish(steps, 3).after(ahead).rows() == 3 * left


def test_after_such_a_lookahead_the_result_is_what_was_scored():
    setup = Setup(BestOfN(), 3, 40, lookahead=2, finish=Finish(2, 3).after(2))
    events, outcome, task = setup.run()
    assert all(event.kind != "finish" for event in events)
    assert len(outcome.top) == 3 and task.purse.reserved == 0
    for p in outcome.top:
        assert float(p.reward) == float(p.clean.mean(1).float())


def test_the_finish_is_euler_on_even_times_down_to_zero():
    asked = []

    def spy(x, t):
        asked.append(t)
        return arithmetic(x, t)

    task = Setup(BestOfN(), 4, 99).task(denoiser=spy)
    particle = task.propose(task.born(1))
    t, x, x0 = grid(4)[1], particle.x, particle.x0
    last = task.finish(particle, 3)
    assert asked[2:] == pytest.approx([t * 0.75, t * 0.5, t * 0.25])
    for s in asked[2:]:
        x, t = euler(x, x0, t, s), s
        x0 = arithmetic(x, t)
    torch.testing.assert_close(last.x0, x0)
    assert torch.equal(last.x, last.x0) and int(last.parents) == int(particle.ids)
    assert int(last.steps) == 4 and int(last.paths) == int(particle.paths)


def test_a_finish_of_no_steps_judges_again_what_was_scored():
    task = Setup(BestOfN(), 2, 9, lookahead=1).task(final_objective=lambda x0: -x0.sum(1))
    particle = task.born(1)
    before = task.purse.nfe
    last = task.finish(particle, 0)
    assert task.purse.nfe == before and torch.equal(last.clean, particle.clean)
    assert float(last.reward) == -float(particle.clean.sum())


def test_the_finish_takes_what_too_dear_a_model_left():
    """Eight rows foreseen, five gone at birth: three for the best, none for the second."""

    def dear(x, t):
        task.purse.charge(5 if len(x) == 2 else 1, 1)
        return arithmetic(x, t)

    setup = Setup(RolloverBudgetForcing(init_particles=2), 1, finish=Finish(3, 2))
    task = setup.task(denoiser=dear)
    task.counts_itself = True
    events, outcome, _ = setup.run(task)
    born, finished = events[0].particles, [e for e in events if e.kind == "finish"]
    assert setup.total == 8 and [event.spent for event in finished] == [8, 8]
    second = finished[1].particles
    assert torch.equal(second.clean, born[int(second.parents)].clean)
    assert len(outcome.top) == 2


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_the_plain_sampler_lands_where_it_is_told(kernel):
    """At 0 the last x0; above, where one more step of the kernel would have gone."""
    clean = Setup(BestOfN(), 3, 99, kernel).task(denoiser=arithmetic)
    *_, last = clean.walk(clean.born(2, score=False), score=False)
    before = clean.purse.nfe
    assert torch.equal(clean.land(last), last.x0) and clean.purse.nfe == before
    noisy, longer = (
        new_task(KERNELS[kernel], grid(4)[:n], denoiser=arithmetic, end=end, shape=(3,))
        for n, end in ((3, grid(4)[3]), (4, 0.0))
    )
    *_, third = noisy.walk(noisy.born(2, score=False), score=False)
    *_, fourth = longer.walk(longer.born(2, score=False), score=False)
    assert torch.equal(noisy.land(third), fourth.x)


def test_particles_are_chosen_by_row():
    p = Setup(BestOfN(), 2, 9).task().born(4)
    assert p[1].ids.tolist() == [1] and p[[3, 1]].ids.tolist() == [3, 1]
    assert p[1:3].ids.tolist() == [1, 2] and len(p) == 4
    assert same(Particles.cat([p[:1], p[1:]]), p)
    assert p[p.best()].reward == p.reward.max()


def test_prices_add_up():
    price = Prices(birth=3, child=4, score=2)
    assert (price.born, price.step) == (5, 6)
    assert Round(0, 0, "noise").price(price) == 5
    assert Round(0, 3, "noise").price(price) == 3 + 3 * 4 + 2
    assert Setup(BestOfN(), kernel="glass", lead=2, lookahead=1).task().prices == Prices(3, 2, 1)


def test_a_budget_counts_whole_rows():
    purse = Purse(total=11, cost=2, reserved=2)
    assert purse.left == 3
    purse.charge(6, 3)
    assert purse.left == 0
    purse.charge(4, 2)
    assert purse.left == 0


def test_the_reserve_is_kept_and_named():
    purse = Purse(total=11, cost=2, reserved=2, nfe=1)
    purse.require(3)
    with pytest.raises(BudgetExceeded, match="11 .* for 8, expected at most 6 .1 spent, 4 kept"):
        purse.require(4)
    purse.reserve(0)
    purse.require(5)
    with pytest.raises(BudgetExceeded, match="request for 12, expected at most 10 .1 spent.[.]$"):
        purse.require(6)
