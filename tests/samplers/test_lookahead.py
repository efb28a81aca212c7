"""The automatic lookahead: one look at the model, charged, and then the search that was decided."""

import pytest
import torch
from hypothesis import assume, given
from pack.samplers.interpolants.vp import VP
from pack.samplers.lineage import entries
from pack.samplers.lookahead import AUTOMATIC, CLEAR, LOOK, SHARP, blur
from pack.samplers.noise import AddressedNoise
from pack.samplers.replay import Replay
from pack.samplers.rules import Finish
from pack.samplers.schedules import model_times
from pack.samplers.search import SEARCHES
from pack.samplers.search.auto import Auto
from pack.samplers.search.regional_paths import RegionalPaths
from pack.samplers.search.rounds import first_choice as first_choice_of
from pack.samplers.search.sop import SearchOverPaths

from .setups import EACH, METHODS, Setup, assert_same_run, pinned, same, setups
from .world import denoise

EARLY = [name for name in METHODS if first_choice_of(SEARCHES[name](), 6) < 2]


def first_choice(setup):
    return first_choice_of(setup.search, setup.steps)


def looks(setup):
    """Whether it chooses between particles that may be blurred."""
    return first_choice(setup) == 0 or setup.task().times[first_choice(setup)] >= CLEAR


def sharp(x, t):
    """A model whose first prediction is nearly where its ODE ends."""
    return torch.arange(x.shape[1]) + 0.01 * x


def blurred(x, t):
    """A model whose first prediction is nearly nothing."""
    return (1.0 - t) * (3.0 * torch.sign(x) + x)


def crowded(x, t):
    """A blurred model that tells how many went together, and which was which, in its answer."""
    return blurred(x, t) + 0.01 * len(x) + 0.001 * torch.arange(len(x))[:, None]


def automatic(setup, **settings):
    """(events, outcome, problem) of the setup's run with an automatic lookahead."""
    return setup.run(setup.task(**settings | {"lookahead": AUTOMATIC}))


def with_look(setup, ahead):
    """The setup told its lookahead, and what an automatic one spends on the look for nothing.

    The look is at the first particle. If that is scored at once, it needs all that was looked at,
    but for a sharp prediction, which is scored as it is.
    """
    needed = Setup(**vars(setup) | {"lookahead": LOOK})
    at_once = first_choice(setup) == 0
    total = needed.least + (0 if at_once else LOOK) * setup.cost + setup.extra
    told = Setup(**vars(setup) | {"lookahead": ahead, "finish": setup.finish.after(ahead)})
    vain = 0 if at_once and ahead == LOOK else LOOK
    return Setup(**vars(told) | {"extra": total - told.least}), vain * setup.cost


@pytest.mark.parametrize("name", EARLY)
@pytest.mark.parametrize("model, ahead", [(blurred, LOOK), (sharp, 0)])
def test_it_is_the_search_that_was_decided(name, model, ahead):
    """Bit for bit, the look apart."""

    @pinned(20)
    @given(setups(name, lookahead=0, fixed={"shape": (4,)}))
    def check(setup):
        assume(looks(setup))
        told, vain = with_look(setup, ahead)
        asked = Setup(**vars(told) | {"finish": setup.finish})
        events, outcome, task = automatic(asked, budget=told.total, denoiser=model)
        assert outcome.lookahead == ahead
        wanted, found, other = told.run(budget=told.total - vain, denoiser=model)
        for a, b in zip(events, wanted, strict=True):
            assert (a.kind, a.spent, a.quota) == (b.kind, b.spent + vain, b.quota)
            assert same(a.particles, b.particles)
        assert all(same(a, b) for a, b in zip(outcome.top, found.top, strict=True))
        assert task.purse.nfe == other.purse.nfe + vain <= told.total

    check()


@pytest.mark.parametrize("name", METHODS)
def test_without_the_budget_or_the_use_nothing_is_spent_on_it(name):
    """One NFE less than carries it, or as much as there may be."""

    @pinned(20)
    @given(setups(name, lookahead=0))
    def check(setup):
        carries = with_look(setup, LOOK)[0].total - setup.extra
        budget = carries - 1 if looks(setup) else carries + setup.extra
        ran = automatic(setup, budget=budget, denoiser=blurred)
        assert ran[1].lookahead == 0
        assert_same_run(ran, setup.run(budget=budget, denoiser=blurred))

    check()


