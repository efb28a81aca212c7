"""Workers on paper: the simulated clock, and the network that only sleeps."""

import math

import pytest
from pack.benchmarks.paper_model import RBF, TRIP, TURN, on_paper, speedup
from pack.benchmarks.sleeping import settings_of
from pack.samplers.search.svdd import SVDD
from pack.samplers.task import Task

SVDD_ = SVDD(children="kernel")


@pytest.mark.parametrize("workers", [1, 3, 8, 16])
def test_a_round_takes_its_longest_worker(workers):
    """16 particles a step. The last answer of a round has waited for the turns before it."""
    pace, lost = on_paper(workers, SVDD_, 160, 64, 1.45)
    rounds = math.ceil(16 / workers)
    least, most = rounds * (1.45 + TRIP), rounds * (1.45 + TRIP) + 16 * TURN
    assert 16 / most - 1e-9 <= pace <= 16 / least and lost == 0.0


def test_starts_differ_in_their_scores():
    """If all were equal, RBF would move at once, and throw away what is ahead."""
    task = Task(**settings_of(64, 0.0, 0.0, 100))
    rewards = task.born(24).reward
    assert len(set(rewards.tolist())) == 24
    assert abs(float(rewards.mean()) - 0.5) < 3 * (1 / 12 / 24) ** 0.5  # uniform from 0 to 1


def test_twice_the_workers_are_faster_but_not_twice_as_fast():
    paces = [on_paper(n, RBF, 100, 64, 1.45, seed=1)[0] for n in (1, 2, 4, 8)]
    for slow, fast in zip(paces, paces[1:], strict=False):
        assert slow < fast < 2 * slow
    assert speedup(1, RBF, 100, 64, 1.45, (1,)) == (pytest.approx(1.0, rel=1e-3), 0.0)
