"""How much sooner workers end a search, on paper: the real search and foreman, a simulated clock.

A worker answers T + TRIP seconds after it gets a job. The search takes TURN seconds an answer.
Nothing else takes time. So the model knows how far RBF can look ahead, and how often for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from ..samplers.crew.engine import Report
from ..samplers.crew.foreman import Foreman
from ..samplers.crew.job import Job, perform
from ..samplers.crew.task import CrewedTask
from ..samplers.crew.turns import Turns
from ..samplers.rules import Finish, Outcome, StopRules
from ..samplers.run import run
from ..samplers.search.best_of_n import BestOfN
from ..samplers.search.rbf import RolloverBudgetForcing
from ..samplers.search.rounds import Search
from ..samplers.search.svdd import SVDD
from ..samplers.search.zero_order import ZeroOrder
from ..samplers.task import Task
from ..tools.sections import table
from .sleeping import settings_of

TRIP, TURN = 0.015, 0.004  # seconds: of a job's way there and back, and of the search for each
SIDE = 64  # of the image in pixels, so that nothing is slow
FLUX = 1.45  # seconds of an evaluation with its decode and score
RBF = RolloverBudgetForcing(children="kernel")
# Name, method, NFE, what limits it.
PLANS: tuple[tuple[str, Search, int, str], ...] = (
    ("SVDD", SVDD(children="kernel"), 100, "10 particles a step"),
    ("SVDD", SVDD(children="kernel"), 640, ""),
    ("Best of N", BestOfN(), 640, "number of images"),
    ("RBF", RBF, 100, "tries per step, then the order of moves"),
    ("RBF", RBF, 300, ""),
    ("Zero-order, 4 neighbours", ZeroOrder(neighbours=4), 300, "neighbours"),
)
WORKERS = 8, 64
SEEDS = range(16)  # of the noise
HEADS = ("method", "NFE", "8 GPUs", "thrown away", "64 GPUs", "thrown away", "what limits it")


@dataclass
class PaperWorkers:
    """An engine without workers.

    Args:
        task: whose jobs they do.
        workers: how many.
        seconds: that a network row takes.
        now: on the clock.
        busy: by worker, when its job ends.
    """

    task: Task
    workers: int
    seconds: float
    now: float = 0.0
    busy: dict[str, tuple[float, Job]] = field(default_factory=dict)

    def count(self) -> int:
        return self.workers

    def idle(self) -> Sequence[str]:
        return [name for name in map(str, range(self.workers)) if name not in self.busy]

    def send(self, worker: str, job: Job) -> None:
        self.busy[worker] = self.now + self.seconds * job.rows + TRIP, job

    def listen(self, waits: bool) -> Iterator[Report]:
        worker = min(self.busy, key=lambda name: self.busy[name][0])
        if self.busy[worker][0] <= self.now or waits:
            end, job = self.busy.pop(worker)
            self.now = max(self.now, end) + TURN
            yield Report(worker, job, perform(self.task, job))

    def refuse(self, worker: str, why: str) -> None:
        raise AssertionError(f"Worker {worker} is refused: {why}")


def on_paper(
    workers: int, search: Search, budget: int, side: int, seconds: float, seed: int = 0
) -> tuple[float, float]:
    """NFE a second, and the share of all NFE that is thrown away.

    Args:
        workers: how many.
        search: the method.
        budget: NFE.
        side: of the image in pixels. The noise depends on it.
        seconds: that an evaluation takes, with its decode and score.
        seed: of the noise.
    """
    world = {"side": side, "network": 0.0, "rest": 0.0, "budget": budget, "seed": seed}
    engine = PaperWorkers(Task(**settings_of(**world)), workers, seconds)
    foreman = Foreman(engine, rows=1, turns=Turns(lambda: engine.now))
    task = CrewedTask(**settings_of(**world), crew=foreman)
    for _ in run(search, task, Finish(), StopRules(), Outcome()):
        pass
    foreman.close()
    nfe = task.purse.nfe
    return nfe / engine.now, foreman.discarded / (nfe + foreman.discarded)


def speedup(
    workers: int, search: Search, budget: int, side: int, seconds: float, seeds: Sequence[int]
) -> tuple[float, float]:
    """How many times as fast it is as one worker, and the share thrown away; means of the seeds.

    Args:
        workers, search, budget, side, seconds: as of `on_paper`.
        seeds: of the noise.
    """
    runs = [on_paper(workers, search, budget, side, seconds, seed) for seed in seeds]
    unit, _ = on_paper(1, search, budget, side, seconds)
    pace, lost = (fmean(column) for column in zip(*runs, strict=True))
    return pace / unit, lost


def paper() -> str:
    """The table of searches of 10 steps with FLUX, on paper."""
    rows = []
    for name, search, budget, limit in PLANS:
        both = (speedup(n, search, budget, SIDE, FLUX, SEEDS) for n in WORKERS)
        cells = [cell for times, lost in both for cell in (f"{times:.1f}", f"{lost:.0%}")]
        rows.append([name, budget, *cells, limit])
        print(*rows[-1], flush=True)
    return table(HEADS, rows)
