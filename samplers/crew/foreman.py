"""Hands jobs out to workers, and their answers in, in order: whoever is quick waits for nobody.

An answer that came early is kept under the address of its job. If the search never asks for it, it
is discarded and counted. So the result does not depend on who does what and when.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .engine import Engine, Lost, Report, Unfit
from .job import Answer, Client, Job
from .turns import Turns

LOSSES = 2  # of one job, after which no worker gets it again
Queue = Mapping[Hashable, Job]  # by their addresses
Check = Callable[[Answer, Answer], str]  # (expected, got) -> what is wrong; empty if nothing is


@dataclass
class Foreman:
    """The crew of a search, over an engine.

    A job whose worker is lost goes to another one. If two workers were lost with it, or none is
    left, it is done without the crew. A job that fails is given to another worker. If it fails
    there, too, its error ends the search. A worker that is unfit for a job gets no more. A job that
    takes much longer than others is given to a second worker, and the first answer counts. If all
    workers take so long, the search does jobs itself. With a check, the search does its first job
    itself. Every worker begins with the same job, and takes part if it has the same answer.

    Args:
        engine: has the workers.
        rows: particles of one job.
        works: whether the search does jobs itself while no worker is idle.
        looks_ahead: whether workers do early what the search may ask for next.
        check: of a worker's first answer; None trusts all.
        discarded: NFE of answers that no search used.
        checked: NFE of first answers.
        nfe: of all answers, by worker.
        memo: answers that are there, by the address of their jobs.
        turns: who works on what.
        losses: by address, how many workers were lost with the job.
        failures: by address, the workers that could not do the job.
        first: lower ids are those of particles that exist or never will.
        example: the first job and its answer.
        trusted: workers whose first answer was right.
        examined: by worker, the NFE of a first answer that is awaited.
    """

    engine: Engine
    rows: int
    works: bool = False
    looks_ahead: bool = True
    check: Check | None = None
    discarded: int = 0
    checked: int = 0
    nfe: Counter[str] = field(default_factory=Counter)
    memo: dict[Hashable, tuple[Job, Answer]] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)
    losses: Counter[Hashable] = field(default_factory=Counter)
    failures: dict[Hashable, list[str]] = field(default_factory=dict)
    first: int = 0
    example: tuple[Job, Answer] | None = None
    trusted: set[str] = field(default_factory=set)
    examined: dict[str, int] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """Jobs done at once."""
        return max(1, self.engine.count())

    @property
    def answers_soon(self) -> bool:
        """Whether a worker is nearly done."""
        return self.turns.soon()

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
        if self.check is not None and self.example is None:
            self.example = jobs[0], client.alone(jobs[0])
            self._keep(*self.example, queue)
        for job in jobs:
            while job.key not in self.memo:
                self._hand_out(queue, client)
                here = self._left(job, queue)
                if self._listen(queue, client, waits=here is None):
                    continue  # who has answered gets a job before the search begins one
                if here is not None:
                    self._keep(here, client.alone(here), queue)
                else:
                    client.waits()
            del queue[job.key]
            yield self.memo.pop(job.key)[1]

    def close(self) -> None:
        """The search is over. What was done for nothing is discarded, and what is under way."""
        self.discarded += sum(answer.spent.nfe for _, answer in self.memo.values())
        self.discarded += self.turns.nfe
        self.checked += sum(self.examined.values())
        self.memo, self.turns, self.examined = {}, Turns(), {}

    def _left(self, job: Job, queue: Queue) -> Job | None:
        """A job that is left to the search itself.

        Args:
            job: whose answer it waits for.
            queue: what it waits for.
        """
        if self._refused(job.key):
            return job
        open_jobs = [each for key, each in queue.items() if key not in self.memo]
        free = (each for each in open_jobs if each.key not in self.turns)
        late = (each for each in open_jobs if self.turns.late(each.key))
        helps = self.works or self.turns.stalled()
        return next(free, None) or next(late, None) if helps else None

    def _refused(self, key: Hashable) -> bool:
        """Whether no worker has the job, and none may get it."""
        if key in self.turns:
            return False
        failed = len(self.failures.get(key, ())) >= self.engine.count()
        return failed or self.losses[key] >= LOSSES

    def _drop(self, queue: Queue) -> None:
        """Discard answers for ids that belong to other particles by now."""
        for key, (job, answer) in list(self.memo.items()):
            if key not in queue and job.ids[0] < self.first:
                self.discarded += answer.spent.nfe
                del self.memo[key]

    def _hand_out(self, queue: Queue, client: Client) -> None:
        """Give every idle worker a job, those that the search waits for first."""
        idle = self._trustworthy(self.engine.idle(), client)
        self._give(self._awaited(queue) if idle else (), idle, client)
        # Nothing that may be for nothing waits behind another job: it would be in the way.
        idle = [worker for worker in idle if not self.turns.has(worker)]
        self._give(self._expected(client) if idle else (), idle, client)

    def _give(self, jobs: Iterable[Job], idle: list[str], client: Client) -> None:
        """Give jobs to idle workers, which are idle no more."""
        for job in jobs:
            worker = self._taker(job, idle)
            if worker is not None:
                idle.remove(worker)
                self.turns.begin(job.key, worker, client.price(job))
                self.engine.send(worker, job)

    def _awaited(self, queue: Queue) -> list[Job]:
        """What the search waits for. Jobs that a worker has come last: it may be a straggler."""
        return sorted(queue.values(), key=lambda job: job.key in self.turns)

    def _expected(self, client: Client) -> list[Job]:
        """What the search may ask for next, and no worker has."""
        jobs = client.expected() if self.looks_ahead else []
        return [job for job in jobs if job.key not in self.turns]

    def _trustworthy(self, idle: Sequence[str], client: Client) -> list[str]:
        """The idle workers whose first answer was right. The others get the first job."""
        if self.example is None:
            return list(idle)
        for worker in idle:
            if worker not in self.trusted and worker not in self.examined:
                self.examined[worker] = client.price(self.example[0])
                self.engine.send(worker, self.example[0])
        return [worker for worker in idle if worker in self.trusted]

    def _judge(self, report: Report) -> None:
        """Trust a worker after its first answer, or refuse it."""
        worker, result = report.worker, report.result
        price = self.examined.pop(worker)
        self.checked += result.spent.nfe if isinstance(result, Answer) else price
        if isinstance(result, Lost):
            return
        self.nfe[worker] += result.spent.nfe if isinstance(result, Answer) else 0
        wrong = self.check(self.example[1], result) if isinstance(result, Answer) else str(result)
        if wrong:
            self._dismiss(worker, wrong)
        else:
            self.trusted.add(worker)

    def _taker(self, job: Job, idle: Sequence[str]) -> str | None:
        """An idle worker for a job, None if it needs none or there is none."""
        key = job.key
        if key in self.memo or self.losses[key] >= LOSSES:
            return None
        busy = self.turns.workers(key)
        if busy and (len(busy) > 1 or not self.turns.late(key)):
            return None
        unfit = busy.union(self.failures.get(key, ()))
        return next((worker for worker in idle if worker not in unfit), None)

    def _listen(self, queue: Queue, client: Client, waits: bool) -> bool:
        """Take in what workers say. Returns whether they said anything."""
        reports = list(self.engine.listen(waits))
        for report in reports:
            job, result = report.job, report.result
            if report.worker in self.examined and job is self.example[0]:
                self._judge(report)
                continue
            nfe = result.spent.nfe if isinstance(result, Answer) else 0
            self.turns.end(job.key, report.worker, nfe)
            if isinstance(result, Answer):
                self.nfe[report.worker] += result.spent.nfe
                self._keep(job, result, queue)
                continue
            self.discarded += client.price(job)
            if isinstance(result, Lost):
                self.losses[job.key] += 1
                self.trusted.discard(report.worker)
            elif isinstance(result, Unfit):
                self._dismiss(report.worker, str(result))
            else:
                self._fail(report, result, queue)
        return bool(reports)

    def _dismiss(self, worker: str, why: str) -> None:
        """Give a worker no more jobs. The one that it may have goes to another worker, too."""
        self.trusted.discard(worker)
        self.engine.refuse(worker, why)

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
