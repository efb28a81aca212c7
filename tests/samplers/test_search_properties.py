"""What every search owes its user: an honest ledger, a result that is its seed's."""

import math
import re
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.purse import BudgetExceeded, Purse
from pack.samplers.replay import Replay
from pack.samplers.run import check_budget
from pack.samplers.search import SEARCHES
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.search.code import CoDe
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.regional import Regional
from pack.samplers.search.regional_paths import RegionalPaths
from pack.samplers.search.smc import SMC
from pack.samplers.search.sop import SearchOverPaths
from pack.samplers.search.svdd import SVDD
from pack.samplers.search.threshold import VerifierThreshold
from pack.samplers.search.zero_order import ZeroOrder

from .setups import METHODS, SCORED, Setup, assert_same_run, check_finishes, pinned, setups
from .world import Counter, denoise

each_method = pytest.mark.parametrize("name", SEARCHES)


def walk(price, steps):
    """Rows of a whole trajectory over `steps` times, scored at its end."""
    return price.birth + (steps - 1) * (price.child + price.gradient) + price.score


def cheapest(setup):
    """Rows of the least that the search could still have bought: a particle, or on each path one
    more child in some round. More than that must not stay unspent."""
    price, search, steps = setup.prices, setup.search, setup.steps
    match search:
        case RolloverBudgetForcing():
            return price.step if steps > 1 else price.born
        case VerifierThreshold():
            return price.step if steps > 1 else price.born
        case BestOfN() | ZeroOrder():
            return walk(price, steps)
        case RegionalPaths() if steps > 1:
            up = min(search.forward or round(0.75 * (steps - 1)), steps - 1)
            return 1 + up + price.score
        case Regional():
            return price.birth + steps - 1 + price.score
        case SMC():
            return price.born + (steps - 1) * price.step
        case SVDD():
            return search.paths * (min(price.born, price.step) if steps > 1 else price.born)
        case CoDe():
            sizes = [min(search.block, steps - at) for at in range(0, steps, search.block)]
            later = [n * price.child + price.score for n in sizes[1:]]
            return search.paths * min([walk(price, sizes[0]), *later])
        case SearchOverPaths():
            at = min(search.backward, steps - 1)
            rounds = [price.birth + at + price.score]
            while at < steps - 1:
                top, at = at - search.forward, min(at - search.forward + search.backward, steps - 1)
                rounds.append(1 + at - top + price.score)
            return search.paths * min(rounds)
    return math.inf


@pytest.mark.parametrize("name", METHODS)
@pinned(25)
@given(st.data())
def test_the_books_balance(name, data):
    setup = data.draw(setups(name))
    counter, calls, scored = Counter(), [], []

    def on_call():
        calls.append((task.purse.reserved, task.purse.nfe))

    def objective(x0):
        scored.extend(x0)
        return x0.mean(1)

    check_budget(setup.minimum, setup.steps, setup.finish, setup.total, setup.cost, setup.prices)
    task = setup.task(denoiser=counter, objective=objective, on_call=on_call)
    events, outcome, _ = setup.run(task)
    spent = [event.spent for event in events]
    assert spent == sorted(spent) and all(nfe <= setup.total for nfe in spent)
    assert spent[-1] == task.purse.nfe == counter.rows * setup.cost
    assert task.purse.network_calls == counter.calls == len(calls)

    searched = [event for event in events if event.kind != "finish"]
    finished = [event.particles for event in events if event.kind == "finish"]
    for reserve, nfe in calls:
        assert nfe <= setup.total - reserve * setup.cost
        assert reserve == (setup.finish.rows() if nfe <= searched[-1].spent else 0)
    check_finishes(setup, events, outcome, task)
    assert all(int(p.steps) == setup.steps for p in finished)
    assert spent[-1] - searched[-1].spent == len(finished) * setup.finish.steps * setup.cost
    done = searched[-1].kind == "done"
    assert outcome.stopped == ("done" if done else "budget")
    free = (setup.total - setup.finish.rows() * setup.cost - searched[-1].spent) // setup.cost
    assert done or 0 <= free < cheapest(setup)

    # The objective saw each particle of the events once, and no other.
    found = [event.particles for event in events if event.kind in (*SCORED, "finish")]
    assert torch.equal(torch.stack(scored), torch.cat([p.clean for p in found]))
    ids = torch.cat([p.ids for p in found]).tolist()
    assert len(ids) == len(set(ids))
    assert len(outcome.top) == min(setup.finish.top_k, len(ids) - len(finished))


