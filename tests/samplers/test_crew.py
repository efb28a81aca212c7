"""A search has the same result with a crew, whatever its workers do."""

from dataclasses import dataclass, field, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.crew.engine import Report
from pack.samplers.crew.foreman import LOSSES, Foreman
from pack.samplers.crew.turns import Turns
from pack.samplers.rules import Finish, StopRules
from pack.samplers.search import SEARCHES
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.sop import SearchOverPaths
from pack.samplers.search.svdd import SVDD
from pack.samplers.search.threshold import VerifierThreshold

from .crews import Chaos, Punctual, Sluggish, crewed
from .setups import KERNELS, METHODS, Setup, arithmetic, assert_same_run, pinned, setups
from .world import Counter

TROUBLE = (
    {},
    {"again": 0.5},
    {"lost": 0.3},
    {"lost": 0.1, "dies": True},
    {"unfit": 0.1},
    {"again": 0.3, "lost": 0.3, "queue": 1},
)
each_method = pytest.mark.parametrize("name", METHODS)


def same(expected, got):
    """A check of first answers."""
    return "" if torch.equal(expected.x0, got.x0) else "another image"


def compare(setup, rows, workers=3, check=None, liars=(), works=False, **chaos):
    """Run a search without a crew and with one. Returns the foreman of the latter."""
    plain = setup.run(denoiser=arithmetic, micro_batch=rows)
    task, foreman, counter = crewed(setup, rows, workers, arithmetic, **chaos)
    foreman.check, foreman.works = check, works
    for liar in liars:
        honest = foreman.engine.tasks[liar]
        other = Counter(lambda x, t: counter(x, t) + 1e-3)
        foreman.engine.tasks[liar] = replace(honest, flow=replace(honest.flow, denoiser=other))
    with_crew = setup.run(task)
    assert_same_run(plain, with_crew)
    own, other = plain[2].purse, task.purse
    assert own.by_model == other.by_model and own.network_calls == other.network_calls
    assert plain[2].book == task.book
    foreman.close()
    foreman.engine.drain()
    rows = counter.rows + foreman.engine.undone
    assert rows * setup.cost == other.nfe + foreman.discarded + foreman.checked
    return foreman


@each_method
@pinned(8)
@given(
    st.data(),
    st.sampled_from(TROUBLE),
    st.integers(1, 4),
    st.integers(0, 5),
    st.sampled_from([None, same]),
    st.booleans(),
    st.integers(0, 99),
)
def test_a_crew_changes_no_bit(name, data, trouble, rows, workers, check, works, seed):
    """Answers come in any order, twice or never, and workers die."""
    compare(data.draw(setups(name)), rows, workers, check, works=works, seed=seed, **trouble)


@each_method
def test_a_search_that_does_jobs_itself_also_has_its_workers_do_some(name):
    """Also those whose first answer has to be checked, and that are ready while it works."""
    setup = Setup(SEARCHES[name](), 4, 40)
    foreman = compare(setup, 1, 2, check=same, works=True, queue=1)
    assert foreman.trusted == {"worker 0", "worker 1"}
    assert sum(foreman.nfe.values()) > foreman.checked == 2 * setup.cost


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("lookahead", [0, 2])
@each_method
def test_every_kernel_and_lookahead(name, kernel, lookahead):
    search = SEARCHES[name]()
    setup = Setup(search, 4, 20, kernel, lead=1, lookahead=lookahead, cost=2)
    compare(setup, 2, again=0.2, lost=0.2)


@dataclass
class Scaled:
    """A reward in units of what it scored first: it learns them from eight particles."""

    first: list = field(default_factory=list)

    def __call__(self, x0):
        reward = x0.mean(1).double()
        self.first += reward.tolist()[: 8 - len(self.first)]
        scale = torch.tensor(self.first)
        return (reward - scale.mean()) / max(float(scale.std(correction=0)), 1e-6)

    def ready(self):
        return len(self.first) == 8


