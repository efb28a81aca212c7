"""How every particle came about, and the search that goes the way of one of them again.

What a row of a network call gives depends on the call's shape, in its last bits. So an origin keeps
the place of its particle in the call, and a replay fills the other rows with copies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from torch import Tensor

from .batching import MicroBatch, OneAtATime, OutOfMemory
from .kernels import ODE
from .types import Particles, Prices, SearchEvent

if TYPE_CHECKING:
    from .problem import Problem

log = logging.getLogger("flow_search")
Kind = Literal["start", "born", "propose", "ode", "renoise", "finish"]


@dataclass(frozen=True)
class Origin:
    """One particle's birth: row `row` of `rows` in its network calls.

    start: the noise alone, about which the next is a neighbour at `radius`; born: evaluated at the
    first time; propose: by the search's kernel; ode: by the plain step; renoise: back to `step`;
    finish: in `nodes` evaluations.
    """

    id: int
    kind: Kind
    step: int = 0
    parent: int = -1
    rows: int = 1
    row: int = 0
    radius: float = 1.0
    nodes: int = 0


@dataclass
class Book:
    """The origins of a problem's particles, by id, and the start that each goes back to."""

    origins: dict[int, Origin] = field(default_factory=dict)
    radii: dict[int, float] = field(default_factory=dict)  # of neighbours of another start
    roots: dict[int, int] = field(default_factory=dict)

    def add(
        self,
        kind: Kind,
        ids: Sequence[int],
        parents: Sequence[int],
        step: int,
        batch: MicroBatch,
    ) -> None:
        """Particles that went through the network together."""
        for i, parent, (rows, row) in zip(ids, parents, batch.places(len(ids)), strict=True):
            radius = self.radii.get(i, 1.0)
            self._enter(Origin(i, kind, step, parent, rows, row, radius))

    def finish(self, particle: int, step: int, parent: int, nodes: int) -> None:
        """A particle that is the finish of `parent` in `nodes` evaluations."""
        self._enter(Origin(particle, "finish", step, parent, nodes=nodes))

    def follow(self, start: Origin, before: int) -> None:
        """A start, or the birth there, as the neighbour of the start `before` (-1: of none)."""
        known = self.origins.get(start.id, start)
        self._enter(replace(known, kind="born", parent=before))

    def _enter(self, origin: Origin) -> None:
        self.origins[origin.id] = origin
        fresh = origin.parent < 0 or (origin.kind == "born" and origin.radius >= 1.0)
        self.roots[origin.id] = origin.id if fresh else self.root(origin.parent)

    def root(self, particle: int) -> int:
        """The id of the start that a particle descends from, itself if it is one.

        A neighbour of another start descends from that; at radius 1 it is a new start.
        """
        return self.roots.get(particle, particle)

    def lineage(self, particle: int) -> list[Origin]:
        """What has to be done again for a particle, in order."""
        way = [self.origins[particle]]
        while way[-1].kind != "born":
            way.append(self.origins[way[-1].parent])
        while way[-1].parent >= 0:  # a neighbour of where its parent's first ancestor started
            way.append(replace(self._first(way[-1].parent), kind="start"))
        return way[::-1]

    def _first(self, particle: int) -> Origin:
        while self.origins[particle].kind != "born":
            particle = self.origins[particle].parent
        return self.origins[particle]


@dataclass
class Padded(MicroBatch):
    """One particle in its old place among copies of itself."""

    rows: int = 1
    row: int = 0

    def __call__(self, x: Tensor, ask: Callable[[Tensor], Tensor]) -> Tensor:
        try:
            return ask(x.repeat(self.rows, *[1] * (x.ndim - 1)))[self.row : self.row + 1]
        except (OutOfMemory, OneAtATime) as error:
            if self.rows == 1:
                raise
            log.warning("No room for a call as large as then, so the last bits differ: %s", error)
        self.rows, self.row = 1, 0
        return ask(x)

    def places(self, n: int) -> list[tuple[int, int]]:
        return [(self.rows, self.row)] * n


@dataclass(frozen=True)
class Replay:
    """The way of one particle again: the same bits where the device gives the same twice.

    Costs the network rows of the calls that its ancestors were in. The finish is the driver's.
    """

    title: ClassVar[str] = "Replay"

    way: tuple[Origin, ...]
    path: int = 0
    end: Origin | None = None  # the finish
    reward: float | None = None  # what it was worth then
    lookahead: int = 0  # with which it was scored

    @classmethod
    def of(
        cls,
        lineage: Sequence[dict[str, Any]],
        path: int = 0,
        reward: float | None = None,
        lookahead: int = 0,
    ) -> Replay:
        """From a report's entries; ValueError where they are no lineage."""
        try:
            way = [Origin(**entry) for entry in lineage]
        except TypeError as error:
            raise ValueError(f"A lineage that is not one was given ({error}).") from error
        end = way.pop() if way and way[-1].kind == "finish" else None
        if "born" not in [origin.kind for origin in way]:
            raise ValueError("A lineage without a birth was given, wanted that of a report.")
        return cls(tuple(way), path, end, reward, lookahead)

    @property
    def nodes(self) -> int:
        """Evaluations of the finish."""
        return self.end.nodes if self.end else 0

    def first_choice(self, steps: int) -> int:
        return steps - 1

    def minimum(self, steps: int, prices: Prices) -> int:
        each = {"start": 0, "born": prices.birth, "propose": prices.child, "ode": 1, "renoise": 1}
        slopes = prices.slope * sum(origin.kind == "propose" for origin in self.way)
        calls = sum(origin.rows * each[origin.kind] for origin in self.way)
        return calls + slopes + self.way[-1].rows * prices.score

    def run(self, problem: Problem) -> Iterator[SearchEvent]:
        particle: Particles | None = None
        x: Tensor | None = None
        before = -1  # the start that the next is a neighbour of
        for origin in self.way:
            problem.resume(origin.id, Padded(rows=origin.rows, row=origin.row))
            score = origin is self.way[-1]
            if origin.kind in ("start", "born"):
                ids, x = problem.starts(1, around=x, radius=origin.radius)
                if origin.kind == "born":
                    particle = problem.born_from(ids, x, score=score)
                    particle = replace(particle, paths=torch.tensor([self.path]))
                problem.book.follow(origin, before)
                before = origin.id
            elif origin.kind == "renoise":
                particle = problem.renoise(particle, origin.step)
            else:
                plain = ODE(problem.path) if origin.kind == "ode" else None
                particle = problem.propose(particle, score=score, kernel=plain)
        yield SearchEvent("propose", particle, problem.ledger.nfe)
        if self.end:
            problem.resume(self.end.id, MicroBatch())
        yield SearchEvent("done", particle, problem.ledger.nfe)


def entries(lineage: Sequence[Origin]) -> list[dict[str, Any]]:
    """A lineage as JSON-ready dictionaries, without what is at its default."""
    plain = asdict(Origin(0, "born"))
    return [
        {k: v for k, v in asdict(origin).items() if k in ("id", "kind") or v != plain[k]}
        for origin in lineage
    ]
