"""What a search returns: the best of what it scored and what it finished, one of each start.

Field 3, 7 and 28.
"""

import math

import pytest
import torch
from pack.samplers.lookahead import AUTOMATIC
from pack.samplers.purse import Purse
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import run
from pack.samplers.search import SEARCHES
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.svdd import SVDD
from pack.samplers.search.zero_order import ZeroOrder

from .setups import EACH, SCORED, Setup, root
from .world import Counter, denoise

EVERY = pytest.mark.parametrize("name", EACH)


def finishes(events):
    return [event.particles for event in events if event.kind == "finish"]


def scored(events):
    return {
        int(i): float(r)
        for event in events
        if event.kind in SCORED
        for i, r in zip(event.particles.ids, event.particles.reward, strict=True)
    }


def spoiling(task, at=0.5):
    """An objective by which every finish is worse than what was scored: -9 for all judged after
    the search."""

    def judge(x0):
        after = task.purse.reserved == 0
        return torch.full((len(x0),), -9.0) if after else x0.mean(1)

    return judge


def run_spoilt(setup, final=None, rules=None, **settings):
    """A run whose finishes all disappoint; `final`: the objective of the finish is another."""
    task = setup.task(**settings)
    task.objective = task.final_objective = spoiling(task)
    if final:
        task.final_objective = final
    return setup.run(task, rules or StopRules())


@EVERY
def test_a_clean_image_is_returned_rather_than_a_worse_finish(name):
    """Field 3: after a lookahead what was scored is clean; the finish, longer, is worth -9."""
    setup = Setup(EACH[name], extra=60, lookahead=1, finish=Finish(3, 1))
    events, outcome, task = run_spoilt(setup)
    best, scores = outcome.top[0], scored(events)
    assert float(best.reward) == max(scores.values()) > -9.0
    assert scores[int(best.ids)] == float(best.reward)
    assert [float(p.reward) for p in finishes(events)] == [-9.0]


def test_what_the_look_found_sharp_is_clean():
    """Field 3: the automatic lookahead comes to 0 where the first prediction is sharp."""

    still = torch.tensor([[1.0, -1.0, 2.0]])

    def sharp(x, t):  # nearly all of a latent is known from the start
        return still + 0.1 * t * x

    setup = Setup(RolloverBudgetForcing(2), 4, 40, lookahead=AUTOMATIC, finish=Finish(2, 1))
    events, outcome, task = run_spoilt(setup, denoiser=sharp)
    assert outcome.lookahead == 0 and finishes(events)
    assert float(outcome.top[0].reward) == max(scored(events).values())


def test_a_prediction_that_its_finish_hardly_differs_from_is_clean():
    """Field 3: without lookahead and look, near the end of the schedule."""
    still = torch.tensor([[1.0, -1.0, 2.0]])
    setup = Setup(BestOfN(), 4, 40, finish=Finish(2, 1))
    events, outcome, _ = run_spoilt(setup, denoiser=lambda x, t: still + 1e-4 * x)
    assert float(outcome.top[0].reward) == max(scored(events).values())


def test_a_blurred_prediction_is_never_returned_for_its_finish():
    """Field 3: the next best are finished instead, until the budget or the spares are gone."""
    setup = Setup(RolloverBudgetForcing(8), 4, 0, finish=Finish(2, 1))
    free = 2 * 3 + 1  # as if the search had stopped with so much left: three more finishes
    task = setup.task()
    task.objective = task.final_objective = spoiling(task)
    least = setup.minimum
    task.purse = Purse(total=least + 2 + free)
    events, outcome = [], Outcome()
    rules = StopRules(stop_requested=lambda: False, target=-100.0)  # reached by the births
    for event in run(setup.search, task, setup.finish, rules, outcome, task.book.root):
        events.append(event)
    assert outcome.stopped == "target"
    ended = finishes(events)
    room = (task.purse.total - 8) // 2
    assert len(ended) == min(room, 5) and all(float(p.reward) == -9.0 for p in ended)
    ranks = [scored(events)[int(p.parents)] for p in ended]
    assert ranks == sorted(ranks, reverse=True) and len(set(ranks)) == len(ranks)
    assert task.purse.nfe <= task.purse.total


@pytest.mark.parametrize("stopped", ["interrupt", "time"])
def test_after_a_stop_only_the_leaders_are_finished(stopped):
    """Field 3: who asked for the end does not wait for spares."""
    setup = Setup(RolloverBudgetForcing(8), 4, 50, finish=Finish(2, 1))
    rules = (
        StopRules(stop_requested=lambda: True) if stopped == "interrupt" else StopRules(seconds=0.0)
    )
    events, outcome, _ = run_spoilt(setup, rules=rules)
    assert outcome.stopped == stopped and len(finishes(events)) == 1


def test_the_finish_that_is_as_good_ends_it():
    """Field 3: a spare is finished only while it was worth more than the best result."""
    setup = Setup(RolloverBudgetForcing(4), 4, 60, finish=Finish(1, 1))
    events, outcome, _ = setup.run(rules=StopRules(target=-100.0), objective=lambda x0: x0[:, 0])
    scores, ended = scored(events), finishes(events)
    for i, p in enumerate(ended[1:], 1):
        assert scores[int(p.parents)] > max(float(q.reward) for q in ended[:i])
    assert float(outcome.top[0].reward) == max(float(p.reward) for p in ended)


