"""What every search owes its user: an honest ledger, repeatable results, nothing lost."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pack.samplers.diffusions import Diffusion
from pack.samplers.interpolants.linear import Linear
from pack.samplers.kernels import EulerMaruyama
from pack.samplers.ledger import BudgetExceeded, Ledger
from pack.samplers.noise import AddressedNoise
from pack.samplers.run import Finish, Outcome, StopRules, check_budget, run
from pack.samplers.search import SEARCHES
from pack.samplers.search.best_of_n import BestOfN, walk
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.types import Prices

from .world import Counter, problem

KERNEL = EulerMaruyama(Linear(), Diffusion("square", 3.0))
PRICES = Prices()
NO_FINISH, NO_RULES, OUT_OF_TIME = Finish(), StopRules(), StopRules(seconds=0.0)
SMALL = {"rbf": RolloverBudgetForcing(init_particles=3, paths=2)}
EACH = {name: SMALL.get(name) or cls() for name, cls in SEARCHES.items()}
SEEN = ("born", "propose")

each_search = pytest.mark.parametrize("search", EACH.values(), ids=EACH)
pinned = settings(max_examples=50, derandomize=True, database=None, deadline=None)

any_search = st.one_of(
    st.sampled_from(list(EACH.values())),
    st.builds(
        RolloverBudgetForcing,
        init_particles=st.integers(1, 4),
        paths=st.integers(1, 3),
        quota=st.integers(0, 3),
    ),
)


def arithmetic(x, t):
    """A denoiser of IEEE operations only: the same bits whatever rows share the call."""
    return x / (1.0 + t * t + x * x)


def times(steps):
    return [0.95 * (1.0 - i / steps) for i in range(steps)]


def searched(search, steps, total, finish=NO_FINISH, rules=NO_RULES, **settings):
    task = problem(KERNEL, times(steps), budget=total, **settings)
    outcome = Outcome()
    return list(run(search, task, finish, rules, outcome)), outcome, task


def budget(search, steps, finish=NO_FINISH, cost=1, extra=0):
    return (search.minimum(steps, PRICES) + finish.rows()) * cost + extra


def same(a, b):
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in a.__dataclass_fields__)


def assert_same_run(first, second):
    (events, outcome, _), (others, other, _) = first, second
    for a, b in zip(events, others, strict=True):
        assert (a.kind, a.spent, a.quota) == (b.kind, b.spent, b.quota)
        assert same(a.particles, b.particles)
    assert outcome.stopped == other.stopped
    assert all(same(a, b) for a, b in zip(outcome.top, other.top, strict=True))


@pinned
@given(
    any_search,
    st.integers(1, 6),
    st.integers(1, 2),
    st.builds(Finish, st.integers(0, 3), st.integers(1, 4)),
    st.integers(0, 30),
    st.integers(0, 4),
    st.sampled_from([NO_RULES, NO_RULES, *(StopRules(target=r) for r in (-9, 1.9)), OUT_OF_TIME]),
)
def test_the_books_balance(search, steps, cost, finish, extra, micro_batch, rules):
    total = budget(search, steps, finish, cost, extra)
    check_budget(search, steps, finish, total, cost, PRICES)
    counter, wholes = Counter(), isinstance(search, BestOfN)
    events, outcome, task = searched(
        search, steps, total, finish, rules, denoiser=counter, cost=cost, micro_batch=micro_batch
    )
    spent = 0
    for event in events:
        rows = {"finish": finish.steps, "born": len(event.particles)}.get(event.kind, 0)
        rows = len(event.particles) if event.kind == "propose" else rows
        rows *= steps if wholes and event.kind == "propose" else 1
        spent += rows * cost
        assert event.spent == spent <= total
    assert spent == task.ledger.nfe == counter.rows * cost
    assert task.ledger.network_calls == counter.calls

    scored = [event for event in events if event.kind in SEEN]
    finished = [event for event in events if event.kind == "finish"]
    found = sum(len(event.particles) for event in scored)
    assert scored[-1].spent <= total - finish.rows() * cost
    assert len(outcome.top) == min(finish.top_k, found)
    assert len(finished) == (len(outcome.top) if finish.steps else 0)
    assert all(int(event.particles.steps) == steps for event in finished)
    if rules is NO_RULES and steps > 1:
        unspent = total - finish.rows() * cost - scored[-1].spent
        assert unspent < cost * (steps if wholes else 1)


@each_search
def test_too_small_a_budget_is_refused_with_both_numbers(search):
    finish = Finish(3, 2)
    least = budget(search, 5, finish, cost=2)
    check_budget(search, 5, finish, least, 2, PRICES)
    with pytest.raises(ValueError, match=f"{least - 1} NFE given, wanted at least {least}.*CFG"):
        check_budget(search, 5, finish, least - 1, 2, PRICES)


@pytest.mark.parametrize("act", ["born", "propose", "finish"])
def test_overspending_raises_before_the_network_is_asked(act):
    counter = Counter()
    task = problem(KERNEL, times(4), budget=9, cost=2, denoiser=counter)
    three = task.born(3)
    ask = {
        "born": lambda: task.born(2),
        "propose": lambda: task.propose(three[[0, 1]]),
        "finish": lambda: task.finish(three[0], 2),
    }[act]
    with pytest.raises(BudgetExceeded, match="budget of 9 NFE exhausted: [68] spent, [24] asked"):
        ask()
    assert task.ledger.nfe == 2 * counter.rows <= 9


@each_search
@pytest.mark.parametrize("micro_batch", [1, 3])
def test_micro_batches_change_no_bit(search, micro_batch):
    finish = Finish(2, 2)
    ask = (search, 5, budget(search, 5, finish, extra=37), finish)
    whole = searched(*ask, denoiser=arithmetic)
    parts = searched(*ask, denoiser=arithmetic, micro_batch=micro_batch)
    assert_same_run(whole, parts)
    assert parts[2].ledger.network_calls > whole[2].ledger.network_calls


@each_search
@pytest.mark.parametrize("room", [1, 2, 3])
def test_out_of_memory_halves_the_micro_batch_and_changes_nothing(search, room):
    def cramped(x, t):
        if len(x) > room:
            raise torch.OutOfMemoryError("no room")
        return arithmetic(x, t)

    counter = Counter(arithmetic)
    ask = (search, 5, budget(search, 5, Finish(1), extra=37), Finish(1))
    whole, cut = searched(*ask, denoiser=counter), searched(*ask, denoiser=cramped)
    assert_same_run(whole, cut)
    assert cut[2].ledger.nfe == counter.rows
    assert 1 <= cut[2].batch.size <= room or counter.rows == counter.calls


def test_no_room_for_one_row_is_the_callers_to_know():
    def full(x, t):
        raise torch.OutOfMemoryError("no room")

    task = problem(KERNEL, times(3), denoiser=full)
    with pytest.raises(torch.OutOfMemoryError):
        task.born(4)
    assert task.ledger.nfe == 0


@each_search
def test_a_seed_is_a_result(search):
    total = budget(search, 5, extra=20)
    state = torch.get_rng_state()
    first = searched(search, 5, total, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(7)
    assert_same_run(first, searched(search, 5, total, seed=3))
    other = searched(search, 5, total, seed=4)
    assert not torch.equal(first[1].top[0].x, other[1].top[0].x)


def test_noise_has_an_address():
    noise = AddressedNoise(5, (2, 3))
    order = [4, 0, 9, 2]
    rows = noise(order)
    assert torch.equal(rows, torch.cat([noise([i]) for i in order]))
    assert torch.equal(rows.flip(0), noise(order[::-1]))
    pair = AddressedNoise(5, (2, 3), image=1, images=2)(range(6))
    alone = [AddressedNoise(5, (2, 3), image=1 + i) for i in range(2)]
    assert torch.equal(pair, torch.cat([alone[i % 2]([i // 2]) for i in range(6)]))
    cells = [AddressedNoise(s, (8,), image=b)([i]) for s in (0, 1) for b in (0, 1) for i in (0, 1)]
    assert len({tuple(cell.flatten().tolist()) for cell in cells}) == 8


def test_noise_is_standard_normal():
    x = AddressedNoise(1, (50,))(range(400)).flatten().double()
    n = len(x)
    assert abs(x.mean()) < 5 / math.sqrt(n)
    assert abs(x.var() - 1) < 5 * math.sqrt(2 / n)
    neighbours = (x[:-50] * x[50:]).mean()
    assert abs(neighbours) < 5 / math.sqrt(n)


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_a_search_of_width_one_is_the_plain_sampler(steps):
    task = problem(KERNEL, times(steps))
    *_, plain = walk(task, task.born(1, score=False), score=False)
    forced = RolloverBudgetForcing(init_particles=1, paths=1)
    for search in (forced, BestOfN()):
        events, _, task = searched(search, steps, steps)
        last = [event for event in events if event.kind in SEEN][-1].particles
        assert torch.equal(last.x, plain.x) and torch.equal(last.x0, plain.x0)
        assert last.ids.tolist() == plain.ids.tolist() == [steps - 1]
        assert task.ledger.nfe == steps


@each_search
def test_the_best_is_never_lost(search):
    task = problem(KERNEL, times(6), budget=budget(search, 6, extra=40))
    outcome, rows = Outcome(), []
    for event in run(search, task, Finish(0, 3), NO_RULES, outcome):
        if event.kind in SEEN:
            p = event.particles
            rows += zip((-p.reward).tolist(), (-p.steps).tolist(), p.ids.tolist(), strict=True)
        assert [int(p.ids) for p in outcome.top] == [row[2] for row in sorted(rows)[:3]]


@each_search
def test_closing_early_leaves_the_best_so_far(search):
    total = budget(search, 5, extra=9)
    whole, _, _ = searched(search, 5, total)
    for stop in sorted({1, 2, 5, len(whole) // 2, len(whole)} & set(range(1, len(whole) + 1))):
        task, outcome = problem(KERNEL, times(5), budget=total), Outcome()
        events = run(search, task, Finish(0, 2), NO_RULES, outcome)
        seen = [next(events) for _ in range(stop)]
        events.close()
        best = max(float(e.particles.reward.max()) for e in seen if e.kind in SEEN)
        assert float(outcome.top[0].reward) == best
        assert task.ledger.nfe == seen[-1].spent


@each_search
def test_an_interrupted_network_call_leaves_the_best_so_far(search):
    class Interrupt(Exception):
        pass

    def interrupt():
        if task.ledger.network_calls == 12:
            raise Interrupt

    outcome, total = Outcome(), budget(search, 5, extra=30)
    task = problem(KERNEL, times(5), budget=total, micro_batch=1, after_call=interrupt)
    seen = []
    with pytest.raises(Interrupt):
        for event in run(search, task, NO_FINISH, NO_RULES, outcome):
            seen += event.particles.reward.tolist()
    assert [float(p.reward) for p in outcome.top] == ([max(seen)] if seen else [])
    assert task.ledger.nfe == 12


@each_search
@pytest.mark.parametrize(
    "rules, stopped",
    [
        (NO_RULES, "budget"),
        (StopRules(target=-9.0), "target"),
        (StopRules(target=99.0, seconds=1e9), "budget"),
        (OUT_OF_TIME, "time"),
    ],
)
def test_why_a_search_stopped(search, rules, stopped):
    _, outcome, _ = searched(search, 5, budget(search, 5, extra=20), rules=rules)
    assert outcome.stopped == stopped


def test_the_finish_is_judged_by_the_final_objective_and_ranks_the_result():
    total = budget(SMALL["rbf"], 5, Finish(0, 4), extra=20)
    events, outcome, task = searched(
        SMALL["rbf"], 5, total, Finish(0, 4), final_objective=lambda x0: -x0.mean(1)
    )
    finished = [event.particles for event in events if event.kind == "finish"]
    assert len(finished) == 4 and task.ledger.nfe == total
    assert all(float(p.reward) == pytest.approx(-float(p.x0.mean())) for p in finished)
    rewards = [float(p.reward) for p in outcome.top]
    assert rewards == sorted((float(p.reward) for p in finished), reverse=True)


def test_a_ledger_without_end_is_never_spent():
    ledger = Ledger()
    ledger.charge(10**9, 1)
    ledger.require(10**9)
    assert ledger.left == math.inf


def test_the_finish_is_euler_on_even_times_down_to_zero():
    asked = []

    def denoise(x, t):
        asked.append(t)
        return arithmetic(x, t)

    task = problem(KERNEL, times(4), denoiser=denoise)
    particle = task.propose(task.born(1))
    t, x, x0 = times(4)[1], particle.x, particle.x0
    last = task.finish(particle, 3)
    assert asked[2:] == pytest.approx([t * 0.75, t * 0.5, t * 0.25])
    for s in asked[2:]:
        x, t = x + (s - t) * (x - x0) / t, s
        x0 = arithmetic(x, t)
    torch.testing.assert_close(last.x0, x0)
    assert torch.equal(last.x, last.x0) and int(last.parents) == int(particle.ids)
