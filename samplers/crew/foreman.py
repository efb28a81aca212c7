"""Hands jobs out to workers, and their answers in, in order: whoever is quick waits for nobody.

An answer that came early is kept under the address of its job. If the search never asks for it, it
is discarded and counted. So the result does not depend on who does what and when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .job import Answer, Client, Job

LOSSES = 2  # of one job, after which no worker gets it again
Queue = Mapping[Hashable, Job]  # by their addresses


class Lost(Exception):
    """A worker is gone, and with it the job that it had. Its argument says why."""


@dataclass(frozen=True)
class Report:
    """What a worker says about a job.

    Args:
        worker: its name.
        job: what it was given.
        result: the answer, or why there is none.
    """

    worker: str
    job: Job
    result: Answer | Exception


class Engine(Protocol):
    """Where workers are."""

    def count(self) -> int:
        """How many workers there are, idle or not."""

    def idle(self) -> Sequence[str]:
        """Names of the workers that can take a job now."""

    def send(self, worker: str, job: Job) -> None:
        """Give a job to a worker."""

    def wait(self) -> Iterable[Report]:
        """What workers have to say; none if nothing comes within a moment."""


@dataclass
class Foreman:
    """The crew of a search, over an engine.

    A job whose worker is lost goes to another one. If two workers were lost with it, or none is
    left, it is done without the crew. A job that fails is given to another worker. If it fails
    there, too, its error ends the search.

    Args:
        engine: has the workers.
        rows: particles of one job.
        discarded: NFE of answers that no search used.
        memo: answers that are there, by the address of their jobs.
        working: by address, the NFE of a job and the worker that has it.
        losses: by address, how many workers were lost with the job.
        failures: by address, the workers that could not do the job.
        first: lower ids are those of particles that exist or never will.
    """

    engine: Engine
    rows: int
    discarded: int = 0
    memo: dict[Hashable, tuple[Job, Answer]] = field(default_factory=dict)
    working: dict[Hashable, tuple[int, str]] = field(default_factory=dict)
    losses: Counter[Hashable] = field(default_factory=Counter)
    failures: dict[Hashable, list[str]] = field(default_factory=dict)
    first: int = 0

    @property
    def width(self) -> int:
        """Jobs done at once."""
        return max(1, self.engine.count())

    def peek(self, job: Job) -> Answer | None:
        """The answer of a job that was done early, if it is there."""
        return self.memo[job.key][1] if job.key in self.memo else None

    def gather(self, jobs: Sequence[Job], client: Client) -> Iterator[Answer]:
        """The answers in order, each as soon as it and those before it are there.

        Raises:
            Exception: a job failed twice.
        """
        self.first = max([self.first, *(max(job.ids) + 1 for job in jobs)])
        queue = {job.key: job for job in jobs}
        self._drop(queue)
        for job in jobs:
            while job.key not in self.memo:
                self._hand_out(queue, client)
                if self._nobody(job.key):
                    self._keep(job, client.alone(job), queue)
                elif not self._listen(queue, client):
                    client.waits()
            del queue[job.key]
            yield self.memo.pop(job.key)[1]

    def close(self) -> None:
        """The search is over. What was done for nothing is discarded, and what is under way."""
        self.discarded += sum(answer.spent.nfe for _, answer in self.memo.values())
        self.discarded += sum(nfe for nfe, _ in self.working.values())
        self.memo, self.working = {}, {}

    def _nobody(self, key: Hashable) -> bool:
        """Whether no worker has the job, and none may get it."""
        if key in self.working:
            return False
        refused = len(self.failures.get(key, ())) >= self.engine.count()
        return refused or self.losses[key] >= LOSSES

    def _drop(self, queue: Queue) -> None:
        """Discard answers for ids that belong to other particles by now."""
        for key, (job, answer) in list(self.memo.items()):
            if key not in queue and job.ids[0] < self.first:
                self.discarded += answer.spent.nfe
                del self.memo[key]

    def _hand_out(self, queue: Queue, client: Client) -> None:
        """Give every idle worker a job, those that the search waits for first."""
        idle = list(self.engine.idle())
        for jobs in (queue.values, client.expected):
            for job in jobs() if idle else ():
                worker = self._taker(job, idle)
                if worker is not None:
                    idle.remove(worker)
                    self.working[job.key] = client.price(job), worker
                    self.engine.send(worker, job)

    def _taker(self, job: Job, idle: Sequence[str]) -> str | None:
        """An idle worker for a job, None if it needs none or there is none."""
        key = job.key
        if key in self.memo or key in self.working or self.losses[key] >= LOSSES:
            return None
        return next((worker for worker in idle if worker not in self.failures.get(key, ())), None)

    def _listen(self, queue: Queue, client: Client) -> bool:
        """Take in what workers say. Returns whether they said anything."""
        reports = list(self.engine.wait())
        for report in reports:
            job, result = report.job, report.result
            if self.working.get(job.key, (0, ""))[1] == report.worker:
                del self.working[job.key]
            if isinstance(result, Answer):
                self._keep(job, result, queue)
                continue
            self.discarded += client.price(job)
            if isinstance(result, Lost):
                self.losses[job.key] += 1
            else:
                self._fail(report, result, queue)
        return bool(reports)

    def _keep(self, job: Job, answer: Answer, queue: Queue) -> None:
        """Keep an answer, unless it is there already or no longer of use."""
        late = job.key not in queue and job.ids[0] < self.first
        if job.key in self.memo or late:
            self.discarded += answer.spent.nfe
        else:
            self.memo[job.key] = job, answer

    def _fail(self, report: Report, error: Exception, queue: Queue) -> None:
        """Note that a worker could not do a job. The second time the error is raised."""
        workers = self.failures.setdefault(report.job.key, [])
        workers.append(report.worker)
        if len(workers) >= LOSSES and report.job.key in queue:
            raise error
