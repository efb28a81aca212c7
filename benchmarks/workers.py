"""How much sooner a search ends with workers on Ray: python benchmarks/workers.py --write

The network and the decoder sleep, so no GPU is needed, and one core can stand for eight GPUs:
a worker computes some milliseconds for each evaluation, and so does the search. Needs torch and
Ray 2.60 or newer. Takes about eight minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import runpy
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks.paper_model import RBF, paper, speedup
from pack.benchmarks.sleeping import SleepingWorker, settings_of, without_comfyui
from pack.samplers.crew.foreman import Foreman
from pack.samplers.crew.task import CrewedTask
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import run
from pack.samplers.search.smc import SMC
from pack.samplers.search.svdd import SVDD
from pack.samplers.task import Task
from pack.tools.sections import put, table

MOST = 8  # workers
STEPS = 10
NETWORK, REST = 0.4, 0.1  # seconds of an evaluation, and of a decode with its score
QUICK = 0.04, 0.01  # for the overhead of a particle, which does not depend on them
SIDE = 256  # of the image in pixels; the small latents leave a shared core idle
SVDD_, SMC_ = SVDD(children="kernel"), SMC()
KINDS = (
    ("SVDD", SVDD_, SIDE, (NETWORK, REST), (1, 2, 4, MOST)),
    ("SMC", SMC_, SIDE, (NETWORK, REST), (1, 2, 4, MOST)),
    ("RBF", RBF, SIDE, (NETWORK, REST), (1, 2, 4, MOST)),
    ("SVDD, 1024², 1.35 s", SVDD_, 1024, (1.2, 0.15), (1, MOST)),
)
SEEDS = range(6)  # of RBF's noise
HEADS = ("method", "workers", "NFE", "seconds", "NFE a second", "times one worker", "on paper",
         "workers busy", "thrown away")  # fmt: skip


@dataclass(frozen=True)
class Run:
    """What a search took.

    Args:
        seconds: wall-clock.
        cpu: seconds of the search's own process.
        nfe: that it used.
        discarded: NFE that workers evaluated for nothing.
        digest: of the best latent's bytes.
        lost: workers that died.
    """

    seconds: float
    cpu: float
    nfe: int
    discarded: int
    digest: str
    lost: int = 0

    @property
    def pace(self) -> float:
        """NFE a second."""
        return self.nfe / self.seconds


def searched(task: Task, search: Any) -> tuple[float, float, str]:
    """Seconds of a search, its CPU seconds in this process, and a digest of its best latent."""
    outcome, begin, cpu = Outcome(), time.perf_counter(), time.process_time()
    for _ in run(search, task, Finish(), StopRules(), outcome):
        pass
    took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    return took, cpu, hashlib.sha256(outcome.top[0].clean.numpy().tobytes()).hexdigest()[:12]


def alone(search: Any, budget: int, side: int = SIDE, pace: tuple[float, float] = (NETWORK, REST),
          seed: int = 0) -> Run:  # fmt: skip
    """A search without workers.

    Args:
        search: the method.
        budget: NFE.
        side: of the image in pixels.
        pace: seconds that an evaluation, and a decode with its score, sleep.
        seed: of the noise.
    """
    task = Task(**settings_of(side, *pace, budget, seed))
    seconds, cpu, digest = searched(task, search)
    return Run(seconds, cpu, task.purse.nfe, 0, digest)


class Bench:
    """Workers that are started once.

    Args:
        engine: has MOST of them.
    """

    def __init__(self) -> None:
        place = without_comfyui("workers.ray_start").Place("", MOST, 0.0, [], (str(ROOT),))
        self.engine = without_comfyui("workers.engine_ray").RayEngine(place, SleepingWorker)
        self.names = list(self.engine.names)

    @contextmanager
    def crewed(self, workers: int, budget: int, side: int = SIDE,
               pace: tuple[float, float] = (NETWORK, REST), seed: int = 0, **fields: Any
               ) -> Iterator[CrewedTask]:  # fmt: skip
        """The task of a search with so many workers, all of which are ready.

        Args:
            workers: how many.
            budget, side, pace, seed: as of `alone`.
            fields: of the task.
        """
        engine, world = self.engine, dict(side=side, network=pace[0], rest=pace[1], budget=budget)
        world["seed"] = seed
        engine.names = self.names[:workers]
        engine.begin({}, world | {"device": "cpu"}, waits=True)
        while len(engine.ready) < workers:
            engine.listen(waits=True)
        foreman = Foreman(engine, rows=1)
        try:
            yield CrewedTask(**settings_of(**world), crew=foreman, **fields)
        finally:
            engine.end()
            foreman.close()

    def run(self, workers: int, search: Any, budget: int, **settings: Any) -> Run:
        """A search with workers.

        Args:
            workers: how many.
            search, budget: as of `alone`.
            settings: of `crewed`.
        """
        with self.crewed(workers, budget, **settings) as task:
            seconds, cpu, digest = searched(task, search)
        foreman = task.crew
        lost = sum(self.engine.deaths.values())
        return Run(seconds, cpu, task.purse.nfe, foreman.discarded, digest, lost)

    def killed(self, workers: int, search: Any, budget: int, after: float) -> Run:
        """A search of which a worker is killed.

        Args:
            workers, search, budget: as of `run`.
            after: seconds until then.
        """
        ray, actors = self.engine.ray, self.engine.actors
        victim = ray.get(actors[self.names[0]].pid.remote())
        timer = threading.Timer(after, os.kill, [victim, signal.SIGKILL])
        timer.start()
        return self.run(workers, search, budget)

    def cancelled(self, workers: int, budget: int, after: float) -> tuple[float, float]:
        """Seconds from a cancel to the end of the search, and to that of the next one.

        Args:
            workers, budget: as of `run`.
            after: seconds until the cancel.
        """
        begin = time.perf_counter()

        def cancel() -> None:
            if time.perf_counter() - begin > after:
                raise KeyboardInterrupt

        try:
            with self.crewed(workers, budget, on_call=cancel) as task:
                begin = time.perf_counter()
                searched(task, SVDD_)
        except KeyboardInterrupt:
            ended = time.perf_counter() - begin - after
        self.run(workers, SVDD_, STEPS, pace=(0.0, 0.0))
        return ended, time.perf_counter() - begin - after


def repeated(times: int, measure: Callable[[], Run]) -> Run:
    """The run of the median seconds."""
    runs = sorted((measure() for _ in range(times)), key=lambda each: each.seconds)
    return runs[len(runs) // 2]


def speeds(bench: Bench, repeats: int) -> str:
    """The table of speed-ups over one worker. A method with particles has one for each worker.

    RBF has a budget of 100 NFE. How far it can look ahead differs by its noise, so it has several.
    """
    rows = []
    for name, search, side, pace, counts in KINDS:
        unit = 0.0
        for workers in counts:
            budget = 100 if search is RBF else STEPS * workers
            seeds = SEEDS if search is RBF and workers > 1 else (0,)
            runs = []
            for seed in seeds:
                settings = {"side": side, "pace": pace, "seed": seed}
                measure = partial(bench.run, workers, search, budget, **settings)
                runs.append(repeated(repeats if workers > 1 else 1, measure))
                same = alone(search, budget, side, (0.0, 0.0), seed)
                assert runs[-1].digest == same.digest, f"{name}, {workers} workers: another latent"
            pacing = statistics.fmean(run.pace for run in runs)
            unit = unit or pacing
            lost, nfe = (sum(getattr(run, key) for run in runs) for key in ("discarded", "nfe"))
            rows.append([
                name, workers, runs[0].nfe, f"{statistics.fmean(r.seconds for r in runs):.1f}",
                f"{pacing:.2f}", with_error([run.pace / unit for run in runs]),
                f"{speedup(workers, search, budget, side, sum(pace), seeds)[0]:.2f}",
                f"{pacing * sum(pace) / workers:.0%}", f"{lost / (nfe + lost):.0%}",
            ])  # fmt: skip
            print(*rows[-1], flush=True)
    load = f"Load of the machine at the end: {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores."
    return f"{table(HEADS, rows)}\n\n{load}"


def with_error(values: list[float]) -> str:
    """The mean, with its standard error if there are several."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.2f}" + (f" ± {error:.2f}" if error else "")


