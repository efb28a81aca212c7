"""Rows through the network in parts: as many at once as asked for, fewer when they do not fit."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

# torch 2.4 has it under cuda alone.
OutOfMemory = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)
AUTOMATIC = 16  # rows; nothing is gained beyond (docs/overhead.md), and memory is lost
GAIN = 0.95  # of the seconds a row: twice the rows have to come below
SAMPLES = 2  # calls of a size before it is judged: the first one may load or compile


def device_clock(device: torch.device) -> Callable[[], float] | None:
    """Seconds, when `device` has done what it was asked; None where AUTOMATIC is known to do."""
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
    """At most `size` rows a call; 0 is AUTOMATIC, or fewer where the device gains nothing by more.

    That is measured if a `clock` is given (seconds, when the device has done what it was asked), on
    calls of several rows: they are halved as long as a row gets no dearer. Halved for good when
    memory runs out, 1 for good when the backend takes no more.
    """

    size: int = 0
    may_split: bool = True
    clock: Callable[[], float] | None = None
    seconds: dict[int, list[float]] = field(default_factory=dict)  # a row, by the rows of a call
    tried: list[int] = field(default_factory=list)  # rows, falling
    best: float = math.inf  # seconds a row, of those tried

    def __post_init__(self) -> None:
        if self.size or not self.may_split:
            self.clock = None
        self.size = self.size or AUTOMATIC

    def __call__(self, x: Tensor, ask: Callable[[Tensor], Tensor]) -> Tensor:
        """`ask` over the rows of x (K,*D), in order."""
        done: list[Tensor] = []
        while (first := sum(map(len, done))) < len(x):
            chunk = x[first : first + self.size] if self.may_split else x
            try:
                done.append(self._timed(chunk, ask))
            except (OutOfMemory, OneAtATime) as error:
                if len(chunk) == 1 or not self.may_split:
                    raise
                self.size = 1 if isinstance(error, OneAtATime) else len(chunk) // 2
                self.clock = None
        return torch.cat(done)

    def alone(self) -> None:
        """One row a call from now on."""
        self.size, self.clock = 1, None

    def _timed(self, chunk: Tensor, ask: Callable[[Tensor], Tensor]) -> Tensor:
        if self.clock is None:
            return ask(chunk)
        begin = self.clock()
        answer = ask(chunk)
        took = (self.clock() - begin) / len(chunk)
        self.seconds.setdefault(len(chunk), []).append(took)
        return answer

    def settle(self) -> None:
        """Between two operations, whose rows all go in parts of one size: try the next one."""
        known = [n for n, took in self.seconds.items() if len(took) >= SAMPLES]
        known = [n for n in known if n == self.size or (n > 1 and not self.tried)]
        if self.clock is None or not known:
            return
        rows = max(known)
        cost = min(self.seconds[rows])
        if self.tried and GAIN * cost > self.best:  # from the first of them, more may gain yet
            self.size = self.tried[-1] if len(self.tried) > 1 else AUTOMATIC
            self.clock = None
        elif rows == 1:
            self.clock = None
        else:
            self.best = min(self.best, cost)
            self.tried.append(rows)
            self.size, self.seconds = rows // 2, {}

    def places(self, n: int) -> list[tuple[int, int]]:
        """(rows, row) of each of n rows: how many went with it, and which of them it was."""
        size = self.size if self.may_split else n
        return [(min(size, n - i + i % size), i % size) for i in range(n)]
