"""A unit of work, its answer, and what does it: one network call's worth of particles."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from ..first_look import FirstLook
from ..purse import Spent
from ..regions import Boxes
from ..task import Task
from ..types import Made, Origins, Particles, Starts


@dataclass(frozen=True, eq=False)
class Job:
    """What is done with a few particles in one go: kernel, network, lookahead, decode and score.

    Args:
        kind: how the particles are made, as in `Made`.
        ids: of the new particles, K.
        family: ids of their parents, K; of births, of the particles whose starts they are near.
        step: index of their time.
        rows: network rows that it takes.
        parents: K rows at one step; None for births.
        x: (K,*D) where births begin.
        score: whether they are scored.
        nodes: evaluations of a finish.
        radius, boxes: as in `Made`.
        ancestors: K rows, the particles outside of the boxes of a renoise.
    """

    kind: Origins
    ids: tuple[int, ...]
    family: tuple[int, ...]
    step: int
    rows: int
    parents: Particles | None = None
    x: Tensor | None = None
    score: bool = True
    nodes: int = 0
    radius: float = 1.0
    boxes: Boxes = ()
    ancestors: Particles | None = None

    @property
    def key(self) -> Hashable:
        """The address of the answer. Jobs of one search that have it in common are the same."""
        where = self.kind, self.ids, self.family, self.step, self.score, self.nodes, self.radius
        return *where, tuple(map(tuple, self.boxes))

    def made(self, places: Sequence[tuple[int, int]]) -> Made:
        """How its particles were made, for whoever keeps their lineage.

        Args:
            places: of the answer.
        """
        settings = self.radius, self.nodes, self.boxes
        return Made(self.kind, self.ids, self.family, self.step, places, *settings)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a job found, in the order of its ids.

    Args:
        x, x0, clean, reward: columns of the particles; rewards are float64 on the CPU.
        spent: what it took.
        places: (rows, row) of each, as in `Made`.
        failed: reasons by id.
        images: what the objective kept of it.
    """

    x: Tensor
    x0: Tensor
    clean: Tensor
    reward: Tensor
    spent: Spent
    places: Sequence[tuple[int, int]]
    failed: Mapping[int, str] = field(default_factory=dict)
    images: Any = None


class Client(Protocol):
    """Whoever wants answers, as the crew sees it."""

    def expected(self) -> Sequence[Job]:
        """What may be wanted next, the likeliest first."""

    def waits(self) -> None:
        """Called while nothing comes. It may raise."""

    def alone(self, job: Job) -> Answer:
        """Do a job without the crew."""

    def price(self, job: Job) -> int:
        """NFE that a job should take."""


class Crew(Protocol):
    """Whoever does jobs.

    Attributes:
        rows: particles of one job. The last bits of a row depend on it, and on nothing else here.
        width: jobs done at once.
        discarded: NFE of answers that no search used.
    """

    rows: int
    discarded: int

    @property
    def width(self) -> int: ...

    def gather(self, jobs: Sequence[Job], client: Client) -> Iterator[Answer]:
        """The answers in order, each as soon as it and those before it are there."""

    def peek(self, job: Job) -> Answer | None:
        """The answer of a job that was done early, if it is there."""


def perform(task: Task, job: Job, first_look: FirstLook | None = None) -> Answer:
    """Do a job.

    Args:
        task: of the same flow, objective and lookahead as the search's. Its purse pays.
        job: what to do.
        first_look: what a look has evaluated for it.
    """
    made: list[Made] = []
    failed: dict[int, str] = {}
    before, ids = task.purse.spent(), iter(job.ids)
    worker = Task(
        task.flow,
        task.purse,
        task.objective,
        task.final_objective,
        task.lookahead,
        batch=task.batch,
        counts_itself=task.counts_itself,
        on_call=task.on_call,
        on_made=made.append,
        failed=failed,
        ids=ids,
        first_look=first_look,
    )
    new = _particles(worker, job)
    spent = task.purse.spent().since(before)
    return Answer(new.x, new.x0, new.clean, new.reward, spent, made[0].places, failed)


def _particles(task: Task, job: Job) -> Particles:
    if job.kind == "born":
        starts = Starts(job.ids, job.x, job.family, job.radius, job.boxes)
        return task.born_from(starts, job.score)
    if job.kind == "renoise":
        return task.renoise(job.parents, job.step, job.ancestors, job.boxes)
    if job.kind == "finish":
        return task.finish(job.parents, job.nodes)
    kernel = {"ode": task.flow.ode, "redraw": task.flow.redraw}.get(job.kind)
    return task.propose(job.parents, job.score, kernel, job.boxes)