@each_method
@pinned(4)
@given(st.data(), st.integers(1, 4), st.booleans(), st.integers(0, 99))
def test_a_reward_that_learns_has_learned_before_workers_score(name, data, rows, works, seed):
    drawn = data.draw(setups(name))
    setup, (reward, same_one) = replace(drawn, extra=drawn.extra + 30), (Scaled(), Scaled())
    plain = setup.run(denoiser=arithmetic, micro_batch=rows, objective=reward)
    with_it = replace(setup, fixed=setup.fixed | {"objective": same_one})
    task, foreman, _ = crewed(with_it, rows, 2, arithmetic, seed=seed, again=0.2)
    task.ready, foreman.works = same_one.ready, works
    assert_same_run(plain, setup.run(task))
    assert reward.first == same_one.first


def test_a_crew_without_workers_does_nothing_and_the_search_goes_on():
    foreman = compare(Setup(RolloverBudgetForcing(3), extra=30), 1, workers=0)
    assert foreman.engine.done == 0


@each_method
def test_a_worker_that_draws_another_image_is_refused(name):
    setup = Setup(SEARCHES[name](), 4, 20)
    foreman = compare(setup, 2, check=same, liars=["worker 1"], again=0.2)
    assert foreman.engine.refused == {"worker 1": "another image"}
    assert foreman.trusted == {"worker 0", "worker 2"}
    assert "worker 1" in foreman.nfe and foreman.checked > 0


def test_a_job_that_took_two_workers_along_is_done_here():
    """Each worker dies at its first job."""
    foreman = compare(Setup(RolloverBudgetForcing(3), extra=9), 1, 5, lost=1.0, dies=True)
    assert foreman.engine.done <= 5 and not foreman.engine.tasks
    assert max(foreman.losses.values()) <= LOSSES


def test_a_worker_with_too_little_memory_gets_no_more_jobs():
    """Each worker fails at its first job, and no error ends the search."""
    foreman = compare(Setup(RolloverBudgetForcing(3), extra=9), 1, 3, unfit=1.0, queue=1)
    assert foreman.engine.refused == {f"worker {i}": "no memory" for i in range(3)}
    assert foreman.discarded == 3 and not foreman.nfe


SLOW = Setup(SVDD(children="kernel"), 6, 30)


def test_a_straggler_is_not_waited_for():
    """Its job goes to another worker after three seconds, and its own answer never comes."""
    foreman = compare(SLOW, 1, 3, engine=Sluggish, slow={"worker 1": 3})
    assert foreman.engine.now < 30.0
    assert foreman.discarded == 1  # what it still works on
    assert foreman.nfe["worker 1"] == 3


@pytest.mark.parametrize("before", [4, 8])
def test_workers_that_all_hang_are_not_waited_for(before):
    """With 8, the second one hangs with the job of the first, which it has taken over."""
    foreman = compare(SLOW, 1, 2, engine=Sluggish, slow={"worker 0": 3, "worker 1": before})
    assert sum(foreman.nfe.values()) == 3 + before and foreman.engine.now < 6.0 + before


STOPS = {
    "interrupt": lambda now: StopRules(stop_requested=lambda: now() >= 6.0),
    "time": lambda now: StopRules(seconds=9.0),
}


@pytest.mark.parametrize("stopped", STOPS)
def test_a_stop_does_not_wait_for_workers(stopped, monkeypatch):
    """It comes while they work. What is scored by then is finished, and nothing is lost."""
    setup = replace(SLOW, finish=Finish(2, 1))
    task, foreman, counter = crewed(setup, 1, 3, arithmetic, Sluggish)
    engine = foreman.engine
    monkeypatch.setattr("pack.samplers.purse.time.perf_counter", lambda: engine.now)
    task.purse.started = 0.0
    events, outcome, _ = setup.run(task, STOPS[stopped](lambda: engine.now))
    whole, _, _ = setup.run(denoiser=arithmetic, micro_batch=1)
    assert outcome.stopped == stopped and engine.now <= 9.0 + 1.25  # the finish is one job
    kinds = [event.kind for event in events]
    assert kinds.count("finish") == 1 and kinds[-1] == "finish"
    searched = [event for event in events if event.kind != "finish"]
    assert [e.spent for e in searched] == [e.spent for e in whole[: len(searched)]]
    assert 3 < len(searched) < len([e for e in whole if e.kind != "finish"])
    foreman.close()
    engine.drain()
    assert counter.rows == task.purse.nfe + foreman.discarded


