"""Waves of new particles: how many go together, and the waves that follow."""

from collections.abc import Callable
from functools import partial

from ..crew.task import Ahead
from ..task import Task

WAVE = 8  # trajectories walked together. It is fixed, since ids and so the noise depend on it.
FEW = 2  # waves. Up to here rounding would change the number too much.


def whole_waves(count: int) -> int:
    """About `count` particles: if they are many, whole waves, which fill a batch or workers."""
    return WAVE * round(count / WAVE) if count > FEW * WAVE else count


def expect_waves(task: Task, count: int, ids: int, walk: Callable[[Task, int], object]) -> None:
    """Say that some particles come next, in waves of WAVE.

    Args:
        task: of the search.
        count: particles in all.
        ids: that each particle takes, with its descendants.
        walk: (task, n) draws a wave of n.
    """
    task.expect(partial(_waves, count=count, ids=ids, walk=walk))


def _waves(ahead: Ahead, count: int, ids: int, walk: Callable[[Task, int], object]) -> None:
    while count > 0:
        wave, first = min(WAVE, count), ahead.ids.next
        ahead.attempt(lambda wave=wave: walk(ahead, wave))
        ahead.ids.next = first + wave * ids
        count -= wave
