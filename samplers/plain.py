"""The image that the plain sampler makes of the first start, to compare a search with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from .batching import MicroBatch
from .task import Task


def plain(task: Task, times: Sequence[float]) -> Tensor:
    """The clean latent (1,*D) of the first start by the ODE, paid: one evaluation a time.

    There is no noise on the way, no guidance, no second model and no finish. A schedule for random
    steps may leave more than half of the way to its last step. The times are then even ones, as of
    `Flow.coarser`.

    Args:
        task: of the search. Its particles and their ids stay as they are.
        times: all times of the sampler, without its landing.
    """
    flow = replace(task.flow, times=times, lead=(), look_denoiser=None, finish_denoiser=None)
    settings = {"counts_itself": task.counts_itself, "on_call": task.on_call}
    alone = Task(flow.coarser(len(times)), task.purse, batch=MicroBatch(1), **settings)
    *_, last = alone.walk(alone.born(1, score=False), score=False)
    return last.x0
