"""Rows go through the network in parts, and nothing but memory depends on which."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.batching import AUTOMATIC, MicroBatch, OneAtATime, device_clock
from pack.samplers.replay import Padded
from pack.samplers.search import SEARCHES
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.search.code import CoDe
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.smc import SMC
from pack.samplers.search.svdd import SVDD

from .setups import Setup, arithmetic, assert_same_run, pinned, setups
from .world import Counter

each_method = pytest.mark.parametrize("name", SEARCHES)


@each_method
@pinned(10)
@given(st.data(), st.sampled_from([1, 3, 7]))
def test_micro_batches_change_no_bit(name, data, size):
    setup = data.draw(setups(name, micro_batch=0, fixed={"denoiser": arithmetic}))
    whole, parts = (setup.run(micro_batch=rows) for rows in (10**6, size))
    assert_same_run(whole, parts)
    assert parts[2].purse.network_calls >= whole[2].purse.network_calls
    assert parts[2].purse.nfe == whole[2].purse.nfe


@pytest.mark.parametrize("search", [SVDD(paths=3), CoDe(paths=3, block=1), SMC()])
def test_all_paths_share_a_call(search):
    """One call a step, whatever the paths and their children."""
    steps = 5
    _, _, task = Setup(search, steps, extra=60).run(micro_batch=10**6)
    assert task.purse.network_calls == steps and task.purse.nfe > 6 * steps


def test_paths_of_rbf_that_stand_at_one_step_share_a_call():
    """None finds better than its start: all go on by their quotas, together."""
    search = RolloverBudgetForcing(init_particles=2, paths=3, quota=2)
    worse = itertools.count()
    _, _, task = Setup(search, 4).run(
        objective=lambda x0: torch.full((len(x0),), -float(next(worse))), micro_batch=10**6
    )
    assert task.purse.network_calls == 1 + 3 * 2 and task.purse.nfe == 6 + 3 * 3 * 2


@each_method
@pinned(10)
@given(st.data(), st.integers(1, 5))
def test_out_of_memory_halves_the_micro_batch_and_changes_nothing(name, data, room):
    refused = []

    def cramped(x, t):
        if len(x) > room:
            refused.append(len(x))
            raise torch.OutOfMemoryError("no room")
        return arithmetic(x, t)

    counter = Counter(arithmetic)
    setup = data.draw(setups(name, micro_batch=0))
    whole, cut = setup.run(denoiser=counter), setup.run(denoiser=cramped)
    assert_same_run(whole, cut)
    assert cut[2].purse.nfe == counter.rows * setup.cost
    assert cut[2].batch.size <= room if refused else cut[2].batch.size == AUTOMATIC


@pytest.mark.parametrize("batch, rows", [(MicroBatch(4), 4), (Padded(rows=4, row=1), 1)])
def test_torch_2_4_has_its_error_under_cuda_alone(batch, rows, monkeypatch):
    monkeypatch.delattr(torch, "OutOfMemoryError")

    def cramped(x):
        if len(x) > 1:
            raise torch.cuda.OutOfMemoryError("no room")
        return 2.0 * x

    assert torch.equal(batch(torch.ones(rows, 3), cramped), torch.full((rows, 3), 2.0))


@each_method
@pinned(10)
@given(st.data())
def test_a_backend_that_takes_one_row_is_asked_for_one(name, data):
    sizes = []

    def single(x, t):
        sizes.append(len(x))
        if len(x) > 1:
            raise OneAtATime("one row, please")
        return arithmetic(x, t)

    setup = data.draw(setups(name, micro_batch=0))
    assert_same_run(setup.run(denoiser=arithmetic), setup.run(denoiser=single))
    assert sum(n > 1 for n in sizes) <= 1


def test_rows_go_in_parts_of_the_automatic_size():
    sizes = []

    def ask(x):
        sizes.append(len(x))
        return x + 1

    x = torch.arange(2.0 * AUTOMATIC + 3)[:, None]
    assert torch.equal(MicroBatch()(x, ask), x + 1)
    assert sizes == [AUTOMATIC, AUTOMATIC, 3]
    sizes.clear()
    assert torch.equal(MicroBatch(may_split=False)(x, ask), x + 1)
    assert sizes == [len(x)]


def test_rows_that_do_not_fit_are_halved_for_good():
    sizes = []

    def ask(x):
        sizes.append(len(x))
        if len(x) > 5:
            raise torch.OutOfMemoryError("no room")
        return x

    batch, x = MicroBatch(), torch.arange(20.0)[:, None]
    assert torch.equal(batch(x, ask), x) and torch.equal(batch(x[:6], ask), x[:6])
    assert sizes == [16, 8, 4, 4, 4, 4, 4, 4, 2]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no room"), OneAtATime("one")])
@pytest.mark.parametrize("rows, may_split", [(1, True), (4, False)])
def test_where_nothing_can_be_split_the_error_is_the_callers_to_know(error, rows, may_split):
    def full(x, t):
        raise error

    task = Setup(BestOfN(), 3, extra=9).task(denoiser=full)
    task.batch = MicroBatch(may_split=may_split)
    with pytest.raises(type(error)):
        task.born(rows)
    assert task.purse.nfe == 0


class Device:
    """What takes `once` and then `each` seconds a row; the first call of all loads the weights."""

    def __init__(self, once: float, each: float) -> None:
        self.once, self.each, self.now, self.sizes = once, each, 0.0, []

    def ask(self, x):
        self.now += self.once + self.each * len(x) + (0.0 if self.sizes else 9.0)
        self.sizes.append(len(x))
        return x + 1

    def denoise(self, x, t):
        self.ask(x)
        return arithmetic(x, t)

    def batch(self) -> MicroBatch:
        return MicroBatch(clock=lambda: self.now)


@pytest.mark.parametrize(
    "rows, once, each, sizes, settled",
    [
        # a large model, of which a row costs what it costs
        (16, 0.0, 1.0, [16] * 2 + [8] * 2 + [4] * 4 + [2] * 8 + [1] * 32, 1),
        # seconds a row 10.06, 10.13, 10.25, 10.5 and 11
        (16, 1.0, 10.0, [16] * 2 + [8] * 2 + [4] * 4 + [2] * 8 + [1] * 16 + [2] * 8, 2),
        (16, 1.0, 0.0, [16] * 2 + [8] * 2 + [16] * 3, AUTOMATIC),
        # never more than six: no telling whether 16 gain more
        (6, 1.0, 0.0, [6] * 2 + [3] * 2 + [6] * 2, AUTOMATIC),
        (40, 0.0, 1.0, [16, 16, 8, 8, 8, 8, 8], 4),
    ],
)
def test_as_few_rows_go_together_as_the_device_gains_from(rows, once, each, sizes, settled):
    device = Device(once, each)
    batch, x = device.batch(), torch.arange(float(rows))[:, None]
    while len(device.sizes) < len(sizes):
        before = len(device.sizes)
        assert torch.equal(batch(x, device.ask), x + 1)
        told = [n for n, row in batch.places(rows) if row == 0]
        assert told == device.sizes[before:]  # the same size for all of one operation
        batch.settle()
    assert device.sizes[: len(sizes)] == sizes
    assert batch.size == settled


def test_single_rows_tell_nothing():
    device = Device(1.0, 0.0)
    batch = device.batch()
    for _ in range(5):
        batch(torch.zeros(1, 1), device.ask)
        batch.settle()
    assert batch.size == AUTOMATIC and batch.clock is not None


def test_what_memory_or_the_user_decided_is_not_measured():
    def full(x):
        if len(x) > 4:
            raise torch.OutOfMemoryError("no room")
        return device.ask(x)

    device = Device(0.0, 1.0)
    batch, x = device.batch(), torch.arange(16.0)[:, None]
    for _ in range(5):
        batch(x, full)
        batch.settle()
    assert batch.size == 4 and set(device.sizes) == {4}
    given = MicroBatch(3, clock=lambda: pytest.fail("asked for the time"))
    given(x, device.ask)
    given.settle()
    assert given.size == 3


@each_method
@pinned(10)
@given(st.data(), st.sampled_from([0.0, 1.0]))
def test_a_measured_micro_batch_changes_no_bit(name, data, once):
    setup = data.draw(setups(name, micro_batch=0, fixed={"denoiser": arithmetic}))
    device = Device(once, 1.0 - once)
    measured = setup.run(denoiser=device.denoise, batch=device.batch())
    assert_same_run(setup.run(), measured)
    assert sum(device.sizes) * setup.cost == measured[2].purse.nfe


@pytest.mark.parametrize("name", ["svdd", "best_of_n", "smc"])
def test_a_search_itself_settles_its_micro_batch(name):
    """On a device where more rows gain nothing, its calls become smaller and smaller, down to 1."""
    device = Device(0.0, 1.0)
    _, _, task = Setup(SEARCHES[name](), 6, extra=500).run(
        denoiser=device.denoise, batch=device.batch()
    )
    assert task.batch.tried[:2] == [max(device.sizes), max(device.sizes) // 2]
    assert task.batch.size == 1 and device.sizes[-1] == 1


def test_the_clock_waits_for_the_device(monkeypatch):
    waits = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waits.append(1))
    clock = device_clock(torch.device("cuda"))
    assert clock() <= clock() and len(waits) == 2
    assert device_clock(torch.device("cpu")) is None  # 16 rows are best there
    assert device_clock(torch.device("meta")) is None  # nothing to wait for


@pytest.mark.parametrize("n", [1, 2, 5, 8, 9, 64])
def test_several_devices_share_a_call_equally(n):
    batch = MicroBatch(6, devices=4)
    places, calls = batch.places(n), []
    batch(torch.zeros(n, 1), lambda x: calls.append(len(x)) or x)
    for rows in calls:
        share = batch.share(rows)
        while rows > 0:
            here = min(share, rows)
            assert places[:here] == [(here, row) for row in range(here)]
            places, rows = places[here:], rows - here
    assert not places and max(calls) <= 6


def test_the_automatic_size_is_for_each_device():
    device = Device(0.0, 1.0)
    batch = MicroBatch(devices=2, clock=lambda: device.now)
    for _ in range(60):
        batch(torch.zeros(64, 1), device.ask)
        batch.settle()
    assert device.sizes[0] == 2 * AUTOMATIC and batch.size == 2  # then a row for each
