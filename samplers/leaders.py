"""The best particles that a search has scored, from as many different starts as possible."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from .types import Particles

SPARES = 4  # more than `count`: the next best are finished where a finish is worse than its score


Rank = tuple[float, int, int]


def rank(particle: Particles) -> Rank:
    """Sorts by reward, of equal rewards the later step, then the lower id."""
    return -float(particle.reward), -int(particle.steps), int(particle.ids)


@dataclass
class Leaders:
    """The best `count` particles, best first, each from another start.

    Children of one start are near copies of each other, so only its best leads. If there are fewer
    than `count` starts, the next best particles of any start fill the places.

    Args:
        count: how many to return.
        root: id of a particle -> id of the start that it descends from.
        rows: leaders, spares and those that may replace them, one row each, best first.
    """

    count: int
    root: Callable[[int], int]
    rows: list[Particles] = field(default_factory=list)

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
        """Places in the sorted `ranks` that can still lead: the best of each start, then the rest.

        A failed particle is not the best of any start.
        """
        firsts: dict[int, int] = {}
        rest = []
        for place, (loss, _, particle) in enumerate(ranks):
            failed = loss == math.inf
            if failed or firsts.setdefault(self.root(particle), place) != place:
                rest.append(place)
        kept = self.count + SPARES
        return [*firsts.values()][:kept] + rest[:kept]

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
