"""The answers of a look, and which particle takes them."""

from dataclasses import replace

import pytest
import torch
from pack.samplers.automatic import settle
from pack.samplers.first_look import FirstLook
from pack.samplers.lookahead import AUTOMATIC
from pack.samplers.purse import Purse
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import run
from pack.samplers.search import SEARCHES
from pack.samplers.search.auto import Auto
from pack.samplers.search.code import CoDe
from pack.samplers.search.regional import Regional
from pack.samplers.search.sop import SearchOverPaths
from pack.samplers.search.svdd import SVDD
from pack.samplers.types import Starts

from .crews import crewed
from .setups import SCORED, Setup, assert_same_run, grid
from .test_auto import MOVING
from .test_lookahead import EARLY, blurred, sharp


@pytest.mark.parametrize(
    ("search", "times", "model", "steering", "answers"),
    [
        (SVDD(), grid(6), blurred, None, 5),
        (SVDD(), grid(6), sharp, None, 1),
        (CoDe(), [0.95, 0.9, 0.8], blurred, None, 1),
        (Auto(), grid(10), blurred, None, 5),
        (Auto(), grid(10), blurred, MOVING, 1),
        (SearchOverPaths(1, 1, 2), [1.0, 0.8], blurred, None, 2),
        (SearchOverPaths(1, 1, 2), [1.0, 0.8, 0.6], blurred, None, 0),
        (Regional(), [1.0], blurred, None, 5),
    ],
)
def test_the_first_particle_gets_what_it_will_ask_for(search, times, model, steering, answers):
    fixed = {"shape": (4,)} | ({"steering": steering} if steering else {})
    setup = Setup(search, len(times), fixed=fixed)
    task = setup.task(budget=200, lookahead=AUTOMATIC, denoiser=model)
    task.change(times=times)
    settle(search, task, Finish())
    assert len(task.first_look.answers) == task.purse.prepaid == answers
    setup.run(task)
    assert task.purse.prepaid == 0 and task.purse.nfe <= 200


@pytest.mark.parametrize(("x", "t"), [([[1.0, 3.0]], 0.9), ([[1.0, 2.0]], 0.8)])
def test_another_latent_or_time_takes_nothing_and_leaves_nothing(x, t):
    look = FirstLook(Purse(cost=2))
    look.noting(lambda x, t: x + t)(torch.tensor([[1.0, 2.0]]), 0.9)
    look.leave(1)
    assert look.purse.prepaid == 2
    assert look.take(torch.tensor(x), t) is None and not look.taken
    assert not look.answers and not look.purse.prepaid


def test_answers_are_taken_in_order():
    look, x = FirstLook(Purse()), torch.zeros(1, 2)
    network = look.noting(lambda x, t: x + t)
    network(x, 0.9), network(x, 0.8)
    look.leave(2)
    for t in (0.9, 0.8):
        assert torch.equal(look.take(x, t), x + t) and look.taken
    assert look.take(x, 0.8) is None and not look.taken


def test_the_reward_sees_the_first_particle_among_the_others():
    """Some rewards compare what they see in one call, and images are kept by call."""
    calls = []

    def objective(x0):
        calls.append(len(x0))
        return x0.mean(1)

    fixed = {"shape": (4,), "objective": objective, "denoiser": blurred}
    setup = Setup(SVDD(), 6, fixed=fixed)
    events, *_ = setup.run(budget=150, lookahead=AUTOMATIC)
    scored = [len(event.particles) for event in events if event.kind in SCORED]
    assert calls == scored and calls[0] > 1


def test_a_second_look_replaces_the_first():
    look = FirstLook(Purse())
    for t in (0.9, 0.8):
        look.noting(lambda x, t: x)(torch.zeros(1, 2), t)
    assert [time for _, time, _ in look.answers] == [0.8]


def test_a_first_particle_that_goes_another_way_leaves_nothing_prepaid():
    task = Setup(SVDD(), 3, fixed={"shape": (4,)}).task(budget=50)
    task.first_look.noting(task._paid.denoiser)(torch.zeros(1, 4), 0.5)
    task.first_look.leave(1)
    born = task.born(2)
    assert not task.first_look.answers and not task.purse.prepaid and len(born) == 2


def test_the_heir_is_followed_down():
    look = FirstLook(Purse(), [(torch.zeros(1, 2), 0.5, torch.zeros(1, 2))] * 3)
    assert look.leads([0, 1], [-1, -1]) and look.leads([8, 9], [0, 1])
    assert not look.leads([10, 11], [9, 8]) and not look.answers


def test_starts_are_cut_with_their_boxes():
    boxes = [((0, 1),), ((1, 2),), ()]
    starts = Starts([4, 5, 6], torch.arange(6.0).view(3, 2), [1, 1, 1], 0.5, boxes)
    part = starts[1:]
    assert (part.ids, part.parents, part.radius, part.boxes) == ([5, 6], [1, 1], 0.5, boxes[1:])
    assert torch.equal(part.x, starts.x[1:])
    assert [start.boxes for start in starts.split()] == [[box] for box in boxes]


@pytest.mark.parametrize("model", [blurred, sharp])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("name", [*EARLY, "auto"])
def test_what_a_look_found_is_not_evaluated_again(name, rows, model):
    """By the search's first particle, which no worker gets."""
    setup = Setup(SEARCHES[name](), 10, 60, fixed={"shape": (4,), "lookahead": AUTOMATIC})
    task, foreman, counter = crewed(setup, rows, 3, model, again=0.2, lost=0.2)

    def tell(settled):
        for name, worker in foreman.engine.tasks.items():
            settings = {"flow": settled.task.flow, "lookahead": settled.task.lookahead}
            foreman.engine.tasks[name] = replace(worker, **settings)

    plain = setup.run(denoiser=model, micro_batch=rows)
    outcome = Outcome()
    ending = setup.finish, StopRules(), outcome, task.book.root
    assert_same_run(plain, (list(run(setup.search, task, *ending, tell)), outcome, task))
    foreman.close()
    foreman.engine.drain()
    rows = counter.rows + foreman.engine.undone
    assert rows == task.purse.nfe + foreman.discarded == plain[2].purse.nfe + foreman.discarded