def overheads(bench: Bench) -> str:
    """The table of what a particle costs beside the sleep."""
    rows, budget = [], 80
    for side in (128, 1024):
        runs = [alone(SVDD_, budget, side, QUICK)]
        runs += [bench.run(n, SVDD_, budget, side=side, pace=QUICK) for n in (1, 2)]
        for workers, each in enumerate(runs):
            beside = each.seconds * max(1, workers) / each.nfe - sum(QUICK)
            milliseconds = (f"{1e3 * value:.1f}" for value in (each.cpu / each.nfe, beside))
            rows.append([f"{side}²", workers, *milliseconds])
            print(*rows[-1], flush=True)
    return table(["image", "workers", "CPU of the search, ms", "wall-clock, ms"], rows)


def failures(bench: Bench) -> str:
    """The table of a killed worker and a cancel."""
    whole = bench.run(4, SVDD_, 8 * STEPS)
    killed = bench.killed(4, SVDD_, 8 * STEPS, after=whole.seconds / 2)
    ended, usable = bench.cancelled(4, 99 * STEPS, after=2.3)
    assert killed.digest == whole.digest, "another latent with a dead worker"
    assert killed.lost, "the worker was killed too late"
    unit = NETWORK + REST
    rows = [
        ["4 workers, SVDD, 80 NFE", f"{whole.seconds:.1f} s", ""],
        ["one killed in the middle, the same latent", f"{killed.seconds:.1f} s",
         f"{whole.seconds * 4 / 3 + unit:.1f} s"],
        ["cancel, until the search has ended", f"{ended:.2f} s", f"{1 + unit:.1f} s"],
        ["cancel, until the next search, which does not sleep, has ended", f"{usable:.2f} s", ""],
    ]  # fmt: skip
    for row in rows:
        print(*row, flush=True)
    return table(["what", "took", "at most"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3, help="runs with two and more workers")
    parser.add_argument("--only", nargs="*", default=["speeds", "overheads", "failures", "paper"])
    parser.add_argument("--write", action="store_true", help="into docs/workers.md")
    args = parser.parse_args()
    begin = time.perf_counter()
    bench = Bench()
    bench.run(MOST, SVDD_, STEPS * MOST, pace=(0.0, 0.0))
    print(f"{MOST} workers started in {time.perf_counter() - begin:.0f} s", flush=True)
    sections = {
        "speeds": lambda: speeds(bench, args.repeats),
        "overheads": lambda: overheads(bench),
        "failures": lambda: failures(bench),
        "paper": paper,
    }
    try:
        for name in args.only:
            text = sections[name]()
            if args.write:
                put(ROOT / "docs" / "workers.md", f"workers-{name}", text)
    finally:
        bench.engine.close()


if __name__ == "__main__":
    main()
