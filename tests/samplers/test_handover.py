"""A finish above time 0: what is handed to another sampler."""

import pytest
import torch
from pack.samplers.lookahead import AUTOMATIC
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import run
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.search.svdd import SVDD
from pack.samplers.types import Particles

from .setups import KERNELS, SCORED, arithmetic, grid
from .world import new_task

END = 0.1


def euler(x, x0, t, s):
    return x + (s - t) * (x - x0) / t


@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_it_walks_evenly_to_the_end_by_the_ode(nodes):
    ours = new_task(KERNELS["eta"], grid(4), denoiser=arithmetic, end=END, shape=(3,))
    born = ours.born(1)
    last = ours.finish(born, nodes)
    x, x0, t = born.x, born.x0, ours.times[0]
    for i in range(1, nodes + 1):
        s = END + (ours.times[0] - END) * (1.0 - i / (nodes + 1))
        x = euler(x, x0, t, s)
        x0, t = arithmetic(x, s), s
    torch.testing.assert_close(last.x, euler(x, x0, t, END))
    torch.testing.assert_close(last.clean, x0)
    assert ours.purse.nfe == 1 + nodes


def test_without_nodes_the_last_step_is_the_samplers_own():
    """From the last time by the kernel, with the noise of the plain sampler; else by the ODE."""
    ours, plain = (
        new_task(KERNELS["eta"], grid(4), denoiser=arithmetic, end=END, shape=(3,)) for _ in "ab"
    )
    *_, walked = plain.walk(plain.born(1), score=False)
    early, *_, there = ours.walk(ours.born(1))
    finished = ours.finish(there, 0)
    assert torch.equal(finished.x, plain.land(walked)) and torch.equal(finished.clean, there.clean)
    ode = euler(early.x, early.x0, ours.times[int(early.steps)], END)
    torch.testing.assert_close(ours.finish(early, 0).x, ode)


@pytest.mark.parametrize("lookahead", [4, AUTOMATIC])
def test_a_lookahead_to_0_does_not_stand_for_the_way_to_the_end(lookahead):
    """What it came to is judged and shown; the latent comes by the finish's own steps."""
    ours, plain = (new_task(KERNELS["eta"], grid(4), budget=100, end=END) for _ in "ab")
    ours.lookahead, outcome = lookahead, Outcome()
    events = list(run(SVDD(), ours, Finish(3, 1), StopRules(), outcome))
    (best,), seen = outcome.top, Particles.cat([e.particles for e in events if e.kind in SCORED])
    (row,) = (seen.ids == best.parents).nonzero().flatten().tolist()
    parent = seen[row]
    assert outcome.lookahead == 4 and ours.book.origins[int(best.ids)].nodes == 3
    assert torch.equal(best.clean, parent.clean) and float(best.reward) == float(parent.reward)
    assert torch.equal(best.x, plain.finish(parent, 3).x)
    assert not torch.equal(best.x, plain.finish(parent, 0).x)


def test_a_search_that_ends_above_0_always_finishes():
    ours = new_task(KERNELS["ode"], grid(4), budget=8, end=END)
    outcome = Outcome()
    *_, last = run(BestOfN(), ours, Finish(0, 1), StopRules(), outcome)
    assert (
        ours.purse.nfe == 8
        and last.kind == "finish"
        and torch.equal(outcome.top[0].x, last.particles.x)
    )
