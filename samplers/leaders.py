"""The best particles that a search has scored, from as many different starts as possible."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from .types import Particles

SPARES = 4  # more than `count`: the next best are finished where a finish is worse than its score


Rank = tuple[float, int, int]  # -reward, -step, id: of equal rewards the later step is better


@dataclass
class Leaders:
    """The best `count` particles, best first, each from another start.

    Children of one start are near copies of each other, so only its best leads. If there are fewer
    than `count` starts, the next best particles of any start fill the places.

    Args:
        count: how many to return.
        root: id of a particle -> id of the start that it descends from.
        rows: leaders, spares and those that may replace them, best first: the rank of each, and its
            one row.
    """

    count: int
    root: Callable[[int], int]
    rows: list[tuple[Rank, Particles]] = field(default_factory=list)

    def add(self, particles: Particles) -> None:
        """Consider the scored rows of `particles`."""
        columns = (-particles.reward, -particles.steps, particles.ids)
        ranks = list(zip(*(column.tolist() for column in columns), strict=True))
        order = sorted(range(len(ranks)), key=ranks.__getitem__)
        numbers = [order[i] for i in self._chosen([ranks[number] for number in order])]
        rows = sorted(
            [*self.rows, *((ranks[number], number) for number in numbers)], key=lambda row: row[0]
        )
        chosen = [rows[i] for i in sorted(self._chosen([rank for rank, _ in rows]))]
        self.rows = [
            (rank, particles[row] if isinstance(row, int) else row) for rank, row in chosen
        ]

    def drop(self, particle: Particles) -> None:
        """Consider a particle no more."""
        self.rows = [row for row in self.rows if row[0][2] != int(particle.ids)]

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
        places = self._chosen([rank for rank, _ in self.rows])
        return [self.rows[i][1] for i in sorted(places[part])]

    @property
    def best(self) -> list[Particles]:
        """The `count` leaders, best first."""
        return self._sorted(slice(0, self.count))

    @property
    def spares(self) -> list[Particles]:
        """The next best after the leaders, best first."""
        return self._sorted(slice(self.count, None))
