"""Rows of a measurement on disk, so that a later run goes on where an earlier one stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .world import World

_WORLD: World | None = None


class Kept:
    """A JSON file of rows by name, with what they share.

    Args:
        path: the file.
        about: what all rows share. None: whatever the file says.

    Raises:
        SystemExit: the file's rows share something else.
    """

    def __init__(self, path: Path, about: dict | None = None) -> None:
        self.path, self.about, self.rows = path, about or {}, {}
        if path.exists():
            body = json.loads(path.read_text("utf-8"))
            if about is not None and body["about"] != about:
                before = body["about"]
                raise SystemExit(f"{path} is of another run: got {before}, expected {about}.")
            self.about, self.rows = body["about"], body["rows"]

    def save(self) -> None:
        """Write the file, one row a line, in place of the old one."""
        lines = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in self.rows.items()]
        text = ",\n".join(lines)
        body = f'{{"about": {json.dumps(self.about)}, "rows": {{\n{text}\n}}}}\n'
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(body, "utf-8", newline="\n")
        os.replace(part, self.path)


def _begin(weights: str) -> None:
    global _WORLD
    _WORLD = World(weights)


def _call(job: tuple[Callable, tuple]) -> object:
    function, arguments = job
    return function(_WORLD, *arguments)


class Workers:
    """Processes that each have the networks, and the time when they stop.

    Args:
        weights: fast or base.
        jobs: how many processes.
        minutes: no job begins later than this.
    """

    def __init__(self, weights: str, jobs: int, minutes: float) -> None:
        self.jobs, self.end = jobs, time.monotonic() + 60 * minutes
        self.pool = multiprocessing.get_context("fork").Pool(jobs, _begin, (weights,))

    @property
    def late(self) -> bool:
        return time.monotonic() > self.end

    def each(self, function: Callable, jobs: Iterable[tuple]) -> Iterator[tuple[tuple, object]]:
        """(job, function(world, *job)) of each job, until the time is over."""
        jobs = list(jobs)
        for begin in range(0, len(jobs), self.jobs):
            if self.late:
                return
            some = jobs[begin : begin + self.jobs]
            results = self.pool.map(_call, [(function, job) for job in some], chunksize=1)
            yield from zip(some, results, strict=True)
