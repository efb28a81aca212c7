"""The workers of a search: started once, kept between searches, let go after a while."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch

from ...samplers.crew.foreman import Check, Foreman
from . import boot
from .engine_ray import RayEngine
from .gpus import count_here, free_gpus
from .packing import Packed
from .ray_start import Place
from .settings import WorkerSettings

PACK = Path(__file__).parents[2]
OWN_FLAGS = (  # of a server, which a worker does not get
    "--listen", "--port", "--temp-directory", "--user-directory", "--database-url", "--auto-launch",
    "--disable-auto-launch", "--cuda-device", "--default-device", "--tls-keyfile", "--tls-certfile",
    "--log-stdout", "--enable-manager", "--quick-test-for-ci", "--front-end-version",
    "--front-end-root",
)  # fmt: skip
SHORTEST = 1.0  # seconds that workers are kept: the images of a batch are searched one by one


def worker_flags(arguments: Sequence[str]) -> list[str]:
    """The command line of a worker, from that of this ComfyUI. Paths become absolute."""
    flags: list[str] = []
    keeps = True
    for argument in arguments:
        if argument.startswith("--"):
            keeps = argument.split("=")[0] not in OWN_FLAGS
        if keeps:
            is_path = not argument.startswith("--") and os.path.exists(argument)
            flags.append(os.path.abspath(argument) if is_path else argument)
    return flags


@cache
def versions() -> dict[str, str]:
    """What workers must have, too: as it was at the first call, should files change later."""
    return boot.versions(str(PACK))


def place_of(settings: WorkerSettings) -> Place:
    """Where the workers of some settings run."""
    flags = worker_flags(sys.argv[1:])
    if not settings.gpu_share and "--cpu" not in flags:
        flags.append("--cpu")
    comfyui = str(Path(sys.modules["folder_paths"].__file__).parent)
    gpus = free_gpus(settings) if settings.gpu_share else []
    count = settings.workers if settings.address else count_here(settings)
    arguments = comfyui, str(PACK), flags, torch.get_num_threads()
    return Place(settings.address, count, settings.gpu_share, gpus, arguments)


@dataclass
class Crews:
    """The workers of this ComfyUI. Those of other settings are let go first: they hold the GPUs.

    Args:
        engine: has them; None if none run.
        place: where they run.
        timer: lets them go; None while a search has them.
        lock: of the three.
    """

    engine: RayEngine | None = None
    place: Place | None = None
    timer: threading.Timer | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def take(self, place: Place) -> RayEngine:
        """The workers at a place. They are started if they are not running."""
        with self.lock:
            if self.timer is not None:
                self.timer.cancel()
            self.timer = None
            if self.place != place:
                self.release()
            if self.engine is None:
                self.engine, self.place = RayEngine(place), place
            return self.engine

    def leave(self, seconds: float) -> None:
        """Let the workers go if no search takes them for some seconds."""
        with self.lock:
            timer = threading.Timer(max(SHORTEST, seconds), lambda: self._late(timer))
            timer.daemon = True
            self.timer = timer
            timer.start()

    def release(self) -> None:
        """End the workers, and free their memory."""
        with self.lock:
            engine, self.engine, self.place = self.engine, None, None
            if engine is not None:
                engine.close()

    def _late(self, timer: threading.Timer) -> None:
        with self.lock:
            if self.timer is timer:  # no search has taken them since
                self.timer = None
                self.release()


CREWS = Crews()


@contextmanager
def crew_of(
    settings: WorkerSettings, graph: Packed, sent: Packed, check: Check
) -> Iterator[Foreman]:
    """The crew of one search.

    Args:
        settings: of the node.
        graph: what a worker runs.
        sent: what it needs besides.
        check: of a worker's first answer.
    """
    engine = CREWS.take(place_of(settings))
    foreman = Foreman(engine, settings.rows, settings.own_gpu, settings.speculate, check)
    try:
        sent = sent | {"versions": versions()}
        engine.begin(graph, sent, waits=not settings.own_gpu)
        yield foreman
    finally:
        gone = engine.gone
        engine.end()
        foreman.close()
        if gone:  # the next search starts Ray anew
            CREWS.release()
        else:
            CREWS.leave(60 * settings.keep_minutes)
