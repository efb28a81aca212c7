"""Workers as Ray actors. The only file that imports Ray, and not before a search has workers."""

from __future__ import annotations

import importlib
import logging
import math
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from ...samplers.crew.foreman import Lost, Report
from ...samplers.crew.job import Job
from . import boot
from .packing import Packed, pack_job, unpack_answer

log = logging.getLogger("flow_search")
OLDEST = 2, 60  # Ray that is started on one computer has a token from here on
MISSING = (
    "Search Workers needs the package ray: got {}, expected 2.60 or newer. Run {} -m pip install "
    "--upgrade ray and restart ComfyUI."
)
MOMENT = 0.1  # seconds that a search waits for an answer before it looks whether to stop
DEATHS = 3  # of one worker in a search, after which it is not replaced
AT_ONCE = 2  # jobs of a worker: one in work, one that waits
PATIENCE = 600.0  # seconds that a search waits for its first worker, if it does no jobs itself
GOODBYE = 5.0  # seconds that workers have to remove their files
LONGEST = 400  # characters of an error of Ray in the log


def check_installed() -> None:
    """Refuse a Python without Ray, or with an old one. This does not import it."""
    try:
        version = metadata.version("ray")
    except metadata.PackageNotFoundError:
        version = "none"
    numbers = [int(part) for part in version.split(".")[:2] if part.isdigit()]
    if tuple(numbers) < OLDEST:
        raise ValueError(MISSING.format(version, sys.executable))


@dataclass(frozen=True)
class Place:
    """Where workers run.

    Args:
        address: of a cluster; empty is this computer.
        count: how many workers; 0 is one for each free GPU of the cluster.
        gpu_share: of a GPU for each; 0 are CPU workers.
        gpus: that workers of this computer may have.
        arguments: of `Boot`, but for its folder.
    """

    address: str
    count: int
    gpu_share: float
    gpus: list[str]
    arguments: tuple[Any, ...]


@contextmanager
def only(gpus: Sequence[str]) -> Iterator[None]:
    """Show only some GPUs to the processes that start while the block runs."""
    name = "CUDA_VISIBLE_DEVICES"
    before = os.environ.get(name)
    os.environ[name] = ",".join(gpus)
    try:
        yield
    finally:
        os.environ.pop(name)
        os.environ |= {name: before} if before is not None else {}


def started_here(ray: Any, place: Place) -> str:
    """Start Ray on this computer, for itself only. Returns the folder where it keeps its files."""
    cpus = max(place.count + 1, os.cpu_count() or 1)
    memory = (256 + 16 * place.count) << 20
    with only(place.gpus):
        context = ray.init(
            address="local", num_cpus=cpus, num_gpus=len(place.gpus), object_store_memory=memory,
            include_dashboard=False, log_to_driver=False, configure_logging=False,
        )  # fmt: skip
    return context.address_info["session_dir"]