@pytest.mark.parametrize("name", METHODS)
@pinned(20)
@given(st.data())
def test_the_minimum_reaches_the_last_step_and_one_less_is_refused(name, data):
    setup = data.draw(setups(name, extra=0, micro_batch=0))
    ask = setup.minimum, setup.steps, setup.finish
    check_budget(*ask, setup.least, setup.cost, setup.prices)
    said = (
        rf"budget is too small: got {setup.least - 1} NFE, expected at least {setup.least}\. "
        rf"Searching {setup.steps} steps.* takes {setup.minimum} evaluations\."
    )
    with pytest.raises(ValueError, match=said) as refused:
        check_budget(*ask, setup.least - 1, setup.cost, setup.prices)
    assert ("(CFG)" in str(refused.value)) == (setup.cost > 1)
    assert ("lookahead of" in str(refused.value)) == (setup.lookahead > 0)

    events, _, _ = setup.run()
    found = [event.particles for event in events if event.kind in SCORED]
    paths = setup.search.paths
    reached = {p for rows in found for p in rows.paths[rows.steps == setup.steps - 1].tolist()}
    assert reached == set(range(paths))
    exact = not isinstance(setup.search, (RolloverBudgetForcing, VerifierThreshold))
    spent = max(event.spent for event in events if event.kind != "finish")
    assert spent == setup.minimum * setup.cost if exact else spent <= setup.minimum * setup.cost


@pytest.mark.parametrize("paths, quota, chunk, extra", [(4, 0, 8, 48), (4, 3, 4, 0)])
def test_chunks_leave_every_path_its_last_step(paths, quota, chunk, extra):
    """`minimum` counts the quota of every path for every step, so all of them should come there."""
    search = RolloverBudgetForcing(4, paths, quota, chunk)
    for seed in range(20):
        events, _, _ = Setup(search, 10, extra, seed=seed).run()
        found = [event.particles for event in events if event.kind in SCORED]
        assert {p for rows in found for p in rows.paths[rows.steps == 9].tolist()} == {
            *range(paths)
        }


@pytest.mark.parametrize("act", ["born", "propose", "renoise", "finish"])
def test_overspending_raises_before_the_network_is_asked(act):
    counter = Counter()
    task = Setup(BestOfN(), 4, cost=2, micro_batch=1).task(budget=9, denoiser=counter)
    three, before = task.born(3), counter.rows
    ask = {
        "born": lambda: task.born(2),
        "propose": lambda: task.propose(three[[0, 1]]),
        "renoise": lambda: task.renoise(three[[0, 1]], 0),
        "finish": lambda: task.finish(three[0], 2),
    }[act]
    with pytest.raises(
        BudgetExceeded,
        match=r"budget of 9 NFE is exhausted: got a request for [24], .* \([68] spent",
    ):
        ask()
    assert task.purse.nfe == 2 * counter.rows <= 9
    assert counter.rows == before or act == "finish"  # which is paid from its reserve, row by row


@pytest.mark.parametrize("lead, kernel, ahead", [(2, "eta", 0), (0, "glass", 0), (0, "eta", 3)])
def test_what_a_particle_needs_is_asked_for_at_once(lead, kernel, ahead):
    """Not one row goes to the network for a particle that cannot be paid to its score."""
    setup = Setup(BestOfN(), 4, kernel=kernel, lead=lead, lookahead=ahead)
    price, counter = setup.prices, Counter()
    task = setup.task(budget=2 * price.born + 2 * price.step - 1, denoiser=counter)
    with pytest.raises(BudgetExceeded):
        task.born(task.purse.total // price.born + 1)
    assert counter.rows == 0
    parents = task.born(2)
    with pytest.raises(BudgetExceeded):
        task.propose(parents)
    assert counter.rows == 2 * price.born == task.purse.nfe
    task.propose(parents[0])
    assert counter.rows == 2 * price.born + price.step


@each_method
@pinned(10)
@given(st.data())
def test_a_seed_is_a_result(name, data):
    setup = data.draw(setups(name))
    state = torch.get_rng_state()
    first = setup.run(seed=3)
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(7)
    assert_same_run(first, setup.run(seed=3))
    other = setup.run(seed=4)
    assert not torch.equal(first[1].top[0].x, other[1].top[0].x)


@each_method
@pinned(10)
@given(st.data())
def test_no_two_particles_start_alike(name, data):
    setup, births = data.draw(setups(name)), []

    def spy(x, t):
        if t == first:
            births.extend(map(tuple, x.tolist()))
        return denoise(x, t)

    task = setup.task(denoiser=spy)
    first = task.flow.lead[0] if setup.lead else task.times[0]
    if setup.kernel.endswith("glass") and not setup.lead:
        plain = Setup(BestOfN()).task().flow.kernel
        task.change(kernel=plain)  # the other asks its parents' latents again
    setup.run(task)
    assert len(births) == len(set(births)) > 0


@pytest.mark.parametrize("page", ["FlowSearchParticles.md", "FlowSearchParticles/zh.md"])
def test_the_help_has_a_row_for_every_method(page):
    """In English it begins with the method's description, which is one sentence."""
    text = (Path(__file__).resolve().parents[2] / "web" / "docs" / page).read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE))
    assert list(rows) == list(SEARCHES)
    for name, search in SEARCHES.items():
        assert search.description.endswith(".") and len(search.description.split()) <= 20
        assert rows[name].startswith(search.description) or page.endswith("zh.md"), name


