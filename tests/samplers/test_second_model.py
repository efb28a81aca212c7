"""A second model that looks ahead or finishes: what it costs, and what it changes."""

import pytest
import torch
from hypothesis import given
from pack.samplers.automatic import settle
from pack.samplers.lineage import entries
from pack.samplers.lookahead import AUTOMATIC, LOOK, SECOND
from pack.samplers.replay import Replay
from pack.samplers.rules import Finish
from pack.samplers.search import SEARCHES
from pack.samplers.search.auto import Auto
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.search.svdd import SVDD

from .setups import EACH, Setup, arithmetic, pinned, same, setups
from .test_lookahead import blurred, sharp
from .world import Counter, denoise

EVERY = pytest.mark.parametrize("name", SEARCHES)


def second(x, t):
    """Another model, of IEEE operations only."""
    return 0.5 * x / (1.0 + t + x * x)


def crowded(model):
    """It tells how many went together, and which was which, in its answer."""

    def answer(x, t):
        return model(x, t) + 0.01 * len(x) + 0.001 * torch.arange(len(x))[:, None]

    return answer


@pytest.mark.parametrize("kernel", ["euler_maruyama", "eta", "ode"])
def test_the_same_model_again_gives_the_same_bits(kernel):
    """It evaluates the particle's own time once more, so that a look of 3 is one of 2."""
    plain = Setup(SVDD(), kernel=kernel, lookahead=2).task(denoiser=arithmetic, budget=99)
    again = Setup(SVDD(), kernel=kernel, lookahead=3).task(denoiser=arithmetic, budget=99)
    again.change(look_denoiser=arithmetic)
    one, two = plain.born(3), again.born(3)
    assert same(one, two)
    assert same(plain.propose(one), again.propose(two))


@pytest.mark.parametrize("end", [0.0, 0.2])
@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_a_finish_by_the_same_model_gives_the_same_bits(nodes, end):
    task = Setup(SVDD()).task(denoiser=arithmetic, budget=99)
    task.change(times=[0.9, 0.7, 0.5], end=end)
    particle = task.born(1)
    plain = task.finish(particle, nodes)
    task.change(finish_denoiser=arithmetic)
    by_second = task.finish(particle, nodes + 1)
    assert torch.equal(plain.x, by_second.x) and torch.equal(plain.clean, by_second.clean)


@EVERY
def test_each_model_is_paid(name):
    """The purse knows how many rows each network saw, and holds the budget."""

    @pinned(20)
    @given(setups(name))
    def check(setup):
        first, look, finish = counters = [Counter(f) for f in (denoise, second, arithmetic)]
        task = setup.task(denoiser=first)
        task.change(denoiser=first, look_denoiser=look, finish_denoiser=finish)
        setup.run(task)
        names = ("model", "lookahead_model", "finish_model")
        assert [task.purse.by_model[n] for n in names] == [setup.cost * c.rows for c in counters]
        assert sum(task.purse.by_model.values()) == task.purse.nfe <= setup.total
        assert task.purse.network_calls == sum(c.calls for c in counters)
        assert not setup.lookahead or look.rows

    check()


@EVERY
def test_a_second_model_alone_scores(name):
    """What the first model predicts decides where a particle goes, not what it is worth."""
    setup = Setup(EACH[name], extra=30, lookahead=1)
    task = setup.task(denoiser=denoise)
    task.change(look_denoiser=lambda x, t: torch.full_like(x, 7.0))
    events, outcome, _ = setup.run(task)
    scored = [e.particles for e in events if e.kind in ("born", "propose")]
    assert all((particles.clean == 7.0).all() for particles in scored)
    assert not any((particles.x0 == 7.0).any() for particles in scored)
    assert (outcome.top[0].clean == 7.0).all()


@pytest.mark.parametrize(
    ("look", "finish", "left"),
    [
        (None, None, 0),
        (blurred, None, 0),
        (blurred, blurred, 0),
        (None, second, 2),
        (blurred, second, 2),
    ],
)
def test_a_lookahead_replaces_the_finish_unless_another_model_is_there_for_it(look, finish, left):
    setup = Setup(SVDD(), extra=200, finish=Finish(2))
    task = setup.task(lookahead=AUTOMATIC, denoiser=lambda x, t: blurred(x, t))
    task.change(look_denoiser=look, finish_denoiser=finish)
    events, outcome, _ = setup.run(task)
    assert outcome.lookahead == LOOK
    assert any(e.kind == "finish" for e in events) == bool(left)
    assert Finish(2).after(LOOK, apart=task.flow.finishes_apart).steps == left


