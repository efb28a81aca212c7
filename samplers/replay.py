"""How every particle was made, and a search that makes one of them again.

The last bits of a row depend on the shape of its network call. So an origin keeps the place of its
particle in the call, and a replay fills the other rows with copies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from .batching import MicroBatch, OneAtATime, OutOfMemory
from .search.rounds import Method, Round
from .task import Task
from .types import Made, Particles, SearchEvent

log = logging.getLogger("flow_search")
Kind = Literal["start", "born", "propose", "ode", "renoise", "finish"]
RANGES = {  # of the integers of an origin
    "id": (0, (1 << 31) - 1),
    "step": (0, 100_000),
    "parent": (-1, (1 << 31) - 1),
    "rows": (1, 1024),  # the largest micro-batch
    "row": (0, 1023),
    "nodes": (0, 100_000),
}
LONGEST = 100_000  # origins in a lineage
NO_BIRTH = "The lineage has no birth: got {}, expected the lineage of a report."
STARTS = 1000  # of these; a start costs no evaluation


@dataclass(frozen=True)
class Origin:
    """How one particle was made.

    Args:
        id: of the particle.
        kind: start: a noise only, whose neighbour the next particle is; else as in `Made`.
        step: index of its time.
        parent: id, -1 for none.
        rows, row: how many rows its network calls had, and which one it was.
        radius: of a neighbour; 1 is a new start.
        nodes: evaluations of a finish.
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
    """The origins of a search's particles, by id, and the starts that they descend from."""

    origins: dict[int, Origin] = field(default_factory=dict)
    roots: dict[int, int] = field(default_factory=dict)

    def add(self, made: Made) -> None:
        """Keep how new particles were made: a task's `on_made`."""
        for i, parent, (rows, row) in zip(made.ids, made.parents, made.places, strict=True):
            self.origins[i] = Origin(
                i, made.kind, made.step, parent, rows, row, made.radius, made.nodes
            )
            fresh = parent < 0 or (made.kind == "born" and made.radius >= 1.0)
            self.roots[i] = i if fresh else self.root(parent)

    def root(self, particle: int) -> int:
        """The id of the start that a particle descends from, its own if it is one.

        A neighbour of a start descends from that start. At radius 1 it is a new start.
        """
        return self.roots.get(particle, particle)

    def lineage(self, particle: int) -> list[Origin]:
        """The origins that lead to a particle, in order."""
        way = [self.origins[particle]]
        while way[-1].kind != "born":
            way.append(self.origins[way[-1].parent])
        while way[-1].parent >= 0:  # a neighbour of the start that its parent descends from
            way.append(replace(self._first(way[-1].parent), kind="start"))
        return way[::-1]

    def _first(self, particle: int) -> Origin:
        while self.origins[particle].kind != "born":
            particle = self.origins[particle].parent
        return self.origins[particle]


