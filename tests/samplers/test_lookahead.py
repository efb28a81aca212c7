"""The automatic lookahead: one look at the model, charged, and then the search that was decided."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.lookahead import AUTOMATIC, LOOK, SHARP, blur
from pack.samplers.run import Finish
from pack.samplers.search import SEARCHES

from .setups import Setup, assert_same_run, pinned, same, setups
from .world import denoise

EARLY = [name for name, search in SEARCHES.items() if search.ranks_early]


def sharp(x, t):
    """A model whose first prediction is nearly where its ODE ends."""
    return torch.arange(x.shape[1]) + 0.01 * x


def blurred(x, t):
    """A model whose first prediction is nearly nothing."""
    return (1.0 - t) * (3.0 * torch.sign(x) + x)


def automatic(setup, **settings):
    """(events, outcome, problem) of the setup's run with an automatic lookahead."""
    task = setup.problem(**settings)
    task.lookahead = AUTOMATIC
    return setup.run(task)


def afterwards(setup, spent, **settings):
    """The same run told its lookahead, when one particle and `spent` NFE are gone."""
    task = setup.problem(**settings)
    task._next_id, task.ledger.nfe = 1, spent
    return setup.run(task)


def with_look(setup, lookahead):
    """The setup with a budget for the look, told the `lookahead`."""
    needed = Setup(**vars(setup) | {"lookahead": LOOK})
    look = needed.prices.born + setup.finish.rows()  # the finish is only given up afterwards
    total = (needed.minimum + look) * setup.cost + setup.extra
    finish = setup.finish.after(lookahead)
    told = Setup(**vars(setup) | {"lookahead": lookahead, "finish": finish})
    return Setup(**vars(told) | {"extra": total - told.least}), needed.prices.born * setup.cost


@pytest.mark.parametrize("name", EARLY)
@pytest.mark.parametrize("model, ahead", [(blurred, LOOK), (sharp, 0)])
def test_after_the_look_it_is_the_search_with_what_was_decided(name, model, ahead):
    @pinned(40)
    @given(setups(name, lookahead=0, fixed={"shape": (4,)}))
    def check(setup):
        told, look = with_look(setup, ahead)
        asked = Setup(**vars(told) | {"finish": setup.finish})
        events, _, task = automatic(asked, budget=told.total, denoiser=model)
        first, *others = events
        assert task.lookahead == ahead
        assert first.kind == "born" and first.particles.ids.tolist() == [0]
        assert first.spent == look
        wanted = [
            e.particles for e in afterwards(told, look, denoiser=model)[0] if e.kind != "finish"
        ]
        ran = [e.particles for e in others if e.kind != "finish"]  # whose choice includes the first
        assert all(same(a, b) for a, b in zip(ran, wanted, strict=True))
        assert task.ledger.nfe <= told.total

    check()


@pytest.mark.parametrize("name", SEARCHES)
def test_without_the_budget_or_the_use_nothing_is_spent_on_it(name):
    @pinned(40)
    @given(setups(name, lookahead=0), st.booleans())
    def check(setup, rich):
        rich = rich and name not in EARLY
        budget = setup.least + (200 if rich else setup.extra)
        if not rich and budget >= with_look(setup, LOOK)[0].total - setup.extra:
            budget = setup.least
        ran = automatic(setup, budget=budget)
        assert ran[2].lookahead == 0
        assert_same_run(ran, setup.run(budget=budget))

    check()


def test_the_first_particle_is_a_candidate():
    setup = Setup(SEARCHES["rbf"](init_particles=1), 2, 200, finish=Finish(2))
    first = automatic(setup)[0][0].particles.clean

    def like_it(x0):
        return -(x0 - first).abs().sum(1)

    _, outcome, _ = automatic(setup, objective=like_it)
    assert int(outcome.top[0].ids) == 0


def test_what_is_not_finite_is_no_blur():
    def broken(x, t):
        return torch.where(torch.arange(len(x))[:, None] == 0, torch.nan, denoise(x, t))

    setup = Setup(SEARCHES["svdd"](), 3, 200)
    events, outcome, task = automatic(setup, denoiser=broken)
    assert task.lookahead == 0 and task.failed[0] == "network"
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
    first = Setup(SEARCHES["svdd"](), 3, 200, lookahead=LOOK).problem().born(1)
    assert blur(first.x0, first.clean) > SHARP
