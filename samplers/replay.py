"""How every particle came about, and the search that goes the way of one of them again.

What a row of a network call gives depends on the call's shape, in its last bits. So an origin keeps
the place of its particle in the call, and a replay fills the other rows with copies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from .batching import MicroBatch, OneAtATime, OutOfMemory
from .purse import Prices
from .regions import Box
from .task import Task
from .types import Made, Particles, SearchEvent

log = logging.getLogger("flow_search")
Kind = Literal["start", "born", "propose", "ode", "renoise", "finish"]
RANGES = {  # of an origin's whole numbers
    "id": (0, (1 << 31) - 1),
    "step": (0, 100_000),
    "parent": (-1, (1 << 31) - 1),
    "rows": (1, 1024),  # the largest micro-batch
    "row": (0, 1023),
    "nodes": (0, 100_000),
}
FARTHEST = 1 << 20  # end of a region, in cells
LONGEST = 100_000  # origins in a lineage
STARTS = 1000  # of them, noises alone, which cost nothing


@dataclass(frozen=True)
class Origin:
    """One particle's birth: row `row` of `rows` in its network calls.

    start: the noise alone, about which the next is a neighbour at `radius`; the others as in Made.
    `box`: the region in which a start or a birth differs from the start before it, or that was
    noised back up; () is everything.
    """

    id: int
    kind: Kind
    step: int = 0
    parent: int = -1
    rows: int = 1
    row: int = 0
    radius: float = 1.0
    nodes: int = 0
    box: Box = ()


@dataclass
class Book:
    """The origins of a search's particles, by id, and the start that each goes back to."""

    origins: dict[int, Origin] = field(default_factory=dict)
    roots: dict[int, int] = field(default_factory=dict)

    def add(self, made: Made) -> None:
        """What a task tells of new particles."""
        boxes = made.boxes or [()] * len(made.ids)
        columns = zip(made.ids, made.parents, made.places, boxes, strict=True)
        for i, parent, (rows, row), box in columns:
            self.origins[i] = Origin(
                i, made.kind, made.step, parent, rows, row, made.radius, made.nodes, tuple(box)
            )
            whole = made.kind == "born" and made.radius >= 1.0 and not box
            fresh = parent < 0 or whole
            self.roots[i] = i if fresh else self.root(parent)

    def root(self, particle: int) -> int:
        """The id of the start that a particle descends from, itself if it is one.

        A neighbour of another start descends from that. At radius 1 and without a box it is a new
        start.
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
    guided: ClassVar[bool] = True
    weighted: ClassVar[bool] = False

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
        way = origins(lineage)
        if "born" not in [origin.kind for origin in way]:
            raise ValueError("A lineage without a birth was given, wanted that of a report.")
        end = way.pop() if way[-1].kind == "finish" else None
        return cls(tuple(way), path, end, reward, lookahead)

    @property
    def nodes(self) -> int:
        """Evaluations of the finish."""
        return self.end.nodes if self.end else 0

    def rows(self, steps: int, prices: Prices) -> int:
        """Network rows that it takes on `steps` times, the finish left out."""
        if (last := max(origin.step for origin in self.way)) >= steps:
            raise ValueError(
                f"The lineage of the replay goes on to step {last}: expected less than {steps}, "
                "the steps of this search."
            )
        each = {"start": 0, "born": prices.birth, "propose": prices.child, "ode": 1, "renoise": 1}
        slopes = prices.slope * sum(origin.kind == "propose" for origin in self.way)
        calls = sum(origin.rows * each[origin.kind] for origin in self.way)
        return calls + slopes + self.way[-1].rows * prices.score

    def run(self, task: Task) -> Iterator[SearchEvent]:
        particle: Particles | None = None
        x: Tensor | None = None
        before = -1  # the start that the next is a neighbour of
        passed: dict[int, Particles] = {}  # the last particle of the way at each step
        for origin in self.way:
            place = origin.rows, origin.row
            task.resume(origin.id, Padded(rows=origin.rows, row=origin.row))
            score, boxes = origin is self.way[-1], [origin.box] if origin.box else ()
            if origin.kind in ("start", "born"):
                ids, x = task.starts(1, around=x, radius=origin.radius, boxes=boxes)
                if origin.kind == "born":
                    particle = task.born_from(ids, x, score=score)
                    particle = replace(particle, paths=torch.tensor([self.path]))
                task.on_made(Made("born", ids, [before], 0, [place], origin.radius, boxes=boxes))
                before = origin.id
            elif origin.kind == "renoise":
                particle = task.renoise(particle, origin.step, passed.get(origin.step), boxes)
            else:
                plain = task.flow.ode if origin.kind == "ode" else None
                particle = task.propose(particle, score=score, kernel=plain)
            passed[origin.step] = particle
        yield SearchEvent("propose", particle, task.purse.nfe)
        if self.end:
            task.resume(self.end.id, MicroBatch())
        yield SearchEvent("done", particle, task.purse.nfe)


def origins(lineage: Any) -> list[Origin]:
    """The origins that the entries of a report name: starts, a birth, what followed, a finish.

    Raises:
        ValueError: one sentence, for entries that no search can have written.
    """
    if not isinstance(lineage, list | tuple) or len(lineage) > LONGEST:
        raise ValueError(
            f"A lineage that is not one was given, wanted a list of at most {LONGEST} entries."
        )
    way = [_origin(entry, f"Report entry lineage[{i}]") for i, entry in enumerate(lineage)]
    if way and "born" not in [origin.kind for origin in way]:
        raise ValueError("A lineage without a birth was given, wanted that of a report.")
    if (count := sum(origin.kind == "start" for origin in way)) > STARTS:
        raise ValueError(f"Report entry lineage: got {count} starts, expected at most {STARTS}.")
    for i, (before, origin) in enumerate(zip([None, *way], way, strict=False)):
        if why := _misplaced(before, origin):
            raise ValueError(f"Report entry lineage[{i}]: got {why}.")
    return way


def _origin(entry: Any, name: str) -> Origin:
    known = asdict(Origin(0, "born"))
    if not isinstance(entry, dict) or not {"id", "kind"} <= set(entry) <= set(known):
        extra = sorted(map(repr, set(entry) - set(known)))[:1] if isinstance(entry, dict) else []
        why = f"{extra[0][:60]} in an entry" if extra else "an entry without id and kind"
        raise ValueError(f"A lineage that is not one was given ({why}).")
    for key, value in entry.items():
        if key == "kind":
            good, expected = value in get_args(Kind), f"one of {', '.join(get_args(Kind))}"
        elif key == "radius":
            good = type(value) in (int, float) and 0.0 <= value <= 1.0
            expected = "a number from 0 to 1"
        elif key == "box":
            good, expected = _is_box(value), "low and high end of one to three axes, low below high"
        else:
            low, high = RANGES[key]
            good = type(value) is int and low <= value <= high
            expected = f"a whole number from {low} to {high}"
        if not good:
            raise ValueError(f"{name}.{key}: got {repr(value)[:60]}, expected {expected}.")
    return Origin(**entry | {"box": tuple(entry.get("box", ()))})


def _is_box(value: Any) -> bool:
    """Whether a report's entry is a region."""
    if not isinstance(value, list | tuple) or len(value) not in (2, 4, 6):
        return False
    if not all(type(end) is int and 0 <= end <= FARTHEST for end in value):
        return False
    return all(low < high for low, high in zip(value[::2], value[1::2], strict=True))


