"""The plain sampler's image, to compare a search with: the first start by the ODE, paid."""

import pytest
import torch
from pack.samplers.interpolants.linear import Linear
from pack.samplers.kernels.eta import Eta
from pack.samplers.ode import ODE
from pack.samplers.plain import plain
from pack.samplers.purse import Prices
from pack.samplers.rules import Finish
from pack.samplers.run import check_budget

from .world import Counter, denoise, new_task

TIMES = [1.0, 0.75, 0.5, 0.25]


def searched(counter, times=TIMES, **settings):
    return new_task(Eta(), times, denoiser=counter, **settings)


@pytest.mark.parametrize("lead", [0, 2])
def test_it_is_the_ode_from_the_first_start(lead):
    counter, second = Counter(), Counter()
    task = searched(counter, TIMES[lead:], lead=TIMES[:lead], look_denoiser=second, lookahead=3)
    x = task.flow.start([0])
    for t, s in zip(TIMES, TIMES[1:], strict=False):
        x = ODE(Linear())(x, denoise(x, t), t, s).mean
    assert torch.equal(plain(task, TIMES).clean, denoise(x, TIMES[-1]))
    assert (counter.rows, second.rows, task.purse.nfe) == (len(TIMES), 0, len(TIMES))


def test_the_search_stays_as_it_is():
    """Its ids, so its noise, and how its particles came about."""
    one, two = searched(Counter()), searched(Counter())
    plain(two, TIMES)
    assert torch.equal(one.born(2).x, two.born(2).x)
    assert one.book == two.book and one.flow.times == two.flow.times


def test_a_schedule_for_random_steps_becomes_even():
    """Its last step would be a leap over most of the way."""
    asked = []
    task = searched(lambda x, t: asked.append(t) or denoise(x, t), [1.0, 0.95, 0.9, 0.8])
    plain(task, [1.0, 0.95, 0.9, 0.8])
    assert asked == [1.0, 0.75, 0.5, 0.25]


def test_the_budget_has_to_carry_it():
    check_budget(10, 5, Finish(2, 1), 34, 2, Prices(), plain=5)
    with pytest.raises(ValueError, match=r"got 33 .* at least 34.* compare with takes 5"):
        check_budget(10, 5, Finish(2, 1), 33, 2, Prices(), plain=5)
