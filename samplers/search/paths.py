"""What methods with several paths share: the setting, and the choice of the best on each path."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import torch

from ..task import Task
from ..types import Particles, SearchEvent
from .children import draw_children
from .rounds import Search, affordable_tries

PATHS = {
    "min": 1,
    "max": 64,
    "tooltip": "Independent searches that share the budget. More give more different images but "
    "less depth each.",
}


class Choice(Protocol):
    """Picks one particle of each path: one of its children, or one of the parents before them."""

    def __call__(self, children: Particles, parents: Particles | None, task: Task) -> Particles: ...


def best_of_blocks(
    search: Search, task: Task, choose: Choice, how: str = "kernel"
) -> Iterator[SearchEvent]:
    """In each round, give every path as many descendants as the budget buys, and keep one of them.

    Descendants of one particle walk the steps of a round independently. Those of the first round
    are new particles.

    Args:
        search: whose rounds.
        task: the image to find.
        choose: keeps one of each path.
        how: children differ from their parents, as in `draw_children`.
    """
    parents: Particles | None = None
    rounds = search.rounds(len(task.times))
    for block, n in zip(rounds, affordable_tries(search, task), strict=True):
        single = block.bottom - block.top <= (0 if parents is None else 1)
        if parents is None:
            children = brood(task, n, search.paths, score=single)
        else:
            children = draw_children(task, parents, [n] * search.paths, how, score=single)
        if not single:
            *_, children = task.walk(children, last=block.bottom)
        yield SearchEvent("propose" if block.bottom else "born", children, task.purse.nfe)
        parents = choose(children, parents, task)
        yield SearchEvent("accept", parents, task.purse.nfe)


def brood(task: Task, n: int, paths: int, score: bool = True) -> Particles:
    """`n` new particles on each path.

    Args:
        task: makes them.
        n: how many on each path.
        paths: how many paths.
        score: whether they are scored.
    """
    rows = torch.arange(paths).repeat_interleave(n)
    return replace(task.born(n * paths, score=score), paths=rows)


def by_path(particles: Particles, paths: int) -> list[Particles]:
    """The rows of each path, in order."""
    return [particles[(particles.paths == path).nonzero().flatten()] for path in range(paths)]


def best_alive(particles: Particles) -> Particles | None:
    """The best row that can have children, None if there is none."""
    alive = particles[particles.alive.nonzero().flatten()]
    return alive[alive.best()] if len(alive) else None


def best_of_each(particles: Particles, paths: int, before: Particles | None = None) -> Particles:
    """The best row of every path that can have children.

    Args:
        particles: rows of all paths.
        paths: how many.
        before: rows to fall back on. If no row of a path can have children, the path's best row of
            these is returned. None: of `particles`.
    """
    before = before or particles
    chosen = []
    for rows, rows_before in zip(by_path(particles, paths), by_path(before, paths), strict=True):
        best = best_alive(rows)
        chosen.append(rows_before[rows_before.best()] if best is None else best)
    return Particles.cat(chosen)
