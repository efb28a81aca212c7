"""How every particle was made: what a report keeps, and what a replay needs.

The last bits of a row depend on the shape of its network call. So an origin keeps the place of its
particle in the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from .regions import Box
from .types import Made

Kind = Literal["start", "born", "propose", "ode", "redraw", "renoise", "finish"]
STEPS = ("propose", "ode", "redraw")  # kinds that go on to the next time
RANGES = {  # of the integers of an origin
    "id": (0, (1 << 31) - 1),
    "step": (0, 100_000),
    "parent": (-1, (1 << 31) - 1),
    "rows": (1, 1024),  # the largest micro-batch
    "row": (0, 1023),
    "nodes": (0, 100_000),
}
FARTHEST = 1 << 20  # end of a region, in cells
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
        box: the region that differs from the start before it, that the kernel drew, or that was
            noised back up; (): all.
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
    """The origins of a search's particles, by id, and the starts that they descend from.

    Args:
        origins: by id.
        roots: the start of each particle, by id.
        apart: whole lineages of particles that were not made by the search's task, by id.
    """

    origins: dict[int, Origin] = field(default_factory=dict)
    roots: dict[int, int] = field(default_factory=dict)
    apart: dict[int, list[Origin]] = field(default_factory=dict)

    def add(self, made: Made) -> None:
        """Keep how new particles were made: a task's `on_made`."""
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
        """The id of the start that a particle descends from, its own if it is one.

        A neighbour of a start descends from that start. At radius 1 and without a box it is a new
        start.
        """
        return self.roots.get(particle, particle)

    def adopt(self, way: list[Origin]) -> int:
        """Give a particle that was made apart an id that no other has.

        Args:
            way: its lineage. The ids in it stay, since the first one is the address of its noise.
        """
        particle = 1 + max([*self.origins, *self.apart, way[-1].id])
        self.apart[particle], self.roots[particle] = way, way[0].id
        return particle

    def lineage(self, particle: int) -> list[Origin]:
        """The origins that lead to a particle, in order."""
        if particle in self.apart:
            return self.apart[particle]
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


def _misplaced(previous: Origin | None, origin: Origin) -> str:
    """Why an origin cannot follow the previous one, or cannot be the first; empty if it can."""
    kinds = {None: ("start", "born"), "start": ("start", "born"), "finish": ()}
    possible = kinds.get(previous and previous.kind, (*STEPS, "renoise", "finish"))
    if origin.kind not in possible:
        after = f"after {previous.kind}" if previous else "first"
        return f"kind {origin.kind} {after}, expected one of {', '.join(possible) or 'none'}"
    if previous and origin.id <= previous.id:
        return f"id {origin.id}, expected one above {previous.id}, the id before it"
    if origin.row >= origin.rows:
        return f"row {origin.row}, expected less than its rows, {origin.rows}"
    if origin.box and (origin.kind in ("ode", "finish") or not previous):
        return f"a box of kind {origin.kind}, expected one only where noise is new"
    if origin.kind in ("start", "born"):
        least = previous.id if previous else -1
        if not least <= origin.parent < origin.id or (origin.parent >= 0 and not previous):
            return f"parent {origin.parent}, expected one from {least} to below {origin.id}"
        return f"step {origin.step}, expected 0" if origin.step else ""
    if origin.parent != previous.id:
        return f"parent {origin.parent}, expected {previous.id}, the id before it"
    if origin.kind in STEPS and origin.step != previous.step + 1:
        return f"step {origin.step}, expected {previous.step + 1}"
    if origin.kind == "renoise" and origin.step >= previous.step:
        return f"step {origin.step}, expected less than {previous.step}"
    return ""


def entries(lineage: Sequence[Origin]) -> list[dict[str, Any]]:
    """A lineage as JSON-ready dictionaries, without fields that have their default."""
    plain = asdict(Origin(0, "born"))
    return [
        {
            k: list(v) if k == "box" else v
            for k, v in asdict(origin).items()
            if k in ("id", "kind") or v != plain[k]
        }
        for origin in lineage
    ]
