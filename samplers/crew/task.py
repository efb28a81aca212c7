"""A task whose particles are evaluated by a crew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..batching import MicroBatch
from ..first_look import FirstLook
from ..ode import ODE, Redraw
from ..purse import BudgetExceeded, Purse
from ..regions import Boxes
from ..task import Columns, Task
from ..types import Origins, Particles, Starts
from .job import Answer, Crew, Job, perform

Drawn = TypeVar("Drawn")
# (new particles, how they were made, the answers, the rows of the particles in their order)
OnAnswers = Callable[[Particles, Origins, Sequence[Answer], Sequence[int]], None]


@dataclass
class Ids:
    """The ids of new particles, in order.

    Args:
        next: the next one.
    """

    next: int = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.next += 1
        return self.next - 1


@dataclass
class CrewedTask(Task):
    """A task that cuts what a search asks for into jobs, and commits their answers in order.

    The rows of a job share a time, and there are at most `crew.rows` of them. A search without a
    crew makes the same network calls with a micro-batch of that size. Guidance needs gradients,
    which no job computes. While scores depend on earlier ones, the task does all by itself.

    Args:
        crew: does the jobs.
        likely: draws what the search may ask for next, from a task that looks ahead.
        mark: the next id at the time when `likely` was given.
        early: latents of starts that are not used yet, by their ids.
        ready: whether a score no longer depends on those before it.
        kept: what the objective keeps of a job that was done here.
        on_answers: called for new particles with the answers, and the row of each particle.
    """

    ids: Ids = field(default_factory=Ids)
    crew: Crew = field(kw_only=True)
    likely: Callable[[Task], object] = lambda ahead: None
    mark: int = 0
    early: dict[tuple[int, ...], Tensor] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    kept: Callable[[Job], Any] = lambda job: None
    on_answers: OnAnswers = lambda particles, kind, answers, order: None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steering:
            raise ValueError("A guided search has no crew: got guidance, expected none.")

    def expect(self, likely: Callable[[Task], object]) -> None:
        self.likely, self.mark = likely, self.ids.next

    def born_from(self, starts: Starts, score: bool = True) -> Particles:
        """As of `Task`, by the crew."""
        if not self.ready():
            return super().born_from(starts, score)
        price, zeros = self.prices.born if score else self.prices.birth, [0] * len(starts)
        self.purse.require(len(starts) * price)
        settings = {name: getattr(starts, name) for name in ("x", "radius", "boxes")}
        columns = starts.ids, starts.parents, zeros, zeros
        return self._made("born", columns, price, settings | {"score": score})

    def propose(
        self,
        parents: Particles,
        score: bool = True,
        kernel: ODE | Redraw | None = None,
        boxes: Boxes = (),
    ) -> Particles:
        """As of `Task`, by the crew.

        Args:
            parents, score, kernel, boxes: as of `Task`.
        """
        if not self.ready():
            return super().propose(parents, score, kernel, boxes)
        kind = kernel.kind if kernel else "propose"
        price = max(1, (kernel or self.flow.kernel).inner) + (self.lookahead if score else 0)
        settings = {"parents": parents, "score": score, "boxes": boxes}
        return self._descended(kind, parents, (parents.steps + 1).tolist(), price, settings)

    def renoise(
        self, particles: Particles, step: int, ancestors: Particles | None = None, boxes: Boxes = ()
    ) -> Particles:
        """As of `Task`, by the crew.

        Args:
            particles, step, ancestors, boxes: as of `Task`.
        """
        if not self.ready():
            return super().renoise(particles, step, ancestors, boxes)
        settings = {"parents": particles, "score": False, "boxes": boxes}
        settings |= {"ancestors": ancestors} if boxes else {}
        return self._descended("renoise", particles, [step] * len(particles), 1, settings)

    def finish(self, particle: Particles, nodes: int) -> Particles:
        if not self.ready():
            return super().finish(particle, nodes)
        before = self.ids.next
        try:
            settings = {"parents": particle, "nodes": nodes}
            return self._descended("finish", particle, [len(self.times)], nodes, settings)
        except BudgetExceeded:  # the model costs more there than its price: keep what was scored
            if self.ids.next == before or not nodes:
                raise
        self.ids.next = before
        return self.finish(particle, 0)

    def _descended(
        self,
        kind: Origins,
        parents: Particles,
        steps: list[int],
        price: int,
        settings: dict[str, Any],
    ) -> Particles:
        """One new particle of each parent; the other arguments are those of `_made`."""
        self.purse.require(len(parents) * price)
        columns = self._new_ids(len(parents)), parents.ids.tolist(), parents.paths.tolist(), steps
        return self._made(kind, columns, price, settings)

    def _made(
        self,
        kind: Origins,
        columns: Columns,
        price: int,
        settings: dict[str, Any],
    ) -> Particles:
        """New particles, made by the crew.

        Args:
            kind: of the jobs.
            columns: ids, parents, paths and steps, K each.
            price: network rows of one particle.
            settings: arguments of a job; columns of them have K rows.
        """
        ids, family, _, steps = columns
        jobs, order, heir = [], [], int(self.first_look.leads(ids, family))
        for step in sorted(set(steps)):
            at_step = [row for row, row_step in enumerate(steps) if row_step == step]
            for rows in _parts(at_step, self.crew.rows, 0 if jobs else heir):
                names = tuple(ids[i] for i in rows), tuple(family[i] for i in rows)
                picked = {name: _rows(value, rows) for name, value in settings.items()}
                jobs.append(Job(kind, *names, step, price * len(rows), **picked))
                order += rows
        answers = [*self._inherited(jobs[:heir]), *self._answers(jobs[heir:])]
        back = torch.tensor(order).argsort()
        tensors = (
            torch.cat([getattr(answer, name) for answer in answers])[back]
            for name in ("x", "x0", "clean", "reward")
        )
        particles = Particles(*tensors, *map(torch.tensor, columns))
        self.on_answers(particles, kind, answers, order)
        return particles

    def _inherited(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """The answers of jobs whose network calls the look has made."""
        return (self._noted(job, self.alone(job, self.first_look)) for job in jobs)

    def _answers(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """The answers of the crew, each paid and noted in its turn."""
        gathered = self.crew.gather(jobs, self) if jobs else ()
        return (self._noted(*both) for both in zip(jobs, gathered, strict=True))

    def _noted(self, job: Job, answer: Answer) -> Answer:
        self.purse.commit(answer.spent)
        for particle, reason in answer.failed.items():
            self.failed.setdefault(particle, reason)
        self.on_made(job.made(answer.places))
        self.on_call()
        return answer

    def waits(self) -> None:
        """Called while the crew works: the search may have to stop."""
        self.on_call()

    def price(self, job: Job) -> int:
        """NFE that a job should take."""
        return job.rows * self.purse.cost

    def alone(self, job: Job, first_look: FirstLook | None = None) -> Answer:
        """Do a job without the crew. It is paid with its answer, as all are."""
        before = self.purse.spent()
        answer = replace(perform(self, job, first_look), images=self.kept(job))
        self.purse.restore(before)
        return answer

    def expected(self) -> list[Job]:
        """What the search may ask for next, the likeliest first."""
        self.early = {ids: x for ids, x in self.early.items() if ids[0] >= self.ids.next}
        ahead = Ahead(
            self.flow,
            Purse(cost=self.purse.cost),
            lookahead=self.lookahead,
            batch=MicroBatch(self.crew.rows),
            ids=Ids(self.mark),
            crew=self.crew,
            early=self.early,
            now=self.ids.next,
        )
        with suppress(Enough):
            self.likely(ahead)
        return ahead.jobs


class NotYet(Exception):
    """What looks ahead needs an answer that is not there yet."""


class Enough(Exception):
    """What looks ahead has found work for the whole crew."""


@dataclass
class Ahead(CrewedTask):
    """Stands for a task while a search looks ahead: it notes jobs, and does none.

    An operation returns particles if all of their answers are there.

    Args:
        now: the next id of the task. Particles with lower ids exist already.
        jobs: noted so far.
        open: how many of them have no answer.

    Raises:
        NotYet: an answer is not there.
        Enough: there is work for the whole crew.
    """

    now: int = 0
    jobs: list[Job] = field(default_factory=list)
    open: int = 0

    def attempt(self, draw: Callable[[], Drawn]) -> Drawn | None:
        """What is drawn, None if an answer is not there yet. The jobs are noted."""
        try:
            return draw()
        except NotYet:
            return None

    def born(self, n: int, score: bool = True) -> Particles:
        ids = self._new_ids(n)
        if ids[0] < self.now:
            raise NotYet
        if (key := tuple(ids)) not in self.early:
            self.early[key] = self.flow.born(ids)
        return self.born_from(Starts(ids, self.early[key], [-1] * n), score)

    def _answers(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        if self.open >= self.crew.width:
            raise Enough
        answers = [self.crew.peek(job) for job in jobs]
        if jobs and jobs[0].ids[0] >= self.now:
            self.jobs += jobs
            self.open += answers.count(None)
        if None in answers:
            raise NotYet
        return iter(answers)


def _parts(rows: list[int], size: int, alone: int) -> Iterator[list[int]]:
    """Parts of at most `size` rows; the first `alone` rows are a part of their own."""
    if alone:
        yield rows[:alone]
    for first in range(alone, len(rows), size):
        yield rows[first : first + size]


def _rows(value: Any, rows: list[int]) -> Any:
    """Some rows of an argument that has rows; another one as it is."""
    if isinstance(value, Tensor | Particles):
        return value[rows]
    return [value[i] for i in rows] if isinstance(value, list | tuple) and value else value
