"""Who works on which job, and since when: so that a straggler is noticed."""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

LATE = 3.0  # times the median of other jobs that a job may take before it is late
SOON = 0.7  # of the usual time of a job, from which on its answer comes soon
SHORTEST = 1.0  # seconds; a job that takes less is never late


@dataclass(frozen=True)
class Turn:
    """One worker's work on a job.

    Args:
        worker: its name.
        nfe: that it should take.
        since: seconds on the clock when it got the job.
    """

    worker: str
    nfe: int
    since: float


@dataclass
class Turns:
    """The turns of all workers.

    Args:
        clock: seconds.
        under_way: by the address of the job.
        took: seconds that one NFE of each finished job took, rising.
    """

    clock: Callable[[], float] = time.monotonic
    under_way: dict[Hashable, list[Turn]] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)

    def __contains__(self, key: Hashable) -> bool:
        return key in self.under_way

    @property
    def nfe(self) -> int:
        """NFE of everything under way."""
        return sum(turn.nfe for turns in self.under_way.values() for turn in turns)

    def begin(self, key: Hashable, worker: str, nfe: int) -> None:
        """A worker gets a job.

        Args:
            key: address of the job.
            worker: its name.
            nfe: that the job should take.
        """
        self.under_way.setdefault(key, []).append(Turn(worker, nfe, self.clock()))

    def end(self, key: Hashable, worker: str, nfe: int) -> None:
        """A worker has done or lost a job.

        Args:
            key: address of the job.
            worker: its name.
            nfe: that the job took; 0 if there is no answer.
        """
        turns = self.under_way.get(key, [])
        turn = next((turn for turn in turns if turn.worker == worker), None)
        if turn is None:  # it says so for a second time
            return
        turns.remove(turn)
        if not turns:
            del self.under_way[key]
        if nfe:
            insort(self.took, (self.clock() - turn.since) / nfe)

    def workers(self, key: Hashable) -> set[str]:
        """Names of those who have a job."""
        return {turn.worker for turn in self.under_way.get(key, ())}

    def has(self, worker: str) -> bool:
        """Whether a worker has a job."""
        return any(turn.worker == worker for turns in self.under_way.values() for turn in turns)

    def late(self, key: Hashable) -> bool:
        """Whether every worker that has a job takes much longer than other jobs took."""
        turns = self.under_way.get(key, ())
        return bool(turns) and all(map(self._overdue, turns))

    def soon(self) -> bool:
        """Whether an answer should come in much less time than a job takes."""
        if not self.took:
            return False
        usual, now = self.took[len(self.took) // 2], self.clock()
        turns = [turn for turns in self.under_way.values() for turn in turns]
        return any(SOON < (now - turn.since) / (usual * turn.nfe) < 1 / SOON for turn in turns)

    def stalled(self) -> bool:
        """Whether every worker that has a job is late with one."""
        late: dict[str, bool] = {}
        for turns in self.under_way.values():
            for turn in turns:
                late[turn.worker] = late.get(turn.worker, False) or self._overdue(turn)
        return bool(late) and all(late.values())

    def _overdue(self, turn: Turn) -> bool:
        if not self.took:
            return False
        usual = self.took[len(self.took) // 2] * turn.nfe
        return self.clock() - turn.since > max(SHORTEST, LATE * usual)