def test_by_another_judge_the_unfinished_is_judged_again():
    """Field 3, with a preview decoder: 5 by the full one for what was scored, -9 for its finish."""

    def full(x0):
        return torch.where((x0 == best.clean).all(1), 5.0, -9.0)

    setup = Setup(BestOfN(), 4, 60, lookahead=1, finish=Finish(2, 1))
    plain, first, _ = Setup(BestOfN(), 4, 60, lookahead=1).run(budget=setup.total - 2)
    best = first.top[0]
    events, outcome, task = setup.run(final_objective=full)
    rewards = [float(p.reward) for p in finishes(events)]
    assert rewards == [-9.0, 5.0] and float(outcome.top[0].reward) == 5.0
    assert torch.equal(outcome.top[0].x, best.clean)
    assert task.book.origins[int(outcome.top[0].ids)].nodes == 0


@pytest.mark.parametrize("top_k", [2, 3, 6])
@EVERY
def test_the_images_come_from_different_starts(name, top_k):
    """Field 28: as many starts as there are, then near copies fill up."""
    setup = Setup(EACH[name], extra=60, finish=Finish(0, top_k))
    events, outcome, task = setup.run()
    starts = [root(task, int(p.ids)) for p in outcome.top]
    known = {root(task, i) for i in scored(events)}
    assert len(outcome.top) == top_k and len(set(starts)) == min(top_k, len(known))
    for start in set(starts):  # of each start its best
        own = max(r for i, r in scored(events).items() if root(task, i) == start)
        assert own in [float(p.reward) for p in outcome.top]
    rewards = [float(p.reward) for p in outcome.top]
    assert rewards == sorted(rewards, reverse=True) and rewards[0] == max(scored(events).values())
    assert all(task.book.root(int(p.ids)) == s for p, s in zip(outcome.top, starts, strict=True))


def test_a_neighbour_of_a_start_is_no_other_start():
    """Field 28: zero-order's copies of one noise; at radius 1 each noise is its own."""
    for radius, starts in ((0.3, 4), (1.0, 12)):
        setup = Setup(ZeroOrder(4, radius, 4), 3, 3 * 11, finish=Finish(0, 4))
        events, outcome, task = setup.run()
        assert len({task.book.root(i) for i in scored(events)}) == starts


def test_a_failed_start_does_not_push_out_a_sound_copy():
    """Field 28: two of three starts fail; the copies of the third are returned."""
    setup = Setup(SVDD(), 4, 40, finish=Finish(0, 3))
    task = setup.task()
    task.objective = task.final_objective = lambda x0: torch.where(
        torch.arange(len(x0)) == 0, x0.mean(1), torch.nan
    )
    events, outcome, _ = setup.run(task)
    sound = [i for i, r in scored(events).items() if r > -math.inf]
    assert len(sound) >= 3
    assert all(float(p.reward) > -math.inf for p in outcome.top)


@pytest.mark.parametrize("cost", [2, 3])
@EVERY
def test_what_a_model_costs_less_than_foreseen_is_spent(name, cost):
    """Field 7: conditions on disjoint ranges; foreseen `cost` a row, charged 1."""

    def cheap(x, t):
        task.purse.charge(len(x), 1)
        return denoise(x, t)

    setup = Setup(EACH[name], 4, 40, cost=cost, finish=Finish(1, 1))
    task = setup.task(denoiser=(counter := Counter(cheap)))
    task.counts_itself = True
    events, outcome, _ = setup.run(task)
    left = setup.total - task.purse.nfe
    assert counter.rows == task.purse.nfe
    assert left < (setup.minimum + setup.finish.rows()) * cost
    assert outcome.stopped == "budget"


SPEND_ALL = ("rbf", "best_of_n", "smc", "svdd", "code", "sop", "zero_order")


@pytest.mark.parametrize("budget", [7, 8, 15, 16])
@pytest.mark.parametrize("name", [n for n in SEARCHES if n != "threshold"])
def test_one_step_spends_its_budget(name, budget):
    """Field 7: with one time there is nothing but births."""
    search = RolloverBudgetForcing(2) if name == "rbf" else SEARCHES[name]()
    setup = Setup(search, 1)
    assert budget >= setup.minimum
    events, outcome, task = setup.run(budget=budget)
    together = 1 if name in SPEND_ALL else setup.minimum  # births of a method that needs so many
    assert 0 <= budget - task.purse.nfe < together and outcome.stopped == "budget"


def test_after_a_stop_the_best_that_no_finish_has_spoilt_is_finished():
    """Field 3 and 24: the first particle seems perfect and its finish is worth -9; then the user
    stops, and what was kept for the finish goes to the best of the others."""
    judged, finished = [], []

    def scored_so(x0):
        judged.extend(x0)
        worth = x0.mean(1)
        return (
            torch.where(torch.arange(len(x0)) == 0, 5.0, worth) if len(judged) == len(x0) else worth
        )

    def finished_so(x0):
        finished.extend(x0)
        return torch.full((len(x0),), -9.0) if len(finished) == 1 else x0.mean(1)

    setup = Setup(RolloverBudgetForcing(4), 6, 60, finish=Finish(2, 1))
    task = setup.task(objective=scored_so, final_objective=finished_so)
    rules = StopRules(stop_requested=lambda: len(judged) > 6, maximum=5.0)
    events, outcome, _ = setup.run(task, rules)
    (spoilt, last), scores = finishes(events), scored(events)
    others = {i: r for i, r in scores.items() if i != int(spoilt.parents)}
    assert outcome.stopped == "interrupt" and float(spoilt.reward) == -9.0
    assert int(last.parents) == max(others, key=others.get)
    assert float(outcome.top[0].reward) == float(last.reward) > -9.0
