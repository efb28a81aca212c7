"""Workers as Ray actors."""

from __future__ import annotations

import logging
import math
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...samplers.crew.engine import Lost, Report, Unfit
from ...samplers.crew.job import Job
from . import boot
from .packing import Packed, pack_job, unpack_answer
from .ray_start import Place, shortened, start

log = logging.getLogger("flow_search")
MOMENT = 0.1  # seconds that a search waits for an answer before it looks whether to stop
DEATHS = 3  # of one worker in a search, after which it is not replaced
AT_ONCE = 2  # jobs of a worker: one in work, one that waits
PATIENCE = 600.0  # seconds that a search waits for its first worker, if it does no jobs itself
GOODBYE = 5.0  # seconds that workers have to remove their files


class RayEngine:
    """An engine of Ray actors. A worker that dies is replaced, unless it does so again and again.

    Args:
        place: where they run.
        actor: the class of a worker.

    Raises:
        NotStarted: Ray does not start on this computer.
        ValueError: Ray is missing or old, or there is no cluster at the address.
    """

    def __init__(self, place: Place, actor: type = boot.Boot) -> None:
        self.ray, self.folder = start(place)
        ray = self.ray
        ray.cloudpickle.register_pickle_by_value(sys.modules[actor.__module__])
        self.actor = ray.remote(actor).options(
            num_gpus=place.gpu_share, num_cpus=1, max_restarts=0, max_task_retries=0,
            max_concurrency=4, scheduling_strategy="SPREAD",
        )  # fmt: skip
        self.arguments = *place.arguments, self.folder
        self.names = [f"worker {i + 1}" for i in range(place.count or self._room(place.gpu_share))]
        self.actors: dict[str, Any] = {}
        self.ready: set[str] = set()
        self.preparing: dict[Any, tuple[str, Any]] = {}
        self.pending: dict[Any, tuple[str, Job, Any]] = {}
        self.reports: list[Report] = []
        self.where: dict[str, str] = {}
        self.since: dict[str, float] = {}
        self.deaths: Counter[str] = Counter()
        self.refused: dict[str, str] = {}
        self.settled: tuple[int, int] | None = None
        self.record, self.device = -math.inf, "cpu"
        self.learned: Any = []
        self.search: tuple[int, Packed, Packed] = 0, {}, {}
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
        self.settled, self.record, self.learned = None, -math.inf, []
        self.search = self.search[0] + 1, graph, sent
        for name in self.names:
            self._prepare(name)

    def end(self) -> None:
        """The search is over. Workers keep their models."""
        for name in self.ready:
            self._stop(name)
        self.ready, self.preparing = set(), {}

    def close(self) -> None:
        """End all workers and the Ray that was started for them."""
        goodbyes = [] if self.folder else [actor.close.remote() for actor in self.actors.values()]
        if goodbyes:  # elsewhere; here their files are in the folder of Ray
            self.ray.wait(goodbyes, num_returns=len(goodbyes), timeout=GOODBYE)
        for actor in self.actors.values():
            self.ray.kill(actor)
        self.actors = {}
        self.ray.shutdown()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _stop(self, name: str) -> None:
        self.actors[name].stop.remote(self.search[0])

    def _prepare(self, name: str) -> None:
        if name not in self.actors:
            self.actors[name] = self.actor.remote(*self.arguments)
        actor = self.actors[name]
        self.preparing[actor.prepare.remote(*self.search)] = name, actor

    def count(self) -> int:
        waits = self.preparing and time.monotonic() < self.until
        first = [name for name, _ in self.preparing.values() if not self.deaths[name]]
        return len(self.ready) + (len(first) if waits else 0)

    @property
    def gone(self) -> bool:
        """Whether workers were lost and none is left: Ray may be gone, too."""
        return bool(self.deaths) and not self.ready

    def idle(self) -> Sequence[str]:
        self._poll(0.0)
        busy = [worker for worker, *_ in self.pending.values()]
        return [name for name in sorted(self.ready) if busy.count(name) < AT_ONCE]

    def send(self, worker: str, job: Job) -> None:
        packed = pack_job(job) | {"settled": self.settled, "record": self.record}
        packed |= {"learned": self.learned, "search": self.search[0]}
        actor = self.actors[worker]
        self.pending[actor.perform.remote(packed)] = worker, job, actor

    def listen(self, waits: bool) -> list[Report]:
        self._poll(MOMENT if waits else 0.0)
        reports, self.reports = self.reports, []
        return reports

    def state(self, name: str) -> str:
        """What a worker does: "starts", "ready", "refused" or "lost"."""
        if name in self.refused:
            return "refused"
        if name in self.ready:
            return "ready"
        starting = [each for each, _ in self.preparing.values()]
        return "starts" if name in starting else "lost"

    def refuse(self, worker: str, why: str) -> None:
        if worker in self.ready:
            self.ready.discard(worker)
            self._stop(worker)
        self.refused[worker] = why
        log.warning("%s cannot take part: %s", worker, why)

    def _poll(self, seconds: float) -> None:
        """Take in all that workers have said, or what one says first within some seconds."""
        waiting = [*self.preparing, *self.pending]
        if not waiting:
            return
        done, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0)
        if seconds and not done and not self.reports:
            done, _ = self.ray.wait(waiting, num_returns=1, timeout=seconds)
        for ref in done:
            if ref in self.preparing:
                self._join(ref)
            else:
                self._answer(ref)

    def _join(self, ref: Any) -> None:
        """A worker is ready, or says why not."""
        name, actor = self.preparing.pop(ref)
        try:
            prepared = self.ray.get(ref)
            self.where[name], state = prepared["where"], prepared["state"]
        except self.ray.exceptions.RayTaskError as error:
            state = f"{error.cause}"
        except self.ray.exceptions.RayError as error:
            self._bury(name, actor, error)
            return
        if state == "ready":
            self.ready.add(name)
            self.since[name] = time.monotonic()
            log.info("%s is ready: %s.", name, self.where[name])
        else:
            self.refuse(name, state)

    def _answer(self, ref: Any) -> None:
        worker, job, actor = self.pending.pop(ref)
        result: Any
        try:
            packed = self.ray.get(ref)
            unfit = packed.get("unfit")
            result = Unfit(unfit) if unfit else unpack_answer(packed, self.device)
        except self.ray.exceptions.RayTaskError as error:
            result = RuntimeError(f"{worker}: {error.cause}")
        except self.ray.exceptions.RayError as error:
            self._bury(worker, actor, error)
            result = Lost(str(error))
        self.reports.append(Report(worker, job, result))

    def _bury(self, name: str, actor: Any, error: Exception) -> None:
        """Replace a worker that died, unless it died too often."""
        if self.actors.get(name) is not actor:  # its other job said so
            return
        del self.actors[name]
        self.ready.discard(name)
        self.deaths[name] += 1
        log.warning("%s is lost: %s", name, shortened(error))
        if isinstance(error, self.ray.exceptions.OutOfMemoryError):
            self.refused[name] = "Its computer ran out of memory. Give it fewer workers."
        elif self.deaths[name] < DEATHS:
            self._prepare(name)
        else:
            self.refused[name] = f"It was lost {DEATHS} times."