def test_a_ledger_without_end_is_never_spent():
    purse = Purse()
    purse.charge(10**9, 1)
    purse.require(10**9)
    assert purse.left == math.inf


@pytest.mark.parametrize(
    "method, settings, said",
    [
        (SMC, {"temperature": 0.0}, "out of range: got 0.0, expected a finite number"),
        (SMC, {"temperature": math.inf}, "out of range: got inf, expected a finite number"),
        (SMC, {"ess_threshold": 1.1}, "ess_threshold is out of range: got 1.1, expected 0 to 1"),
        (SMC, {"tempering": "steep"}, "tempering .* got 'steep', expected one of none, linear"),
        (SMC, {"resampling": "lots"}, "resampling .* got 'lots', expected one of multinomial, "),
        (SVDD, {"paths": 0}, "paths is too small: got 0, expected at least 1"),
        (SVDD, {"alpha": -1.0}, "alpha is too small: got -1.0, expected at least 0.0"),
        (SVDD, {"alpha": math.nan}, "alpha is too small: got nan, expected at least 0.0"),
        (SVDD, {"alpha": math.inf}, "alpha is not finite: got inf, expected a finite"),
        (CoDe, {"block": 0}, "block is too small: got 0, expected at least 1"),
        (CoDe, {"paths": 0}, "paths is too small: got 0, expected at least 1"),
        (SearchOverPaths, {"paths": 0}, "paths is too small: got 0, expected at least 1"),
        (SearchOverPaths, {"forward": 0}, "forward is too small: got 0, expected at least 1"),
        (SearchOverPaths, {"forward": 6}, "backward .* got 6, expected more than forward .6"),
        (VerifierThreshold, {"threshold": math.nan}, "threshold .* got nan, expected a finite"),
        (ZeroOrder, {"neighbours": 0}, "neighbours is too small: got 0, expected at least 1"),
        (ZeroOrder, {"starts": -1}, "starts is too small: got -1, expected at least 0"),
        (ZeroOrder, {"radius": 0.0}, "radius .* got 0.0, expected above 0 and at most 1"),
        (ZeroOrder, {"radius": 1.01}, "radius .* got 1.01, expected above 0 and at most 1"),
        (Regional, {"starts": -1}, "starts is too small: got -1, expected at least 0"),
        (Regional, {"at_once": 0}, "at_once is too small: got 0, expected at least 1"),
        (Regional, {"patience": -1}, "patience is too small: got -1, expected at least 0"),
        (Regional, {"smallest": 0.9}, "got smallest 0.9 and largest 0.75, expected 0 < smallest"),
        (Regional, {"largest": 1.1}, "got smallest 0.25 and largest 1.1"),
        (RegionalPaths, {"forward": -1}, "forward is too small: got -1, expected at least 0"),
    ],
)
def test_settings_out_of_range_are_named(method, settings, said):
    with pytest.raises(ValueError, match=said):
        method(**settings)


def test_what_methods_say_of_themselves():
    """What nodes and tests ask a search, in place of its class."""
    methods = [*SEARCHES.values(), Replay]
    by_ode = [SearchOverPaths, Regional, RegionalPaths]
    assert [m for m in methods if not m.guided] == by_ode
    assert [m for m in methods if m.needs_noise] == [SMC]
    assert [m for m in methods if m.is_replay] == [Replay]
