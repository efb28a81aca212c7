"""A search goes on over particles that fail, and ends well with a model that does not add up."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.guidance import DPS, TorchGradients
from pack.samplers.judging import judge
from pack.samplers.purse import BudgetExceeded
from pack.samplers.rules import Outcome
from pack.samplers.run import run
from pack.samplers.search import SEARCHES
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.threshold import VerifierThreshold
from pack.samplers.steering import Steering

from ..host.helpers.apple import Apple
from .setups import (
    EACH,
    METHODS,
    NEVER,
    NO_FINISH,
    NO_RULES,
    SCORED,
    Setup,
    check_finishes,
    pinned,
    setups,
)
from .world import Counter, denoise

each_method = pytest.mark.parametrize("name", SEARCHES)
WAITING = ("rbf", "svdd", "threshold")  # do not move to a particle that can have no descendants
INF = math.inf


def spoilt(x, share=5):
    """Rows of x (K,*D) picked by the digits of their first number: one in `share` or so."""
    return (x[:, 0].double() * 1e4).long() % share == 0


def unsound(x, t):
    return torch.where(spoilt(x)[:, None], torch.nan, denoise(x, t))


def moody(x0):
    """A picture that cannot be decoded (-inf), a reward that fails (nan) or has no bounds."""
    reward = x0.mean(1)
    for i, bad in enumerate((-INF, math.nan, INF)):
        reward[spoilt(x0 * (i + 2), 9)] = bad
    return reward


@pytest.mark.parametrize("name", METHODS)
@pinned(15)
@given(st.data())
def test_failures_are_named_and_the_search_goes_on(name, data):
    setup = data.draw(setups(name))
    answers = {}

    def objective(x0):
        reward = moody(x0)
        answers.update(zip(map(tuple, x0.tolist()), reward.tolist(), strict=True))
        return reward

    events, outcome, task = setup.run(denoiser=unsound, objective=objective)
    failed = {}
    for event in events:
        if event.kind not in (*SCORED, "finish"):
            continue
        p = event.particles
        for number, clean, reward in zip(
            p.ids.tolist(), p.clean.tolist(), p.reward.tolist(), strict=True
        ):
            said = answers.get(tuple(clean), math.nan)
            if not all(map(math.isfinite, clean)):
                failed[number] = "network"
            elif not math.isfinite(said):
                failed[number] = "decode" if said == -INF else "reward"
            assert reward == (-INF if number in failed else said)
    assert task.failed == failed
    assert outcome.stopped in ("budget", "done")
    reached = {p for e in events if e.kind in SCORED for p in e.particles.steps.tolist()}
    assert setup.steps - 1 in reached or (name in WAITING and "network" in failed.values())
    check_finishes(setup, events, outcome, task)


@pytest.mark.parametrize("name", WAITING)
@pinned(40)
@given(st.data())
def test_nothing_is_spent_on_children_of_what_the_network_made_nan_of(name, data):
    """While a path has a particle from which it can go on, it does so from there."""
    setup = data.draw(setups(name))
    events, *_ = setup.run(denoiser=unsound, objective=lambda x0: x0.mean(1))
    dead: set[int] = set()
    hopeful: set[int] = set()  # paths
    drawn = [event.particles for event in events if event.kind in SCORED]
    for p in drawn:
        barren = ~p.x0.isfinite().all(1)
        columns = (c.tolist() for c in (p.ids, p.parents, p.paths, barren))
        for own, parent, path, lost in zip(*columns, strict=True):
            assert parent not in dead or path not in hopeful
            dead |= {own} if lost else set()
            hopeful |= set() if lost else {path}
    assert drawn


@pytest.mark.parametrize(
    ("search", "extra"),
    [
        (RolloverBudgetForcing(1, quota=1, children="kernel"), 3),
        (VerifierThreshold(NEVER), 2),
    ],
)
def test_a_step_whose_only_try_failed_is_tried_again(search, extra):
    """Each step may try one child: the first is NaN, the second sound and the next's parent."""
    tried: dict[float, int] = {}

    def every_other(x, t):
        tried[t] = tried.get(t, 0) + 1
        return denoise(x, t) * (math.nan if t < first and tried[t] % 2 else 1.0)

    setup = Setup(search, steps=4, extra=extra, finish=NO_FINISH)
    first = setup.task().times[0]
    events, outcome, task = setup.run(denoiser=every_other, objective=lambda x0: -x0.norm(dim=1))
    drawn = [event.particles for event in events if event.kind == "propose"]
    assert [(int(p.steps), int(p.parents)) for p in drawn[:5]] == [
        (1, 0), (1, 0), (2, 2), (2, 2), (3, 4)
    ]  # fmt: skip
    assert set(task.failed) == {1, 3, 5} and int(outcome.top[0].ids) not in task.failed