class RayEngine:
    """An engine of Ray actors. A worker that dies is replaced, unless it does so again and again.

    Args:
        place: where they run.
    """

    def __init__(self, place: Place) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")  # 15 would starve on a busy computer
        check_installed()
        self.ray = ray = importlib.import_module("ray")
        self.folder = ""
        if place.address:
            ray.init(address=place.address, log_to_driver=False, configure_logging=False)
        else:
            self.folder = started_here(ray, place)
        ray.cloudpickle.register_pickle_by_value(boot)
        self.actor = ray.remote(boot.Boot).options(
            num_gpus=place.gpu_share, num_cpus=1, max_restarts=0, max_task_retries=0,
            max_concurrency=4, scheduling_strategy="SPREAD",
        )  # fmt: skip
        self.arguments = *place.arguments, self.folder
        self.names = [f"worker {i + 1}" for i in range(place.count or self._room(place.gpu_share))]
        self.actors: dict[str, Any] = {}
        self.ready: set[str] = set()
        self.preparing: dict[Any, str] = {}
        self.pending: dict[Any, tuple[str, Job]] = {}
        self.reports: list[Report] = []
        self.deaths: Counter[str] = Counter()
        self.refused: dict[str, str] = {}
        self.settled: tuple[int, int] | None = None
        self.record, self.device = -math.inf, "cpu"
        self.search: tuple[Packed, Packed] | None = None
        self.until = 0.0

    def _room(self, gpu_share: float) -> int:
        """How many workers a cluster has room for."""
        kind, share = ("GPU", gpu_share) if gpu_share else ("CPU", 1)
        return int(self.ray.available_resources().get(kind, 0) / share)

    def begin(self, graph: Packed, sent: Packed, waits: bool) -> None:
        """Have all workers prepare for a search. They join as soon as they are ready.

        Args:
            graph: what they run.
            sent: what they need besides.
            waits: whether workers that prepare count, as those that can be waited for.
        """
        self.until = time.monotonic() + PATIENCE if waits else 0.0
        self.ready, self.preparing, self.pending, self.reports = set(), {}, {}, []
        self.deaths.clear()
        self.refused = {}
        self.device = sent.pop("device")
        self.settled, self.record, self.search = None, -math.inf, (graph, sent)
        for name in self.names:
            self._prepare(name)

    def end(self) -> None:
        """The search is over. Workers keep their models."""
        for name in self.ready:
            self.actors[name].stop.remote()
        self.ready, self.preparing = set(), {}

    def close(self) -> None:
        """End all workers and the Ray that was started for them."""
        goodbyes = [actor.close.remote() for actor in self.actors.values()]
        if goodbyes:
            self.ray.wait(goodbyes, num_returns=len(goodbyes), timeout=GOODBYE)
        for actor in self.actors.values():
            self.ray.kill(actor)
        self.actors = {}
        self.ray.shutdown()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self, name: str) -> None:
        if name not in self.actors:
            self.actors[name] = self.actor.remote(*self.arguments)
        self.preparing[self.actors[name].prepare.remote(*self.search)] = name

    def count(self) -> int:
        waits = self.preparing and time.monotonic() < self.until
        return len(self.ready) + (len(self.preparing) if waits else 0)

    def idle(self) -> Sequence[str]:
        self._poll(0.0)
        busy = [worker for worker, _ in self.pending.values()]
        return [name for name in sorted(self.ready) if busy.count(name) < AT_ONCE]

    def send(self, worker: str, job: Job) -> None:
        packed = pack_job(job) | {"settled": self.settled, "record": self.record}
        self.pending[self.actors[worker].perform.remote(packed)] = worker, job

    def wait(self) -> list[Report]:
        self._poll(MOMENT)
        reports, self.reports = self.reports, []
        return reports

    def refuse(self, worker: str, why: str) -> None:
        if worker in self.ready:
            self.ready.discard(worker)
            self.actors[worker].stop.remote()
        self.refused[worker] = why
        log.warning("%s cannot take part: %s", worker, why)

    def _poll(self, seconds: float) -> None:
        """Take in what workers have said, or say within some seconds."""
        waiting = [*self.preparing, *self.pending]
        if not waiting or self.reports:
            return
        done, _ = self.ray.wait(waiting, num_returns=1, timeout=seconds)
        for ref in done:
            if ref in self.preparing:
                self._join(ref)
            else:
                self._answer(ref)

    def _join(self, ref: Any) -> None:
        """A worker is ready, or says why not."""
        name = self.preparing.pop(ref)
        try:
            state = self.ray.get(ref)
        except self.ray.exceptions.RayTaskError as error:
            state = f"{error.cause}"
        except self.ray.exceptions.RayError as error:
            self._bury(name, error)
            return
        if state == "ready":
            self.ready.add(name)
            log.info("%s is ready.", name)
        else:
            self.refuse(name, state)

    def _answer(self, ref: Any) -> None:
        worker, job = self.pending.pop(ref)
        result: Any
        try:
            result = unpack_answer(self.ray.get(ref), self.device)
        except self.ray.exceptions.RayTaskError as error:
            result = RuntimeError(f"{worker}: {error.cause}")
        except self.ray.exceptions.RayError as error:
            self._bury(worker, error)
            result = Lost(str(error))
        self.reports.append(Report(worker, job, result))

    def _bury(self, name: str, error: Exception) -> None:
        """Replace a worker that died, unless it died too often."""
        if self.actors.pop(name, None) is None:  # its other job said so
            return
        self.ready.discard(name)
        self.deaths[name] += 1
        text = " ".join(str(error).split())  # it begins with what happened, and ends with the cause
        text = (
            text if len(text) < LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
        )
        log.warning("%s is lost: %s", name, text)
        if self.deaths[name] < DEATHS:
            self._prepare(name)
        else:
            self.refused[name] = f"It was lost {DEATHS} times."
