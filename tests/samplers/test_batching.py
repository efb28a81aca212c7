"""Rows go through the network in parts, and nothing but memory depends on which."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pack.samplers.batching import AUTOMATIC, MicroBatch, OneAtATime
from pack.samplers.search import SEARCHES
from pack.samplers.search.best_of_n import BestOfN

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
    assert parts[2].ledger.network_calls >= whole[2].ledger.network_calls
    assert parts[2].ledger.nfe == whole[2].ledger.nfe


@each_method
@pinned(10)
@given(st.data(), st.integers(1, 5))
def test_out_of_memory_halves_the_micro_batch_and_changes_nothing(name, data, room):
    def cramped(x, t):
        if len(x) > room:
            raise torch.OutOfMemoryError("no room")
        return arithmetic(x, t)

    counter = Counter(arithmetic)
    setup = data.draw(setups(name, micro_batch=0))
    whole, cut = setup.run(denoiser=counter), setup.run(denoiser=cramped)
    assert_same_run(whole, cut)
    assert cut[2].ledger.nfe == counter.rows * setup.cost
    assert cut[2].batch.size <= room


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

    task = Setup(BestOfN(), 3, extra=9).problem(denoiser=full)
    task.batch = MicroBatch(may_split=may_split)
    with pytest.raises(type(error)):
        task.born(rows)
    assert task.ledger.nfe == 0
