"""The way of a winner again: the same bits, whatever its network calls were shared with."""

import pytest
import torch
from hypothesis import given
from pack.samplers.batching import MicroBatch, OneAtATime
from pack.samplers.lineage import Origin, entries
from pack.samplers.purse import Prices
from pack.samplers.replay import Padded, Replay
from pack.samplers.rules import Finish
from pack.samplers.search import SEARCHES
from pack.samplers.search.best_of_n import BestOfN
from pack.samplers.search.rounds import minimum

from .setups import METHODS, Setup, pinned, setups


def crowded(x, t):
    """A denoiser that tells how many went together, and which was which, in its answer."""
    place = torch.arange(len(x), dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 1))
    return x / (1.0 + t * t + x * x) + 0.01 * len(x) + 0.001 * place


def replayed(setup, outcome, task):
    best = outcome.top[0]
    lineage = entries(task.book.lineage(int(best.ids)))
    replay = Replay.of(lineage, int(best.paths))
    again = Setup(**vars(setup) | {"search": replay, "finish": Finish(replay.nodes), "extra": 0})
    return replay, again.run(denoiser=crowded)


@pytest.mark.parametrize("name", METHODS)
def test_the_winner_comes_again(name):
    @pinned(30)
    @given(setups(name))
    def check(setup):
        _, outcome, task = setup.run(denoiser=crowded)
        replay, (events, again, repeated) = replayed(setup, outcome, task)
        one, other = outcome.top[0], again.top[0]
        for name in ("x", "x0", "clean", "reward", "paths", "steps"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name
        assert again.stopped == "done"
        rows = minimum(replay, setup.steps, setup.prices) + replay.nodes
        assert repeated.purse.nfe == rows * setup.cost
        assert sum(event.kind in ("born", "propose") for event in events) == 1
        if setup.finish.rows():
            assert int(one.ids) == int(other.ids)
        *_, (_, third, _) = replayed(setup, again, repeated)  # from the replay's own report
        assert torch.equal(one.x, third.top[0].x)

    check()


def test_what_was_measured_on_the_way_comes_again():
    setup = Setup(SEARCHES["svdd"](), 6, extra=200)
    batch = MicroBatch(clock=lambda: 0.0)  # more rows gain nothing
    _, outcome, task = setup.run(denoiser=crowded, batch=batch)
    assert batch.size == 1
    assert len({origin.rows for origin in task.book.origins.values()}) > 2
    *_, (_, again, _) = replayed(setup, outcome, task)
    assert torch.equal(outcome.top[0].x, again.top[0].x)


def test_calls_of_its_own_cost_a_handful():
    setup = Setup(BestOfN(), extra=200, micro_batch=1, finish=Finish(2))
    _, outcome, task = setup.run(denoiser=crowded)
    assert task.purse.nfe > 200
    *_, (_, again, repeated) = replayed(setup, outcome, task)
    assert repeated.purse.nfe == setup.steps + 2
    assert torch.equal(outcome.top[0].x, again.top[0].x)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, OneAtATime])
def test_where_the_calls_of_then_have_no_room_it_goes_alone(error, caplog):
    def small(x, t):
        if len(x) > 1:
            raise error("no room")
        return crowded(x, t)

    setup = Setup(SEARCHES["svdd"](), 3, extra=20)
    _, outcome, task = setup.run(denoiser=crowded)
    best = outcome.top[0]
    replay = Replay.of(entries(task.book.lineage(int(best.ids))), int(best.paths))
    assert max(origin.rows for origin in replay.way) > 1
    again = Setup(**vars(setup) | {"search": replay, "finish": Finish(replay.nodes), "extra": 0})
    _, found, spent = again.run(denoiser=small)
    assert "the last bits differ" in caplog.text and spent.purse.nfe == len(replay.way)
    torch.testing.assert_close(found.top[0].x, best.x, atol=0.2, rtol=0.0)


def test_an_error_of_a_call_of_one_is_no_crowd():
    def full(x, t):
        raise torch.OutOfMemoryError("full")

    with pytest.raises(torch.OutOfMemoryError, match="full"):
        Padded(rows=1)(torch.zeros(1, 3), lambda x: full(x, 1.0))


def test_entries_name_what_is_not_default():
    assert entries([Origin(3, "born", rows=8, row=2), Origin(9, "finish", 4, 3, nodes=2)]) == [
        {"id": 3, "kind": "born", "rows": 8, "row": 2},
        {"id": 9, "kind": "finish", "step": 4, "parent": 3, "nodes": 2},
    ]


@pytest.mark.parametrize(
    ("lineage", "said"),
    [
        (
            [{"id": 1, "kind": "born", "colour": 2}],
            r"lineage\[0\] is not usable: got an entry .colour., expected id, kind",
        ),
        (
            [{"id": 1, "kind": "propose"}],
            "no birth: got 1 entries, expected the lineage of a report",
        ),
        ([], "no birth: got no entries, expected the lineage of a report"),
    ],
)
def test_what_is_no_lineage_is_refused(lineage, said):
    with pytest.raises(ValueError, match=said):
        Replay.of(lineage)


def test_its_price_is_that_of_the_calls():
    way = (Origin(0, "born", rows=4, row=1), Origin(5, "propose", 1, 0, rows=2))
    assert minimum(Replay(way), 3, Prices(birth=2, child=3, score=1)) == 4 * 2 + 2 * 3 + 2