@dataclass
class Padded(MicroBatch):
    """Sends one row (1,*D) in its former place, among copies of itself.

    Args:
        rows: of the former call.
        row: the place, below `rows`.
    """

    rows: int = 1
    row: int = 0

    def __call__(self, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        try:
            return function(x.repeat(self.rows, *[1] * (x.ndim - 1)))[self.row : self.row + 1]
        except (OutOfMemory, OneAtATime) as error:
            if self.rows == 1:
                raise
            log.warning("A replay's call was too large, so the last bits differ: %s", error)
        self.rows, self.row = 1, 0
        return function(x)

    def places(self, n: int) -> list[tuple[int, int]]:
        return [(self.rows, self.row)] * n


@dataclass(frozen=True)
class Replay(Method):
    """Makes one particle of an earlier search again, to the same bits on the same device.

    It costs the network rows of the calls that its ancestors were in. The driver finishes it.

    Args:
        way: the origins that lead to it, without its finish.
        path: of the particle.
        end: its finish; None: it had none.
        reward: what it scored then; None: unknown.
        lookahead: with which it was scored.
    """

    is_replay: ClassVar[bool] = True

    way: tuple[Origin, ...]
    path: int = 0
    end: Origin | None = None
    reward: float | None = None
    lookahead: int = 0

    @classmethod
    def of(
        cls,
        lineage: Sequence[dict[str, Any]],
        path: int = 0,
        reward: float | None = None,
        lookahead: int = 0,
    ) -> Replay:
        """A replay of a particle that a report describes.

        Args:
            lineage: the report's entries of that name.
            path, reward, lookahead: as the report has them.

        Raises:
            ValueError: the entries are no lineage.
        """
        way = origins(lineage)
        if not way:
            raise ValueError(NO_BIRTH.format("no entries"))
        end = way.pop() if way[-1].kind == "finish" else None
        return cls(tuple(way), path, end, reward, lookahead)

    @property
    def nodes(self) -> int:
        """Evaluations of the finish."""
        return self.end.nodes if self.end else 0

    def rounds(self, steps: int) -> list[Round]:
        """One for each origin: its tries are the rows of its network calls.

        Raises:
            ValueError: the lineage goes beyond the last of `steps` times.
        """
        if (last := max(origin.step for origin in self.way)) >= steps:
            raise ValueError(
                f"The lineage of the replay goes on to step {last}: expected less than {steps}, "
                "the steps of this search."
            )
        return [self._round(origin) for origin in self.way if origin.kind != "start"]

    def _round(self, origin: Origin) -> Round:
        begins = {"born": "noise", "propose": "parent", "ode": "survivors", "renoise": "renoised"}
        ode = origin.kind == "ode"
        top = origin.step - 1 if ode or origin.kind == "propose" else origin.step
        scored = origin is self.way[-1]
        return Round(top, origin.step, begins[origin.kind], origin.rows, ode, scored)

    def run(self, task: Task) -> Iterator[SearchEvent]:
        particle: Particles | None = None
        x: Tensor | None = None
        previous = -1  # id of the start that the next one is a neighbour of
        for origin in self.way:
            place = origin.rows, origin.row
            task.resume(origin.id, Padded(rows=origin.rows, row=origin.row))
            score = origin is self.way[-1]
            if origin.kind in ("start", "born"):
                ids, x = task.starts(1, around=x, radius=origin.radius)
                if origin.kind == "born":
                    particle = task.born_from(ids, x, score=score)
                    particle = replace(particle, paths=torch.tensor([self.path]))
                task.on_made(Made("born", ids, [previous], 0, [place], origin.radius))
                previous = origin.id
            elif origin.kind == "renoise":
                particle = task.renoise(particle, origin.step)
            else:
                plain = task.flow.ode if origin.kind == "ode" else None
                particle = task.propose(particle, score=score, kernel=plain)
        yield SearchEvent("propose", particle, task.purse.nfe)
        if self.end:
            task.resume(self.end.id, MicroBatch())
        yield SearchEvent("done", particle, task.purse.nfe)


def origins(lineage: Any) -> list[Origin]:
    """The origins in a report's entries: starts, a birth, what followed, perhaps a finish.

    Raises:
        ValueError: no search can have written these entries.
    """
    if not isinstance(lineage, list | tuple) or len(lineage) > LONGEST:
        listed = isinstance(lineage, list | tuple)
        got = f"{len(lineage)} entries" if listed else type(lineage).__name__
        raise ValueError(
            f"The lineage is not usable: got {got}, expected a list of at most {LONGEST} entries."
        )
    way = [_origin(entry, f"Report entry lineage[{i}]") for i, entry in enumerate(lineage)]
    if way and "born" not in [origin.kind for origin in way]:
        raise ValueError(NO_BIRTH.format(f"{len(way)} entries"))
    if (count := sum(origin.kind == "start" for origin in way)) > STARTS:
        raise ValueError(f"Report entry lineage: got {count} starts, expected at most {STARTS}.")
    for i, (previous, origin) in enumerate(zip([None, *way], way, strict=False)):
        if why := _misplaced(previous, origin):
            raise ValueError(f"Report entry lineage[{i}]: got {why}.")
    return way


def _origin(entry: Any, name: str) -> Origin:
    names = asdict(Origin(0, "born"))
    if not isinstance(entry, dict) or not {"id", "kind"} <= set(entry) <= set(names):
        extra = sorted(map(repr, set(entry) - set(names)))[:1] if isinstance(entry, dict) else []
        got = f"an entry {extra[0][:60]}" if extra else "no id and kind"
        raise ValueError(f"{name} is not usable: got {got}, expected {', '.join(names)}.")
    for key, value in entry.items():
        if key == "kind":
            good, expected = value in get_args(Kind), f"one of {', '.join(get_args(Kind))}"
        elif key == "radius":
            good = type(value) in (int, float) and 0.0 <= value <= 1.0
            expected = "a number from 0 to 1"
        else:
            low, high = RANGES[key]
            good = type(value) is int and low <= value <= high
            expected = f"a whole number from {low} to {high}"
        if not good:
            raise ValueError(f"{name}.{key}: got {repr(value)[:60]}, expected {expected}.")
    return Origin(**entry)


def _misplaced(previous: Origin | None, origin: Origin) -> str:
    """Why an origin cannot follow the previous one, or cannot be the first; empty if it can."""
    kinds = {None: ("start", "born"), "start": ("start", "born"), "finish": ()}
    possible = kinds.get(previous and previous.kind, ("propose", "ode", "renoise", "finish"))
    if origin.kind not in possible:
        after = f"after {previous.kind}" if previous else "first"
        return f"kind {origin.kind} {after}, expected one of {', '.join(possible) or 'none'}"
    if previous and origin.id <= previous.id:
        return f"id {origin.id}, expected one above {previous.id}, the id before it"
    if origin.row >= origin.rows:
        return f"row {origin.row}, expected less than its rows, {origin.rows}"
    if origin.kind in ("start", "born"):
        least = previous.id if previous else -1
        if not least <= origin.parent < origin.id or (origin.parent >= 0 and not previous):
            return f"parent {origin.parent}, expected one from {least} to below {origin.id}"
        return f"step {origin.step}, expected 0" if origin.step else ""
    if origin.parent != previous.id:
        return f"parent {origin.parent}, expected {previous.id}, the id before it"
    if origin.kind in ("propose", "ode") and origin.step != previous.step + 1:
        return f"step {origin.step}, expected {previous.step + 1}"
    if origin.kind == "renoise" and origin.step >= previous.step:
        return f"step {origin.step}, expected less than {previous.step}"
    return ""


def entries(lineage: Sequence[Origin]) -> list[dict[str, Any]]:
    """A lineage as JSON-ready dictionaries, without fields that have their default."""
    plain = asdict(Origin(0, "born"))
    return [
        {k: v for k, v in asdict(origin).items() if k in ("id", "kind") or v != plain[k]}
        for origin in lineage
    ]
