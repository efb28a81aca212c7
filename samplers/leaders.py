"""The best particles a search has scored, at most one of each start."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from .types import Particles

SPARES = 4  # particles kept beyond those asked for, to finish where a better-ranked one disappoints


Rank = tuple[float, int, int]


def rank(particle: Particles) -> Rank:
    """Sorts by reward, of equal rewards the later step, then the earlier particle."""
    return -float(particle.reward), -int(particle.steps), int(particle.ids)


@dataclass
class Leaders:
    """The best `count` particles, one row each, best first.

    Each is from another start, its root ancestor, as long as there are as many starts: children of
    one particle are near copies of each other. Fewer starts are filled up with the next best.

    Args:
        count: how many to return.
        root: id of a particle -> id of its root ancestor.
    """

    count: int
    root: Callable[[int], int]
    rows: list[Particles] = field(default_factory=list)  # every leader to be, best first

    def add(self, particles: Particles) -> None:
        """Consider the scored rows of `particles`."""
        columns = (-particles.reward, -particles.steps, particles.ids, torch.arange(len(particles)))
        order = sorted(zip(*(column.tolist() for column in columns), strict=True))
        chosen = self._chosen([place[:3] for place in order])
        rows = sorted(self.rows + [particles[order[i][3]] for i in chosen], key=rank)
        self.rows = [rows[i] for i in sorted(self._chosen([rank(row) for row in rows]))]

    def drop(self, particle: Particles) -> None:
        """Consider a particle no more."""
        self.rows = [row for row in self.rows if int(row.ids) != int(particle.ids)]

    def _chosen(self, ranks: list[Rank]) -> list[int]:
        """Places in the sorted `ranks` of those that may come to be leaders: the best of each
        start, then the others; one that failed stands for no start."""
        firsts: dict[int, int] = {}
        others = []
        for place, (loss, _, particle) in enumerate(ranks):
            sound = loss < math.inf
            if not sound or firsts.setdefault(self.root(particle), place) != place:
                others.append(place)
        kept = self.count + SPARES
        return [*firsts.values()][:kept] + others[:kept]

    def _sorted(self, part: slice) -> list[Particles]:
        places = self._chosen([rank(row) for row in self.rows])
        return [self.rows[i] for i in sorted(places[part])]

    @property
    def best(self) -> list[Particles]:
        """The `count` leaders, best first."""
        return self._sorted(slice(0, self.count))

    @property
    def spares(self) -> list[Particles]:
        """The next best after the leaders, best first."""
        return self._sorted(slice(self.count, None))
