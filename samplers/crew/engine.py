"""Where workers are, as a foreman sees it, and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .job import Answer, Job


class Lost(Exception):
    """A worker is gone, and with it the job that it had. Its argument says why."""


class Unfit(Exception):
    """A worker cannot do such jobs, while others may. Its argument says why."""


@dataclass(frozen=True)
class Report:
    """What a worker says about a job.

    Args:
        worker: its name.
        job: what it was given.
        result: the answer, or why there is none.
    """

    worker: str
    job: Job
    result: Answer | Exception


class Engine(Protocol):
    """Where workers are."""

    def count(self) -> int:
        """How many workers there are, idle or not."""

    def idle(self) -> Sequence[str]:
        """Names of the workers that can take a job now."""

    def send(self, worker: str, job: Job) -> None:
        """Give a job to a worker."""

    def listen(self, waits: bool) -> Iterable[Report]:
        """What workers have to say.

        Args:
            waits: for a moment, if they have nothing to say yet.
        """

    def refuse(self, worker: str, why: str) -> None:
        """Give a worker no more jobs of this search."""