@each_method
@pinned(10)
@given(st.data(), st.sampled_from(["network", "decode", "reward"]))
def test_if_all_fails_it_still_ends(name, data, cause):
    setup = data.draw(setups(name))
    counter = Counter(lambda x, t: x * math.nan if cause == "network" else denoise(x, t))
    answer = {"network": 0.0, "decode": -INF, "reward": math.nan}[cause]
    events, outcome, task = setup.run(
        denoiser=counter, objective=lambda x0: torch.full((len(x0),), answer)
    )
    assert set(task.failed.values()) == {cause}
    assert len(task.failed) == sum(
        len(e.particles) for e in events if e.kind in (*SCORED, "finish")
    )
    assert outcome.stopped == "budget" and outcome.top
    assert all(float(p.reward) == -INF for p in outcome.top)
    assert counter.rows * setup.cost == task.purse.nfe <= setup.total


def test_the_wrong_number_of_scores_is_refused():
    with pytest.raises(ValueError, match=r"wrong shape: got \(3, 1\), expected \(3,\)"):
        Setup(EACH["rbf"]).task(objective=lambda x0: x0[:, :1]).born(3)


def test_scores_of_a_gpu_that_has_no_float64():
    clean = torch.tensor([[1.0, 2.0], [3.0, torch.nan]]).as_subclass(Apple)
    reward = judge(lambda x0: x0.mean(1), clean, [0, 1], failed := {})
    assert reward.tolist() == [1.5, -INF] and failed == {1: "network"}
    assert reward.dtype == torch.float64


@each_method
@pinned(10)
@given(st.data(), st.integers(2, 4), st.integers(0, 6))
def test_a_model_that_costs_more_than_foreseen_ends_by_the_budget(name, data, dear, cheap_calls):
    """The denoiser charges the ledger itself, more from some call on."""

    def charging(x, t):
        times = dear if task.purse.network_calls >= cheap_calls else 1
        task.purse.charge(len(x) * times * setup.cost, 1)
        return denoise(x, t)

    setup = data.draw(setups(name, finish=NO_FINISH, micro_batch=1))
    task, outcome = setup.task(denoiser=charging), Outcome()
    task.counts_itself = True
    try:
        events = list(run(setup.search, task, NO_FINISH, NO_RULES, outcome))
        assert events and outcome.stopped in ("budget", "done") and outcome.top
    except BudgetExceeded:
        assert not outcome.top
    assert task.purse.nfe < setup.total + dear * setup.cost


def test_a_guided_search_that_costs_more_than_foreseen_ends_by_the_budget():
    """After the births nothing is left of what the gradients were to cost."""
    setup = Setup(RolloverBudgetForcing(init_particles=3), steps=5, finish=NO_FINISH)
    task, outcome = setup.task(), Outcome()
    task.steering = Steering(DPS(1.0), TorchGradients(lambda x0: x0.mean(1), denoise))
    task.counts_itself, task.purse.total = True, 11

    def charging(x, t):
        task.purse.charge(2 * len(x), 1)
        task.purse.cost = 2
        return denoise(x, t)

    task.change(denoiser=charging)
    list(run(setup.search, task, NO_FINISH, NO_RULES, outcome))
    assert outcome.stopped == "budget" and outcome.top and task.purse.nfe == 6
