"""Rows go through the network in parts, of a size that fits the memory and suits the device."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

# torch 2.4 has it under cuda alone.
OutOfMemory = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)
AUTOMATIC = 16  # rows; more gain nothing (docs/overhead.md) and take memory
GAIN = 0.95  # twice the rows are worth it if a row then takes less than this part of its seconds
SAMPLES = 2  # calls of a size before it is judged: the first one may load or compile


def device_clock(device: torch.device) -> Callable[[], float] | None:
    """A clock that waits until `device` is idle; None where AUTOMATIC needs no measuring."""
    wait = getattr(getattr(torch, device.type, None), "synchronize", None)
    if device.type == "cpu" or wait is None:
        return None

    def clock() -> float:
        wait()
        return time.perf_counter()

    return clock


class OneAtATime(RuntimeError):
    """The network's backend refused a call of several rows."""


@dataclass
class MicroBatch:
    """Sends rows through a function, at most `size` in one call.

    A `size` of 0 becomes AUTOMATIC for each device. With a clock the seconds a row takes are then
    measured: the size is halved as long as rows get no slower. Calls of a single row are not judged
    at first, since they do not tell whether more would gain.
    When memory runs out the size is halved for good. When the backend takes one row only it is 1
    for good.

    Args:
        size: rows of one call; 0 is automatic.
        may_split: False sends all rows in one call.
        devices: that share the rows of a call equally.
        clock: seconds, read when the device is idle; None measures nothing.
        seconds: measured for one row, by the rows of a call.
        tried: sizes that were measured, falling.
        best: the fewest seconds a row took at any of them.
        fixed: the size that was set; 0: it is automatic.
    """

    size: int = 0
    may_split: bool = True
    devices: int = 1
    clock: Callable[[], float] | None = None
    seconds: dict[int, list[float]] = field(default_factory=dict)
    tried: list[int] = field(default_factory=list)
    best: float = math.inf
    fixed: int = field(init=False)

    def __post_init__(self) -> None:
        self.fixed = self.size
        if self.size or not self.may_split:
            self.clock = None
        self.size = self.size or self.most

    @property
    def most(self) -> int:
        """The automatic size before anything is measured."""
        return AUTOMATIC * self.devices

    def share(self, rows: int) -> int:
        """How many of the rows of a call are on the device that has most of them."""
        return math.ceil(rows / self.devices)

    def __call__(self, x: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """`function` of the rows of x (K,*D), in order."""
        answers: list[Tensor] = []
        while (first := sum(map(len, answers))) < len(x):
            chunk = x[first : first + self.size] if self.may_split else x
            try:
                answers.append(self._timed(chunk, function))
            except (OutOfMemory, OneAtATime) as error:
                if len(chunk) == 1 or not self.may_split:
                    raise
                self.size = 1 if isinstance(error, OneAtATime) else len(chunk) // 2
                self.clock = None
        return torch.cat(answers)

    def alone(self) -> None:
        """One row a call from now on."""
        self.size, self.clock = 1, None

    def _timed(self, chunk: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        if self.clock is None:
            return function(chunk)
        begin = self.clock()
        answer = function(chunk)
        took = (self.clock() - begin) / len(chunk)
        self.seconds.setdefault(len(chunk), []).append(took)
        return answer

    def settle(self) -> None:
        """Choose the next size, if the present one was measured often enough.

        Called between two operations of a search: within one, all rows go in parts of one size.
        """
        measured = [n for n, took in self.seconds.items() if len(took) >= SAMPLES]
        measured = [n for n in measured if n == self.size or (n > self.devices and not self.tried)]
        if self.clock is None or not measured:
            return
        rows = max(measured)
        cost = min(self.seconds[rows])
        if self.tried and GAIN * cost > self.best:
            # At the first size tried it is not known what more rows gain: back to AUTOMATIC.
            self.size = self.tried[-1] if len(self.tried) > 1 else self.most
            self.clock = None
        elif rows <= self.devices:
            self.clock = None
        else:
            self.best = min(self.best, cost)
            self.tried.append(rows)
            self.size, self.seconds = rows // 2, {}

    def places(self, n: int) -> list[tuple[int, int]]:
        """(rows, row) for each of n rows: how many rows its call has, and which one it is.

        What each of several devices does is a call of its own.
        """
        size, places = self.size if self.may_split else n, []
        for first in range(0, n, max(1, size)):
            rows = min(size, n - first)
            share = self.share(rows)
            places += [(min(share, rows - i + i % share), i % share) for i in range(rows)]
        return places
