"""A search that makes a particle of an earlier search again.

The last bits of a row depend on the shape of its network call. So a replay fills the other rows of
the old call with copies.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from .batching import MicroBatch, OneAtATime, OutOfMemory
from .lineage import NO_BIRTH, STEPS, Origin, origins
from .search.rounds import Choice, Facts, Method, Round
from .task import Task
from .types import Particles, SearchEvent

log = logging.getLogger("flow_search")


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
        ode_steps: of the times, those that the ODE walked in place of the kernel; None: none.
    """

    is_replay: ClassVar[bool] = True

    way: tuple[Origin, ...]
    path: int = 0
    end: Origin | None = None
    reward: float | None = None
    lookahead: int = 0
    ode_steps: int | None = None

    @classmethod
    def of(
        cls,
        lineage: Sequence[dict[str, Any]],
        path: int = 0,
        reward: float | None = None,
        lookahead: int = 0,
        ode_steps: int | None = None,
    ) -> Replay:
        """A replay of a particle that a report describes.

        Args:
            lineage: the report's entries of that name.
            path, reward, lookahead, ode_steps: as the report has them.

        Raises:
            ValueError: the entries are no lineage.
        """
        way = origins(lineage)
        if not way:
            raise ValueError(NO_BIRTH.format("no entries"))
        end = way.pop() if way[-1].kind == "finish" else None
        return cls(tuple(way), path, end, reward, lookahead, ode_steps)

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

    def choice(self, facts: Facts) -> Choice:
        return Choice(self, self.ode_steps, "The replay repeats its report")

    def _round(self, origin: Origin) -> Round:
        begins = {"born": "noise", "ode": "survivors", "renoise": "renoised"}
        ode = origin.kind == "ode"
        top = origin.step - 1 if origin.kind in STEPS else origin.step
        scored = origin is self.way[-1]
        return Round(top, origin.step, begins.get(origin.kind, "parent"), origin.rows, ode, scored)

    def run(self, task: Task) -> Iterator[SearchEvent]:
        particle: Particles | None = None
        x: Tensor | None = None
        previous = -1  # id of the start that the next one is a neighbour of
        passed: dict[int, Particles] = {}  # the last particle at each step
        for origin in self.way:
            place = origin.rows, origin.row
            task.resume(origin.id, Padded(rows=origin.rows, row=origin.row))
            score, boxes = origin is self.way[-1], [origin.box] if origin.box else ()
            if origin.kind in ("start", "born"):
                starts = task.starts(1, x, origin.radius, boxes, previous)
                x = starts.x
                if origin.kind == "start":
                    task.on_made(starts.made([place]))
                else:
                    particle = task.born_from(starts, score)
                    columns = {"paths": [self.path], "parents": [-1]}
                    particle = replace(particle, **{k: torch.tensor(v) for k, v in columns.items()})
                previous = origin.id
            elif origin.kind == "renoise":
                particle = task.renoise(particle, origin.step, passed.get(origin.step), boxes)
            else:
                kernel = {"ode": task.flow.ode, "redraw": task.flow.redraw}.get(origin.kind)
                particle = task.propose(particle, score, kernel, boxes)
            passed[origin.step] = particle
        yield SearchEvent("propose", particle, task.purse.nfe)
        if self.end:
            task.resume(self.end.id, MicroBatch())
        yield SearchEvent("done", particle, task.purse.nfe)
