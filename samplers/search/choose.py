"""What branching methods share: their paths, and picking the best of each."""

from collections.abc import Iterator
from typing import Protocol

from ..task import Task
from ..types import Particles, SearchEvent
from .rounds import Search, tries

PATHS = {
    "min": 1,
    "max": 64,
    "tooltip": "Independent searches that share the budget: more different images, fewer children "
    "each.",
}


class Choice(Protocol):
    """Picks one particle of each path, of its children or of the parents before them."""

    def __call__(self, children: Particles, before: Particles | None, task: Task) -> Particles: ...


def best_of_blocks(search: Search, task: Task, choose: Choice) -> Iterator[SearchEvent]:
    """In every round as many descendants of each path's particle as the budget buys; one goes on.

    The first descendants are newborn. The steps within a round are walked by each on its own.
    """
    parents: Particles | None = None
    rounds = search.rounds(len(task.times))
    for block, n in zip(rounds, tries(search, task), strict=True):
        single = block.bottom - block.top <= (0 if parents is None else 1)
        children = task.brood(parents, n, search.paths, score=single)
        if not single:
            *_, children = task.walk(children, last=block.bottom)
        yield SearchEvent("propose" if block.bottom else "born", children, task.purse.nfe)
        parents = choose(children, parents, task)
        yield SearchEvent("accept", parents, task.purse.nfe)


def groups(particles: Particles, paths: int) -> list[Particles]:
    """The rows of each path, in order."""
    return [particles[(particles.paths == path).nonzero().flatten()] for path in range(paths)]


def best_alive(particles: Particles) -> Particles | None:
    """The best row that can have descendants, None if there is none."""
    own = particles[particles.alive.nonzero().flatten()]
    return own[own.best()] if len(own) else None


def best_each(particles: Particles, paths: int, before: Particles | None = None) -> Particles:
    """The best row of every path that can have descendants; where none can, the path's row of
    `before`, or its best in name."""
    before = before or particles
    chosen = []
    for own, old in zip(groups(particles, paths), groups(before, paths), strict=True):
        best = best_alive(own)
        chosen.append(old[old.best()] if best is None else best)
    return Particles.cat(chosen)