@pytest.mark.parametrize(("model", "ahead"), [(sharp, SECOND), (blurred, LOOK)])
@pytest.mark.parametrize("own", [sharp, blurred])
def test_the_look_is_at_the_second_model(model, ahead, own):
    """A sharp one shows the image at once. What the first model is does not matter."""
    first, look = Counter(own), Counter(model)
    setup = Setup(SVDD(), steps=6, extra=200)
    task = setup.task(denoiser=first, lookahead=AUTOMATIC)
    task.change(look_denoiser=look)
    events, outcome, _ = setup.run(task)
    assert outcome.lookahead == ahead
    assert events[0].spent == 1 + LOOK + (1 + ahead) * len(events[0].particles)
    assert look.rows == 1 + LOOK + ahead * first.rows


def test_a_budget_too_small_for_the_look_takes_it_for_sharp():
    setup = Setup(SVDD(), steps=6, lookahead=SECOND)
    for missing, expected in ((0, SECOND), (1, 0)):
        look = Counter(blurred)
        task = setup.task(lookahead=AUTOMATIC, budget=setup.total - missing)
        task.change(look_denoiser=look)
        _, outcome, _ = setup.run(task)
        assert outcome.lookahead == expected and outcome.top
        assert bool(look.rows) == bool(expected)


def test_a_late_choice_leaves_it_out():
    look, setup = Counter(second), Setup(BestOfN(), steps=6, extra=60)
    task = setup.task(lookahead=AUTOMATIC)
    task.change(look_denoiser=look)
    _, outcome, _ = setup.run(task)
    assert outcome.lookahead == 0 and outcome.top and not look.rows


@pytest.mark.parametrize(
    ("model", "chosen"),
    [
        (sharp, {"method": "rbf", "children": "kernel", "init_particles": 5, "lookahead": SECOND}),
        (blurred, {"method": "regional_paths", "ode_steps": 3, "lookahead": 0}),
    ],
)
def test_auto_looks_at_it(model, chosen):
    setup = Setup(Auto(), steps=6)
    task = setup.task(lookahead=AUTOMATIC, budget=60, denoiser=blurred)
    task.change(look_denoiser=model)
    settled = settle(setup.search, task, Finish(1))
    why = settled.chosen.pop("why")
    assert settled.chosen == chosen
    found = "sharp" if model is sharp else "blurred"
    bought = "and the budget buys 10 evaluations a step. So the method is "
    assert why.startswith(f"The first prediction of lookahead_model is {found}, {bought}")
    ends = {
        sharp: "1 plain step sharpens each particle.",
        blurred: "particles are scored as they are.",
    }
    assert why.endswith(f" and {ends[model]}")


@EVERY
def test_the_winner_comes_again(name):
    @pinned(20)
    @given(setups(name))
    def check(setup):
        models = {
            "denoiser": crowded(arithmetic),
            "look_denoiser": crowded(second),
            "finish_denoiser": crowded(denoise),
        }
        task = setup.task()
        task.change(**models)
        _, outcome, _ = setup.run(task)
        best = outcome.top[0]
        lineage = entries(task.book.lineage(int(best.ids)))
        looked = setup.task()
        looked.change(**models)
        ode_steps = settle(setup.search, looked, setup.finish).chosen.get("ode_steps")
        ahead = setup.lookahead
        replay = Replay.of(lineage, int(best.paths), lookahead=ahead, ode_steps=ode_steps)
        again = Setup(**vars(setup) | {"search": replay, "finish": Finish(replay.nodes)})
        repeated = again.task()
        repeated.change(**models)
        _, found, _ = again.run(repeated)
        for column in ("x", "x0", "clean", "reward"):
            assert torch.equal(getattr(best, column), getattr(found.top[0], column)), column

    check()