def test_the_look_of_auto_is_the_first_path_of_its_search():
    """In the usual ten steps. So it costs nothing."""
    fixed = {"shape": (4,), "denoiser": blurred, "budget": 60}
    asked = Setup(Auto(), 10, micro_batch=1, fixed=fixed | {"lookahead": AUTOMATIC})
    ours = asked.task()
    ours.change(times=model_times(10, "exp", VP())[:-1])
    told = Setup(RegionalPaths(), 5, micro_batch=1, fixed=fixed)
    theirs = told.task()
    theirs.change(times=ours.flow.coarser(5).times, start=ours.flow.start)
    assert_same_run(asked.run(ours), told.run(theirs))
    assert ours.purse.network_calls == theirs.purse.network_calls == ours.purse.nfe


@pytest.mark.parametrize(("steps", "ahead"), [(6, 0), (12, LOOK)])
def test_a_late_choice_needs_no_look(steps, ahead):
    """Search over paths first chooses at the third time: t = 0.63 of 6, 0.79 of 12."""
    setup = Setup(SearchOverPaths(forward=1, backward=2), steps, extra=200)
    assert looks(setup) == bool(ahead)
    _, outcome, task = automatic(setup, denoiser=blurred)
    assert outcome.lookahead == ahead and outcome.top


@pytest.mark.parametrize("name", EARLY)
def test_a_model_that_turns_out_dear_is_not_looked_ahead_with(name):
    """It charges three times what was foreseen from the second call on."""

    def charging(x, t):
        task.purse.charge(len(x) * (3 if task.purse.network_calls else 1), 1)
        return blurred(x, t)

    setup = Setup(EACH[name], 6)
    told, _ = with_look(setup, LOOK)
    task = setup.task(budget=told.total, denoiser=charging, counts_itself=True, lookahead=AUTOMATIC)
    _, outcome, _ = setup.run(task)
    assert outcome.lookahead == 0 and outcome.top


@pytest.mark.parametrize("name", EARLY)
def test_the_winner_comes_again(name):
    """What was looked at went through the network alone."""
    setup = Setup(EACH[name], 6, extra=200, finish=Finish(2))
    events, outcome, task = automatic(setup, denoiser=crowded)
    assert outcome.lookahead == LOOK
    born = [e.particles for e in events if e.kind == "born"]
    for particle in (outcome.top[0], *(p[i] for p in born for i in range(len(p)))):
        lineage = entries(task.book.lineage(int(particle.ids)))
        replay = Replay.of(lineage, int(particle.paths), lookahead=outcome.lookahead)
        again = Setup(replay, 6, lookahead=replay.lookahead, finish=Finish(replay.nodes))
        assert torch.equal(again.run(denoiser=crowded)[1].top[0].clean, particle.clean)


def test_what_is_not_finite_is_no_blur():
    first = 0.95 * AddressedNoise(0, (3,))([0])

    def broken(x, t):
        return torch.where((x == first).all(1, keepdim=True), torch.nan, denoise(x, t))

    setup = Setup(SEARCHES["svdd"](), 3, 200)
    events, outcome, task = automatic(setup, denoiser=broken)
    assert outcome.lookahead == 0 and task.failed == {0: "network"}
    assert outcome.top


def test_blur_is_the_share_of_the_variance_that_is_missed():
    x0, end = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(3)).double()
    missed = sum((a - b) ** 2 for a, b in zip(x0.flatten(), end.flatten(), strict=True)) / 35
    spread = sum((b - end.mean()) ** 2 for b in end.flatten()) / 34
    assert blur(x0, end) == pytest.approx(float(missed / spread), rel=1e-5)


def test_what_a_mask_keeps_does_not_count():
    x0, end = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(4))
    kept = torch.full((60, 7), 9.0)
    assert blur(torch.cat([kept, x0]), torch.cat([kept, end])) == pytest.approx(blur(x0, end))
    assert blur(x0, x0) == 0.0


def test_a_mixture_of_two_modes_is_blurred_at_first():
    first = Setup(SEARCHES["svdd"](), 3, 200, lookahead=LOOK).task().born(1)
    assert blur(first.x0, first.clean) > SHARP
