"""Crews without threads: workers that answer in any order, twice, or not at all."""

import random
from dataclasses import dataclass, field

from pack.samplers.batching import MicroBatch
from pack.samplers.crew.engine import Lost, Report, Unfit
from pack.samplers.crew.foreman import Foreman
from pack.samplers.crew.job import perform
from pack.samplers.crew.task import CrewedTask
from pack.samplers.lineage import Book
from pack.samplers.purse import Purse

from .setups import Setup
from .world import Counter


@dataclass
class CrewedKept(CrewedTask):
    """A task with a crew whose particles' lineage is kept."""

    book: Book = field(default_factory=Book)

    def __post_init__(self):
        super().__post_init__()
        self.on_made = self.book.add


@dataclass
class Chaos:
    """An engine whose workers have a task of their own, and report by chance.

    Args:
        tasks: of the workers, by name.
        seed: of what happens.
        again: share of the answers that come once more, later.
        lost: share of the answers that are lost, with their worker if `dies`.
        dies: whether a lost worker never comes back.
        unfit: share of the jobs for which a worker has too little memory.
        queue: jobs that a worker takes before it has answered.
        undone: network rows of jobs that died with their worker before they began.
        refused: why workers get no more jobs, by name.
    """

    tasks: dict
    seed: int = 0
    again: float = 0.0
    lost: float = 0.0
    dies: bool = False
    unfit: float = 0.0
    queue: int = 2
    under_way: list = field(default_factory=list)
    done: int = 0
    undone: int = 0
    refused: dict = field(default_factory=dict)

    def __post_init__(self):
        self.random, self.late = random.Random(self.seed), []

    def count(self):
        return len(self.tasks)

    def idle(self):
        busy = [worker for worker, _ in self.under_way]
        return [name for name in self.tasks if busy.count(name) < self.queue]

    def send(self, worker, job):
        self.under_way.append((worker, job))

    def listen(self, waits):
        self.random.shuffle(self.under_way)
        reports = []
        for worker, job in self.late:
            if worker in self.tasks:
                reports.append(Report(worker, job, perform(self.tasks[worker], job)))
        self.late = []
        for _ in range(self.random.randint(0, len(self.under_way))):
            reports += self._report(*self.under_way.pop())
        return reports

    def refuse(self, worker, why):
        self.tasks.pop(worker, None)
        self.refused[worker] = why

    def _report(self, worker, job):
        self.done += 1
        if worker not in self.tasks:
            self.undone += job.rows
            return [Report(worker, job, Lost("killed"))]
        if self.unfit and self.random.random() < self.unfit:
            self.undone += job.rows
            return [Report(worker, job, Unfit("no memory"))]
        answer = perform(self.tasks[worker], job)
        if self.random.random() < self.lost:
            if self.dies:
                del self.tasks[worker]
            return [Report(worker, job, Lost("killed"))]
        if self.random.random() < self.again:
            self.late.append((worker, job))
        return [Report(worker, job, answer)]

    def drain(self):
        """Do what is under way, which the foreman has counted as discarded."""
        for worker, job in self.under_way:
            if worker in self.tasks:
                perform(self.tasks[worker], job)
            else:
                self.undone += job.rows


@dataclass
class Punctual:
    """An engine whose workers take a second for each job, on a clock of its own."""

    tasks: dict
    now: float = 0.0
    busy: dict = field(default_factory=dict)
    undone: int = 0

    def count(self):
        return len(self.tasks)

    def idle(self):
        return [name for name in self.tasks if name not in self.busy]

    def send(self, worker, job):
        self.busy[worker] = self.now + 1.0, job

    def listen(self, waits):
        if waits:
            self.now = min(end for end, _ in self.busy.values())
        return self.said()

    def said(self):
        ready = [worker for worker, (end, _) in self.busy.items() if end <= self.now]
        jobs = [(worker, self.busy.pop(worker)[1]) for worker in ready]
        return [Report(worker, job, perform(self.tasks[worker], job)) for worker, job in jobs]

    def drain(self):
        """Do what is under way."""


@dataclass
class Sluggish(Punctual):
    """An engine whose workers take a second for a job, but for those that are slow.

    Args:
        slow: by worker, after how many of its jobs all others take an hour.
    """

    slow: dict = field(default_factory=dict)

    def send(self, worker, job):
        left = self.slow.get(worker, 999)
        self.slow[worker] = left - 1
        self.busy[worker] = self.now + (1.0 if left > 0 else 3600.0), job

    def listen(self, waits):
        """It waits for a quarter of a second."""
        self.now += 0.25 * waits
        return self.said()

    def drain(self):
        for worker, (_, job) in self.busy.items():
            perform(self.tasks[worker], job)


def crewed(setup: Setup, rows: int, workers: int, denoiser, engine=Chaos, **chaos):
    """(task, foreman, counter of all network rows) of a search with a crew."""
    counter = Counter(denoiser)
    plain = setup.task(denoiser=counter)
    fields = ("flow", "objective", "lookahead", "batch")
    settings = {name: getattr(plain, name) for name in fields} | {"batch": MicroBatch(rows)}
    tasks = {
        f"worker {i}": CrewedKept(purse=Purse(cost=setup.cost), crew=None, **settings)
        for i in range(workers)
    }
    foreman = Foreman(engine(tasks, **chaos), rows)
    if engine is not Chaos:
        foreman.turns.clock = lambda: foreman.engine.now
    return CrewedKept(purse=plain.purse, crew=foreman, **settings), foreman, counter
