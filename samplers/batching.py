"""Rows through the network in parts: as many at once as asked for, fewer when they do not fit."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

AUTOMATIC = 16  # rows; nothing is gained beyond (benchmarks/overhead.md), and memory is lost


class OneAtATime(RuntimeError):
    """The network's backend refused a call of several rows."""


@dataclass
class MicroBatch:
    """At most `size` rows a call; 0: AUTOMATIC, never measured, so that a seed is a result.

    Halved for good when memory runs out, 1 for good when the backend takes no more.
    """

    size: int = 0
    may_split: bool = True

    def __call__(self, x: Tensor, ask: Callable[[Tensor], Tensor]) -> Tensor:
        """`ask` over the rows of x (K,*D), in order."""
        done: list[Tensor] = []
        while (first := sum(map(len, done))) < len(x):
            size = self.size or AUTOMATIC if self.may_split else len(x)
            chunk = x[first : first + size]
            try:
                done.append(ask(chunk))
            except (torch.OutOfMemoryError, OneAtATime) as error:
                if len(chunk) == 1 or not self.may_split:
                    raise
                self.size = 1 if isinstance(error, OneAtATime) else len(chunk) // 2
        return torch.cat(done)

    def places(self, n: int) -> list[tuple[int, int]]:
        """(rows, row) of each of n rows: how many went with it, and which of them it was."""
        size = (self.size or AUTOMATIC) if self.may_split else n
        return [(min(size, n - i + i % size), i % size) for i in range(n)]
