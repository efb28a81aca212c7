"""The image that the plain sampler makes of the first start: what a search has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .batching import MicroBatch
from .lineage import Book
from .task import Task
from .types import Particles


def plain(task: Task, times: Sequence[float], book: Book | None = None) -> Particles:
    """The first start's particle, clean by the ODE, paid: one evaluation a time.

    There is no noise on the way, no guidance, no second model and no finish. A schedule for random
    steps may leave more than half of the way to its last step. The times are then even ones, as of
    `Flow.coarser`. The particle is not scored.

    Args:
        task: of the search. Its particles and their ids stay as they are.
        times: all times of the sampler, without its landing.
        book: keeps how the particle came about. Its ids are of its own, from 0.
    """
    flow = replace(task.flow, times=times, lead=(), look_denoiser=None, finish_denoiser=None)
    settings = {"counts_itself": task.counts_itself, "on_call": task.on_call}
    kept = Book() if book is None else book
    settings |= {"batch": MicroBatch(1), "on_made": kept.add}
    alone = Task(flow.coarser(len(times)), task.purse, **settings)
    *_, last = alone.walk(alone.born(1, score=False), score=False)
    return replace(last, x=last.x0)