def _misplaced(before: Origin | None, origin: Origin) -> str:
    """What is wrong with an origin after another; empty where nothing is."""
    kinds = {None: ("start", "born"), "start": ("start", "born"), "finish": ()}
    fits = kinds.get(before and before.kind, ("propose", "ode", "renoise", "finish"))
    if origin.kind not in fits:
        after = f"after {before.kind}" if before else "first"
        return f"kind {origin.kind} {after}, expected one of {', '.join(fits) or 'none'}"
    if before and origin.id <= before.id:
        return f"id {origin.id}, expected one above {before.id}, the id before it"
    if origin.row >= origin.rows:
        return f"row {origin.row}, expected less than its rows, {origin.rows}"
    if origin.box and (origin.kind not in ("start", "born", "renoise") or not before):
        return f"a box of kind {origin.kind}, expected one only where a start or a path changes"
    if origin.kind in ("start", "born"):
        least = before.id if before else -1
        if not least <= origin.parent < origin.id or (origin.parent >= 0 and not before):
            return f"parent {origin.parent}, expected one from {least} to below {origin.id}"
        return f"step {origin.step}, expected 0" if origin.step else ""
    if origin.parent != before.id:
        return f"parent {origin.parent}, expected {before.id}, the id before it"
    if origin.kind in ("propose", "ode") and origin.step != before.step + 1:
        return f"step {origin.step}, expected {before.step + 1}"
    if origin.kind == "renoise" and origin.step >= before.step:
        return f"step {origin.step}, expected less than {before.step}"
    return ""


def entries(lineage: Sequence[Origin]) -> list[dict[str, Any]]:
    """A lineage as JSON-ready dictionaries, without what is at its default."""
    plain = asdict(Origin(0, "born"))
    return [
        {
            k: list(v) if k == "box" else v
            for k, v in asdict(origin).items()
            if k in ("id", "kind") or v != plain[k]
        }
        for origin in lineage
    ]
