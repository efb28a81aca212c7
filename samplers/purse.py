"""What a search may spend, and what it spent: the one mutable object of a run."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PARTS = ("network", "decode", "reward", "gradient")  # of a run, each timed by itself


class BudgetExceeded(RuntimeError):
    """A search asked for more network evaluations than it has."""


@dataclass(frozen=True)
class Prices:
    """Network rows that one particle costs.

    Args:
        birth: from noise to the first time.
        child: one transition.
        score: the lookahead of a particle that is scored.
        slope: the gradient of a particle that guides its children.
    """

    birth: int = 1
    child: int = 1
    score: int = 0
    slope: int = 0

    @classmethod
    def of(cls, lead: int, inner: int, lookahead: int, slope: int = 0) -> Prices:
        """Of a search after `lead` times with a kernel of `inner` evaluations; an automatic
        lookahead (-1) at the least that it may come to."""
        return cls(lead + 1, max(1, inner), max(0, lookahead), slope)

    @property
    def born(self) -> int:
        """A new particle, scored."""
        return self.birth + self.score

    @property
    def step(self) -> int:
        """A child, scored."""
        return self.child + self.score


@dataclass
class Purse:
    """NFE to spend: one NFE is one latent sent once through the network.

    Args:
        total: NFE in all; infinite for the plain sampler.
        cost: NFE of one network row, 2 with classifier-free guidance.
        wait: returns when the device has done what it was asked.
    """

    total: float = math.inf
    cost: int = 1
    nfe: int = 0
    checked: int = 0  # of them, those that showed whether the guider remembers
    network_calls: int = 0
    reserved: int = 0  # rows kept for the finish
    counts: Counter[str] = field(default_factory=Counter)  # decodes, frames, rewards, gradients, …
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    wait: Callable[[], object] = lambda: None
    started: float = field(default_factory=time.perf_counter)

    @property
    def left(self) -> float:
        """Network rows that can still be asked for before the finish."""
        free = self.total - self.reserved * self.cost - self.nfe
        return free if math.isinf(free) else max(0, int(free)) // self.cost

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.started

    def buys(self, price: int) -> int:
        """How many of `price` rows each can still be paid."""
        return int(self.left // price)

    def reserve(self, rows: int) -> None:
        """Keep `rows` for the finish: the search does not see them."""
        self.reserved = rows

    def require(self, rows: int) -> None:
        """Raise BudgetExceeded before the network is asked for more than the budget holds."""
        asked, kept = rows * self.cost, self.reserved * self.cost
        if self.nfe + asked > self.total - kept:
            finish = f", {kept} kept for the finish" if kept else ""
            raise BudgetExceeded(
                f"budget of {self.total} NFE exhausted: {self.nfe} spent, {asked} asked{finish}."
            )

    def charge(self, rows: int, calls: int) -> None:
        """Pay for network rows and calls as a counter around the network saw them."""
        self.nfe += rows
        self.network_calls += calls

    def refund(self, nfe: int, calls: int) -> None:
        """Go back to an earlier count: the call since then gave nothing."""
        self.nfe, self.network_calls = nfe, calls

    def raise_cost(self, cost: int) -> None:
        """A row was seen to cost as much."""
        self.cost = max(self.cost, cost)

    def begin_check(self) -> None:
        """What follows shows whether the guider remembers, and what a row costs."""
        self.cost = 1

    def end_check(self, nfe: int) -> None:
        """It began at the count `nfe`."""
        self.checked += self.nfe - nfe

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the seconds spent inside to `seconds[part]`."""
        self.wait()
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.wait()
            self.seconds[part] += time.perf_counter() - begin
