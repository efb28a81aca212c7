"""What branching methods share: spreading a budget over rounds, and picking each path's best."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from ..problem import Problem
from ..types import Particles

PATHS = {
    "min": 1,
    "max": 64,
    "tooltip": "Independent searches that share the budget: more different images, fewer children "
    "each.",
}


def shares(rows: int, prices: Sequence[int], paths: int) -> list[int]:
    """Children per path in each round, one at least, so that sum_i paths n_i prices_i <= rows.

    As even as can be; what a further child everywhere cannot use goes to the first rounds that it
    pays for, until it pays for none.
    """
    width = max(1, rows // (paths * sum(prices)))
    left = rows - width * paths * sum(prices)
    counts = [width] * len(prices)
    while left >= paths * min(prices):
        for i, price in enumerate(prices):
            more = int(left >= paths * price)
            left -= more * paths * price
            counts[i] += more
    return counts


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


def repeated(parents: Particles, n: int) -> Particles:
    """Each parent n times, parent by parent."""
    return parents[torch.arange(len(parents)).repeat_interleave(n)]


def brood(
    problem: Problem, parents: Particles | None, n: int, paths: int, score: bool = True
) -> Particles:
    """n candidates for each path: children of its parent, or newborn where there is none yet."""
    if parents is not None:
        return problem.propose(repeated(parents, n), score=score)
    born = problem.born(n * paths, score=score)
    return replace(born, paths=torch.arange(paths).repeat_interleave(n))
