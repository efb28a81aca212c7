"""The method auto: its rule, and that a run is one of the method that it chooses."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.automatic import settle
from pack.samplers.guidance import AtX0
from pack.samplers.lineage import entries
from pack.samplers.lookahead import AUTOMATIC, LOOK
from pack.samplers.purse import Prices
from pack.samplers.replay import Replay
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import check_budget, run
from pack.samplers.search.auto import Auto
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.regional import Regional
from pack.samplers.search.regional_paths import RegionalPaths
from pack.samplers.search.rounds import Facts, minimum
from pack.samplers.search.svdd import SVDD
from pack.samplers.steering import Steering

from .setups import METHODS, Setup, pinned, same, setups
from .test_guidance import torch_gradients
from .test_lookahead import blurred, crowded, sharp
from .world import Counter

FACTS = Facts(True, "It is known", 10, 100, 90, Prices(), guided=False, draws=lambda: True)
BLUR = {"sharp": False, "prices": Prices(score=LOOK)}
SECOND = {"sharp": False, "second": True, "prices": Prices(score=1)}
RBF = RolloverBudgetForcing(8, children="kernel")
MODELS = {"sharp": sharp, "blurred": blurred}
GUIDED = Steering(AtX0(0.2), torch_gradients())
MOVING = Steering(AtX0(0.2, "velocity"), torch_gradients())  # it moves the ODE's steps, too


@pytest.mark.parametrize(
    ("facts", "search", "ode_steps"),
    [
        ({}, SVDD(children="redraw"), None),
        ({"budget": 149}, SVDD(children="redraw"), None),
        ({"budget": 150}, RolloverBudgetForcing(40, children="redraw"), None),
        (
            {"budget": 150, "calls_network": True},
            RolloverBudgetForcing(40, children="kernel"),
            None,
        ),
        ({"sharp": None, "whole": True, "steps": 1}, Regional(), None),
        ({"steps": 1}, RolloverBudgetForcing(24, children="redraw"), None),
        ({"guided": True}, SVDD(children="redraw"), None),
        ({"draws": lambda: False}, SVDD(children="redraw"), None),
        ({"calls_network": True}, SVDD(children="kernel"), None),
        ({"left": 9}, BestOfN(), None),
        (BLUR, RegionalPaths(), 5),
        (BLUR | {"steps": 11}, RegionalPaths(), 6),
        (BLUR | {"draws": lambda: False}, RegionalPaths(), 5),
        (BLUR | {"left": 17}, RegionalPaths(), 5),
        (BLUR | {"left": 16}, BestOfN(), 10),
        (BLUR | {"guided": True}, SVDD(children="kernel"), None),
        (BLUR | {"guided": True, "left": 49}, BestOfN(), None),
        (BLUR | {"guided": True, "draws": lambda: False}, BestOfN(), None),
        (SECOND, RBF, None),
        (SECOND | {"guided": True}, RBF, None),
        (SECOND | {"draws": lambda: False}, RegionalPaths(), 5),
        (SECOND | {"left": 18}, RegionalPaths(), 5),
        ({"sharp": None, "budget": 999}, BestOfN(), 10),
        ({"sharp": None, "budget": 999, "guided": True}, BestOfN(), None),
    ],
)
def test_the_rule(facts, search, ode_steps):
    facts = replace(FACTS, **facts)
    choice = Auto().choice(facts)
    assert (choice.search, choice.ode_steps) == (search, ode_steps)
    share = facts.budget // facts.steps
    assert choice.source == f"It is known, and the budget buys {share} evaluations a step"


@pytest.mark.parametrize(
    ("facts", "starts"),
    [
        ({}, 24),  # a quarter, in whole waves of 8
        ({"budget": 95}, 24),
        ({"budget": 60}, 15),  # few enough for a part of a wave
        ({"budget": 95, "left": 30}, 21),
        ({"sharp": None}, 24),
        (BLUR, 8),  # a twelfth
        (BLUR | {"left": 5 * 15}, 6),  # the other 9 are the children
        ({"left": 10}, 1),
        ({"prices": Prices(birth=3)}, 8),
        ({"budget": 3, "steps": 1, "left": 3}, 1),
    ],
)
def test_the_automatic_starts(facts, starts):
    facts = replace(FACTS, **facts)
    search = RolloverBudgetForcing(children="region")
    assert search.choice(facts).search == replace(search, init_particles=starts)
    both = replace(search, paths=2, quota=1).choice(facts).search
    assert both.init_particles <= starts and both.paths == 2
    fixed = replace(search, init_particles=7)
    assert fixed.choice(facts).search == fixed


@pytest.mark.parametrize("method", [RolloverBudgetForcing(5), SVDD()])
def test_the_children_of_sharp_predictions_are_redrawn(method):
    for facts, how in (
        ({}, "redraw"),
        ({"calls_network": True}, "kernel"),
        ({"sharp": None}, "kernel"),
        (BLUR, "kernel" if isinstance(method, RolloverBudgetForcing) else "redraw"),
        (BLUR | {"guided": True}, "kernel"),
        (BLUR | {"calls_network": True}, "kernel"),
    ):
        facts = replace(FACTS, **facts)
        assert method.choice(facts).search == replace(method, children=how)
        for fixed in ("kernel", "region", "redraw"):
            search = replace(method, children=fixed)
            assert search.choice(facts).search == search


@pinned(25)
@given(setups("rbf"))
def test_the_automatic_starts_leave_every_step_its_children(setup):
    setup = replace(setup, search=replace(setup.search, init_particles=0))
    search = settle(setup.search, setup.task(), setup.finish).search
    assert search.init_particles >= 1
    assert minimum(search, setup.steps, setup.prices) <= setup.task().purse.total // setup.cost
    events, _, task = setup.run()
    assert max(int(e.particles.steps.max()) for e in events) >= setup.steps - 1
    assert task.purse.nfe <= setup.total


def auto(data):
    """A setup of auto with an automatic lookahead, any model, and guidance or none."""
    model = MODELS[data.draw(st.sampled_from(sorted(MODELS)))]
    fixed = {"shape": (4,), "denoiser": model, "lookahead": AUTOMATIC}
    if data.draw(st.booleans()):
        fixed["steering"] = GUIDED
    return data.draw(setups("auto", extra=data.draw(st.integers(0, 300)), lookahead=0, fixed=fixed))


def settled_run(setup, task, search=None, finish=None):
    """(events, outcome, what was settled) of a run on the task."""
    outcome, settled = Outcome(), []
    ending = finish or setup.finish, StopRules(), outcome, task.book.root
    events = list(run(search or setup.search, task, *ending, settled.append))
    return events, outcome, *settled


@pinned(25)
@given(st.data())
def test_it_runs_what_it_chose(data):
    """Bit for bit, on fewer times where the ODE walks, and within the budget.

    The first particle has what the look evaluated of it, which is not paid twice.
    """
    setup = auto(data)
    counter = Counter(setup.fixed["denoiser"])
    ran = setup.task(denoiser=counter)
    events, outcome, ours = settled_run(setup, ran)
    assert ours.chosen["method"] in METHODS and ours.chosen["lookahead"] == outcome.lookahead
    assert ran.purse.nfe == counter.rows * setup.cost <= setup.total
    assert ran.purse.prepaid == 0

    looked = setup.task()
    settle(setup.search, looked, setup.finish)
    task = setup.task(lookahead=outcome.lookahead)
    task.purse.charge(looked.purse.nfe - looked.purse.prepaid, 0)
    if steps := ours.chosen.get("ode_steps"):
        task.change(**vars(task.flow.coarser(steps)))
    again, *_ = settled_run(setup, task, ours.search, ours.finish)
    clean = [e for e in events if e.kind != "finish"], [e for e in again if e.kind != "finish"]
    for a, b in zip(*clean, strict=True):
        assert (a.kind, a.spent) == (b.kind, b.spent) and same(a.particles, b.particles)


@pytest.mark.parametrize(
    ("model", "budget", "steering", "chosen"),
    [
        ("sharp", 60, None, {"method": "svdd", "children": "redraw", "lookahead": 0}),
        (
            "sharp",
            90,
            None,
            {"method": "rbf", "init_particles": 24, "children": "redraw", "lookahead": 0},
        ),
        ("blurred", 60, None, {"method": "regional_paths", "ode_steps": 3, "lookahead": 0}),
        ("blurred", 60, GUIDED, {"method": "svdd", "children": "kernel", "lookahead": 4}),
        ("blurred", 60, MOVING, {"method": "regional_paths", "ode_steps": 3, "lookahead": 0}),
        ("blurred", 16, GUIDED, {"method": "best_of_n", "lookahead": 0}),
        ("sharp", 9, None, {"method": "best_of_n", "ode_steps": 6, "lookahead": 0}),
    ],
)
def test_it_says_what_it_chose_and_why(model, budget, steering, chosen):
    task = Setup(Auto(), 6).task(
        budget=budget, lookahead=AUTOMATIC, denoiser=MODELS[model], steering=steering, shape=(4,)
    )
    settled = settle(Auto(), task, Finish())
    why = settled.chosen.pop("why")
    assert settled.chosen == chosen
    assert task.purse.nfe == (0 if budget < 10 else 1 + LOOK)
    look = f"first prediction is {model}" if budget >= 10 else "too small for a look"
    share = f", and the budget buys {budget // 6} evaluations a step. So the method is "
    assert look in why and share in why
    assert all(len(sentence.split()) <= 25 for sentence in why.split(". "))
    ahead = chosen["lookahead"]
    assert why.endswith("sharpen each particle." if ahead else "scored as they are.")


def test_a_lookahead_that_is_set_says_what_the_model_is():
    for ahead, method in ((0, "rbf"), (2, "regional_paths")):
        task = Setup(Auto(), 6).task(budget=120, lookahead=ahead)
        settled = settle(Auto(), task, Finish(3))
        assert settled.chosen["method"] == method and task.purse.nfe == 0
        assert settled.chosen["why"].startswith(f"The lookahead is set to {ahead}, and the ")
        assert "lookahead" not in settled.chosen and settled.finish == Finish(3)


def test_a_search_that_leaves_nothing_open_says_nothing():
    fixed = RolloverBudgetForcing(3, children="kernel")
    for search in (BestOfN(), fixed, Regional()):
        assert settle(search, Setup(search).task(budget=99, lookahead=0), Finish()).chosen == {}
    search = SVDD(children="kernel")
    task = Setup(search, 6).task(budget=99, lookahead=AUTOMATIC, denoiser=blurred, shape=(4,))
    why = "The first prediction is blurred. So 4 plain steps sharpen each particle."
    told = {"lookahead": 4, "why": why}
    assert settle(search, task, Finish()).chosen == told


@pinned(25)
@given(st.data())
def test_the_winner_comes_again(data):
    setup = auto(data)
    if setup.fixed["denoiser"] is blurred:
        setup = replace(setup, fixed=setup.fixed | {"denoiser": crowded})
    task = setup.task()
    _, outcome, settled = settled_run(setup, task)
    best = outcome.top[0]
    for _ in range(2):  # the second time from the replay's own report
        lineage, steps = entries(task.book.lineage(int(best.ids))), settled.chosen.get("ode_steps")
        way = {"lookahead": outcome.lookahead, "ode_steps": steps}
        replay, task = Replay.of(lineage, **way), setup.task(lookahead=outcome.lookahead)
        _, outcome, settled = settled_run(setup, task, replay, Finish(replay.nodes))
        assert torch.equal(outcome.top[0].x, best.x)
        assert torch.equal(outcome.top[0].reward, best.reward)
        assert settled.chosen.get("ode_steps") == steps


@pinned(25)
@given(setups("auto"))
def test_the_least_is_a_whole_image_and_one_less_is_refused(setup):
    steps, prices = setup.steps, setup.prices
    assert setup.minimum == minimum(BestOfN(), steps, prices)
    with pytest.raises(ValueError, match="budget is too small: got "):
        check_budget(setup.minimum, steps, setup.finish, setup.least - 1, setup.cost, prices)
    for ahead in (setup.lookahead, AUTOMATIC):
        _, outcome, task = setup.run(budget=setup.least, lookahead=ahead)
        assert outcome.top and task.purse.nfe <= setup.least


@pinned(25)
@given(
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=12, unique=True),
    st.integers(1, 14),
    st.sampled_from([0.0, 0.005]),
)
def test_a_coarser_flow_takes_times_of_the_schedule_or_even_ones(times, steps, end):
    times = sorted(times, reverse=True)
    way, count = times[0] - end, len(times)
    even = [times[0] - way * i / count for i in range(count)]
    flow = replace(Setup(BestOfN()).task().flow, times=times, end=end)
    coarse = flow.coarser(steps)
    times = even if times[-1] - end > way / 2 else times
    assert len(coarse.times) == min(steps, count)
    assert all(min(abs(t - s) for s in times) < 1e-9 for t in coarse.times)
    assert coarse.times[0] == times[0] and coarse.end == end and not coarse.draws()
    if steps >= count:
        assert coarse.times == pytest.approx(times)


def test_the_times_of_a_coarser_flow_are_even():
    flow = replace(Setup(BestOfN()).task().flow, times=[1.0 - 0.1 * i for i in range(10)])
    assert flow.coarser(2).times == flow.times[::5] and flow.coarser(5).times == flow.times[::2]
    late = replace(flow, times=[0.99, 0.98, 0.95, 0.7])  # as the VP schedule has them
    assert late.coarser(2).times == pytest.approx([0.99, 0.495])
    assert late.coarser(9).times == pytest.approx([0.99, 0.7425, 0.495, 0.2475])


def test_a_kernel_without_noise_draws_none():
    assert all(Setup(BestOfN(), kernel=k).task().flow.draws() for k in ("eta", "glass"))
    assert not Setup(BestOfN(), kernel="ode").task().flow.draws()
    assert not Setup(BestOfN(), 1).task().flow.draws()
