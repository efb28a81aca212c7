"""The best so far of the searches that run, on disk: a process that is killed loses seconds."""

from __future__ import annotations

import contextlib
import glob
import itertools
import logging
import os
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import IO

import folder_paths

from ..host.guard import guard
from ..show.output import PARTS

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

log = logging.getLogger("flow_search")
FOLDER, NAME, LOCK = "flow_search", "journal_", ".lock"
INTERVAL = 2.0  # seconds between two states of a picture that is not finished
SHARE = 50  # a state waits for so many times what the last one took: 2 % of a search at most


class Journal:
    """The latest state of each image of a batch, in files beside the output, gone at the end.

    `journal_<computer>_<process>_<mark>.lock` is locked as long as the process lives, whatever ends
    it; `…_00001.png` and `.json` are a picture and its report. A new state is written under new
    names before the last one goes. None is written where that would cost a noticeable time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        name = re.sub(r"\W", "-", socket.gethostname())
        place = os.path.join(folder_paths.get_output_directory(), FOLDER)
        mark = f"{NAME}{name}_{os.getpid()}_{uuid.uuid4().hex[:4]}"
        self.stem, self.clock = os.path.join(place, mark), clock
        self.numbers = itertools.count(1)
        self.lock: IO | None = None
        self.files: dict[int, list[str]] = {}  # by image
        self.waiting: dict[int, Callable[[], Iterator[str]]] = {}
        self.last, self.cost, self.urgent = -float("inf"), 0.0, False
        self.logged: set[str] = set()

    def offer(self, image: int, write: Callable[[], Iterator[str]], urgent: bool = False) -> None:
        """Have `write` write a new state of an image, now or at a later `tick`; it gives the files.

        `urgent` waits for no interval.
        """
        self.waiting[image], self.urgent = write, self.urgent or urgent
        self.tick()

    def tick(self) -> None:
        """Write what waits, if it is time."""
        pause = max(0.0 if self.urgent else INTERVAL, SHARE * self.cost)
        if not self.waiting or self.clock() - self.last < pause:
            return
        began, waiting, self.waiting, self.urgent = self.clock(), self.waiting, {}, False
        for image, write in waiting.items():
            with guard("keep the journal of the search", self.logged):
                self._replace(image, write)
        self.last = self.clock()
        self.cost = self.last - began

    def names(self, count: int) -> list[str]:
        """Paths without suffix of `count` new files."""
        return [f"{self.stem}_{number:05}" for number in itertools.islice(self.numbers, count)]

    def _replace(self, image: int, write: Callable[[], Iterator[str]]) -> None:
        if self.lock is None:
            os.makedirs(os.path.dirname(self.stem), exist_ok=True)
            self.lock = hold(self.stem + LOCK)
        new: list[str] = []
        try:
            for path in write():
                new.append(path)
        except BaseException:
            remove(new)
            raise
        old, self.files[image] = self.files.get(image, []), new
        remove(old)

    def close(self, keep: bool = False) -> None:
        """End the journal. `keep` leaves its files, for the next start to name."""
        self.waiting = {}
        with guard("remove the journal of the search", self.logged):
            if self.lock is not None:
                self.lock.close()
                if not keep:
                    remove([path for files in self.files.values() for path in files])
                    remove([self.stem + LOCK])
                    with contextlib.suppress(OSError):  # the folder, if nothing else is in it
                        os.rmdir(os.path.dirname(self.stem))
                self.lock = None


def remove(paths: Sequence[str]) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


def hold(path: str) -> IO:
    """Open a file and lock it; the system unlocks it however the process ends.

    Raises:
        BlockingIOError, PermissionError: another process holds it.
    """
    file = open(path, "a+b")
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    except BaseException:
        file.close()
        raise
    return file


def held(path: str) -> bool:
    """Whether a process that lives holds the lock; False where the folder knows no locks."""
    try:
        hold(path).close()
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        pass
    return False


def left_behind() -> list[str]:
    """The pictures of journals whose process has ended. Locks without a picture are removed, and
    files that a process was killed while writing."""
    place = glob.escape(os.path.join(folder_paths.get_output_directory(), FOLDER))
    remove([path for path in glob.glob(os.path.join(place, PARTS)) if old(path)])
    found: list[str] = []
    for lock in sorted(glob.glob(os.path.join(place, f"{NAME}*{LOCK}"))):
        if held(lock):
            continue
        stem = lock.removesuffix(LOCK)
        pictures = sorted(glob.glob(f"{glob.escape(stem)}_*.png"))
        found += pictures
        if not pictures:
            remove([lock])
    return found


def old(path: str) -> bool:
    """Whether a file has not changed for an hour: nobody is writing it."""
    return time.time() - os.path.getmtime(path) > 3600.0


def say_left_behind() -> None:
    """Say in the log what searches left that a crash or a kill ended."""
    if found := left_behind():
        log.warning(
            "A search ended with its process. Its best picture so far: %s. Delete or move the "
            "file, and this line no longer comes.", ", ".join(found),
        )  # fmt: skip