class Failing(Chaos):
    """The first `failures` jobs fail."""

    failures = 1

    def _report(self, worker, job):
        if self.done < self.failures:
            self.done += 1
            return [Report(worker, job, ValueError("no image"))]
        return super()._report(worker, job)


@pytest.mark.parametrize("failures", [1, 9])
def test_an_error_is_raised_when_it_comes_twice(failures):
    setup = Setup(RolloverBudgetForcing(3), extra=9)
    task, foreman, _ = crewed(setup, 99, 3, arithmetic)
    foreman.engine.__class__, foreman.engine.failures = Failing, failures
    if failures == 1:
        assert_same_run(setup.run(denoiser=arithmetic), setup.run(task))
    else:
        with pytest.raises(ValueError, match="no image"):
            setup.run(task)


def test_guidance_has_no_crew():
    task, _, _ = crewed(Setup(RolloverBudgetForcing(3)), 1, 1, arithmetic)
    with pytest.raises(ValueError, match="guided"):
        type(task)(task.flow, task.purse, crew=Foreman(Chaos({}), 1), steering=object())


def test_what_a_worker_cannot_finish_in_time_is_the_searchs_own():
    """A stop in the middle of an operation: what is under way is discarded."""
    task, foreman, counter = crewed(Setup(RolloverBudgetForcing(8), extra=40), 1, 2, arithmetic)

    def stop():
        if task.purse.nfe >= 12:
            raise KeyboardInterrupt

    task.on_call = stop
    with pytest.raises(KeyboardInterrupt):
        Setup(RolloverBudgetForcing(8), extra=40).run(task)
    foreman.close()
    foreman.engine.drain()
    assert task.purse.nfe == 12 and counter.rows == 12 + foreman.discarded


def seconds(search, budget, workers, steps=10):
    """(seconds, NFE, discarded NFE) of a search whose workers take a second for each job."""
    setup = Setup(search, steps)
    setup = replace(setup, extra=budget - setup.minimum)
    task, foreman, _ = crewed(setup, 1, workers, arithmetic, Punctual)
    setup.run(task)
    foreman.close()
    return foreman.engine.now, task.purse.nfe, foreman.discarded


@pytest.mark.parametrize(
    "search, budget, workers, least, most",
    [
        (RolloverBudgetForcing(25, children="kernel"), 300, 8, 6.5, 0.15),
        (RolloverBudgetForcing(25, children="kernel"), 100, 8, 6.0, 0.3),
        (RolloverBudgetForcing(25, children="redraw"), 150, 8, 6.3, 0.3),
        (RolloverBudgetForcing(10, paths=3, children="kernel"), 300, 8, 6.0, 0.25),
        (VerifierThreshold(9.0), 200, 8, 6.5, 0.0),
        (BestOfN(), 320, 16, 15.0, 0.0),
        (SearchOverPaths(), 320, 16, 12.0, 0.0),
        (SVDD(children="kernel"), 320, 16, 12.0, 0.0),
    ],
)
def test_workers_are_kept_busy(search, budget, workers, least, most):
    """How many times as fast it is at least, and the share of the NFE discarded at most."""
    took, nfe, discarded = seconds(search, budget, workers)
    assert took * workers >= nfe >= 0.9 * budget and nfe / took >= least
    assert discarded <= most * nfe


def test_an_answer_comes_soon_at_the_end_of_the_usual_time():
    now = [0.0]
    turns = Turns(lambda: now[0])
    turns.begin("first", "a", 2)
    assert not turns.soon()  # how long a job takes is not known
    now[0] = 2.0
    turns.end("first", "a", 2)
    turns.begin("second", "a", 3)
    expected = {0.0: False, 2.0: False, 2.2: True, 3.0: True, 4.2: True, 4.4: False}
    for age, soon in expected.items():
        now[0] = 2.0 + age
        assert turns.soon() is soon


def test_the_leaders_are_finished_together():
    setup = Setup(BestOfN(), 2, 100, finish=Finish(3, 4))
    one, four = (crewed(setup, 1, n, arithmetic, Punctual) for n in (1, 4))
    for task, _, _ in (one, four):
        setup.run(task)
    assert (one[1].engine.now, four[1].engine.now) == (106.0, 27.0)
    assert four[1].discarded == 0
