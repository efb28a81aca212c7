"""Rows of a measurement on disk, so that a later run goes on where an earlier one stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from .twin_world import world_of
from .world import World

_WORLD: World | None = None
_END = 0.0  # time.monotonic() after which a process begins nothing


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


def _begin(weights: str, end: float) -> None:
    global _WORLD, _END
    _WORLD, _END = world_of(weights), end


def _call(job: tuple[Callable, tuple]) -> object:
    """The job's result; None if it is late."""
    function, arguments = job
    return None if time.monotonic() > _END else function(_WORLD, *arguments)


class Workers:
    """Processes that each have the networks, and the time when they stop.

    Args:
        weights: fast, base, eps or v.
        jobs: how many processes.
        minutes: no job begins later than this.
    """

    def __init__(self, weights: str, jobs: int, minutes: float) -> None:
        self.jobs, self.end = jobs, time.monotonic() + 60 * minutes
        context = multiprocessing.get_context("fork")
        self.pool = context.Pool(jobs, _begin, (weights, self.end))

    @property
    def late(self) -> bool:
        return time.monotonic() > self.end

    def each(self, function: Callable, jobs: Iterable[tuple]) -> Iterator[tuple[tuple, object]]:
        """(job, function(world, *job)) of each job in their order, until the time is over."""
        jobs = list(jobs)
        results = self.pool.imap(_call, [(function, job) for job in jobs])
        for job, result in zip(jobs, results, strict=True):
            if result is not None:
                yield job, result
