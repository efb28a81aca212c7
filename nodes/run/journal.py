"""The best result so far of running searches, on disk: a kill loses only seconds of work."""

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
INTERVAL = 2.0  # seconds between two writes of an unfinished image
SHARE = 50  # wait this many times as long as the last write took: at most 2 % of a search


class Journal:
    """Files in the output folder with the best result of each image of a batch, removed at the end.

    `journal_<computer>_<process>_<mark>.lock` stays locked while the process lives.
    `…_00001.png` and `.json` are an image and its report. New files are written before the old ones
    are removed. Writes are skipped where they would slow the search noticeably.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        name = re.sub(r"\W", "-", socket.gethostname())
        place = os.path.join(folder_paths.get_output_directory(), FOLDER)
        mark = f"{NAME}{name}_{os.getpid()}_{uuid.uuid4().hex[:4]}"
        self.stem, self.clock = os.path.join(place, mark), clock
        self.numbers = itertools.count(1)
        self.lock: IO | None = None
        self.files: dict[int, list[str]] = {}  # by image of the batch
        self.waiting: dict[int, Callable[[], Iterator[str]]] = {}
        self.last, self.cost, self.urgent = -float("inf"), 0.0, False
        self.logged: set[str] = set()

    def offer(self, image: int, write: Callable[[], Iterator[str]], urgent: bool = False) -> None:
        """Write a new best of an image, now or at a later `tick`.

        Args:
            image: its place in the batch.
            write: writes the files and yields their paths.
            urgent: do not wait for the interval.
        """
        self.waiting[image], self.urgent = write, self.urgent or urgent
        self.tick()

    def tick(self) -> None:
        """Write what waits if the pause is over."""
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
        """Paths without suffix for `count` new files."""
        return [f"{self.stem}_{number:05}" for number in itertools.islice(self.numbers, count)]

    def _replace(self, image: int, write: Callable[[], Iterator[str]]) -> None:
        if self.lock is None:
            os.makedirs(os.path.dirname(self.stem), exist_ok=True)
            self.lock = lock_file(self.stem + LOCK)
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
        """End the journal. With `keep` its files stay, and the next start names them in the log."""
        self.waiting = {}
        with guard("remove the journal of the search", self.logged):
            if self.lock is not None:
                self.lock.close()
                if not keep:
                    remove([path for files in self.files.values() for path in files])
                    remove([self.stem + LOCK])
                    with contextlib.suppress(OSError):  # the folder goes only if it is empty
                        os.rmdir(os.path.dirname(self.stem))
                self.lock = None


def remove(paths: Sequence[str]) -> None:
    """Remove files that may be gone already."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


def lock_file(path: str) -> IO:
    """Open a file and lock it. The system unlocks it when the process ends.

    Raises:
        BlockingIOError, PermissionError: another process has locked it.
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


def is_locked(path: str) -> bool:
    """Whether a living process has locked the file. False if the folder supports no locks."""
    try:
        lock_file(path).close()
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        pass
    return False


def abandoned_images() -> list[str]:
    """The images of journals whose process has ended.

    Removes locks without an image, and files that were not written to the end.
    """
    place = glob.escape(os.path.join(folder_paths.get_output_directory(), FOLDER))
    remove([path for path in glob.glob(os.path.join(place, PARTS)) if is_old(path)])
    images: list[str] = []
    for lock in sorted(glob.glob(os.path.join(place, f"{NAME}*{LOCK}"))):
        if is_locked(lock):
            continue
        stem = lock.removesuffix(LOCK)
        own_images = sorted(glob.glob(f"{glob.escape(stem)}_*.png"))
        images += own_images
        if not own_images:
            remove([lock])
    return images


def is_old(path: str) -> bool:
    """Whether a file has not changed for an hour, so that no process is writing it."""
    return time.time() - os.path.getmtime(path) > 3600.0


def log_abandoned_images() -> None:
    """Log the images of searches that a crash or a kill ended."""
    if images := abandoned_images():
        log.warning(
            "A crash or a kill ended a search. Its best image so far: %s. Delete or move the file "
            "to end this message.", ", ".join(images),
        )  # fmt: skip
