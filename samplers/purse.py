"""What a search may spend, and what it has spent: the one mutable object of a run."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

PARTS = ("network", "decode", "reward", "gradient")  # of a run, each timed separately


class BudgetExceeded(RuntimeError):
    """A search needs more network evaluations than are left."""


@dataclass(frozen=True)
class Prices:
    """Network rows that one particle costs.

    Args:
        birth: from noise to the first time.
        child: one transition.
        score: the lookahead of a particle that is scored.
        gradient: the gradient at a particle that guides its children.
    """

    birth: int = 1
    child: int = 1
    score: int = 0
    gradient: int = 0

    @classmethod
    def of(cls, lead: int, inner: int, lookahead: int, gradient: int = 0) -> Prices:
        """The prices of a search.

        Args:
            lead: times before the search.
            inner: evaluations of one transition of its kernel, 0 for a Gaussian one.
            lookahead: evaluations before a score. Automatic (-1) counts as 0, the least possible.
            gradient: network rows of one gradient.
        """
        return cls(lead + 1, max(1, inner), max(0, lookahead), gradient)

    @property
    def born(self) -> int:
        """Rows of a new particle and its score."""
        return self.birth + self.score

    @property
    def step(self) -> int:
        """Rows of a child and its score."""
        return self.child + self.score


@dataclass(frozen=True)
class Spent:
    """What was spent up to some moment, or between two moments.

    Args:
        nfe, cost, network_calls, by_model, counts, seconds: as in `Purse`.
    """

    nfe: int
    cost: int
    network_calls: int
    by_model: Mapping[str, int]
    counts: Mapping[str, int]
    seconds: Mapping[str, float]

    def since(self, before: Spent) -> Spent:
        """What was spent after `before`."""
        return Spent(
            self.nfe - before.nfe,
            self.cost,
            self.network_calls - before.network_calls,
            {name: n - before.by_model.get(name, 0) for name, n in self.by_model.items()},
            {name: n - before.counts.get(name, 0) for name, n in self.counts.items()},
            {name: n - before.seconds[name] for name, n in self.seconds.items()},
        )


@dataclass
class Purse:
    """NFE to spend: one NFE is one latent sent once through the network.

    Args:
        total: NFE in all; infinite for the plain sampler.
        cost: NFE of one network row, 2 with classifier-free guidance.
        nfe: NFE spent so far.
        spender: the model that is called at present.
        by_model: NFE spent so far by each model.
        checked: the part of `nfe` that checked whether the guider remembers calls.
        network_calls: so far.
        reserved: rows kept for the finish.
        prepaid: the part of `nfe` that paid for what the search has yet to ask for.
        counts: of decodes, frames, rewards, gradients and the like.
        seconds: by the names in PARTS.
        wait: blocks until the device is idle, so that times are right.
        started: when the run began, on the clock of `elapsed`.
    """

    total: float = math.inf
    cost: int = 1
    nfe: int = 0
    spender: str = "model"
    by_model: Counter[str] = field(default_factory=Counter)
    checked: int = 0
    network_calls: int = 0
    reserved: int = 0
    prepaid: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    wait: Callable[[], object] = lambda: None
    started: float = field(default_factory=time.perf_counter)

    @property
    def left(self) -> float:
        """Network rows that the search can still pay, without those kept for the finish."""
        return self.free if math.isinf(self.free) else max(0, int(self.free)) // self.cost

    @property
    def free(self) -> float:
        """NFE that the search can still pay; below 0 if those kept for the finish are spent."""
        return self.total - self.reserved * self.cost - self.nfe + self.prepaid

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.started

    def buys(self, price: int) -> int:
        """How many things of `price` rows can still be paid."""
        return int(self.left // price)

    def reserve(self, rows: int) -> None:
        """Keep `rows` for the finish: `left` does not count them."""
        self.reserved = rows

    def require(self, rows: int) -> None:
        """Check, before the network is called, that the budget holds `rows` more.

        Raises:
            BudgetExceeded: it does not.
        """
        needed, kept = rows * self.cost, self.reserved * self.cost
        if needed > self.free:
            finish = f", {kept} kept for the finish" if kept else ""
            raise BudgetExceeded(
                f"The budget of {self.total} NFE is exhausted: got a request for {needed}, "
                f"expected at most {max(0, self.free)} ({self.nfe} spent{finish})."
            )

    def charge(self, nfe: int, calls: int) -> None:
        """Pay for what went through the network: NFE and calls."""
        self.nfe += nfe
        self.by_model[self.spender] += nfe
        self.network_calls += calls

    def refund(self, nfe: int, calls: int) -> None:
        """Set NFE and calls back to an earlier count, because the call since then failed."""
        self.by_model[self.spender] -= self.nfe - nfe
        self.nfe, self.network_calls = nfe, calls

    def spent(self) -> Spent:
        """What was spent so far, as a copy."""
        tables = dict(self.by_model), dict(self.counts), dict(self.seconds)
        return Spent(self.nfe, self.cost, self.network_calls, *tables)

    def commit(self, spent: Spent) -> None:
        """Pay for what was done elsewhere.

        Raises:
            BudgetExceeded: the budget does not hold it.
        """
        self.raise_cost(spent.cost)
        self.require(math.ceil(spent.nfe / self.cost))
        self.nfe += spent.nfe
        self.network_calls += spent.network_calls
        self.by_model.update(spent.by_model)
        self.counts.update(spent.counts)
        for part, seconds in spent.seconds.items():
            self.seconds[part] += seconds

    def restore(self, spent: Spent) -> None:
        """Set back to what was spent at an earlier moment. What a row costs stays as it is."""
        self.nfe, self.network_calls = spent.nfe, spent.network_calls
        self.by_model, self.counts = Counter(spent.by_model), Counter(spent.counts)
        self.seconds = dict(spent.seconds)

    def raise_cost(self, cost: int) -> None:
        """Note that one row turned out to cost `cost` NFE."""
        self.cost = max(self.cost, cost)

    def begin_check(self) -> None:
        """Begin the check of the guider. Its calls measure what a row costs."""
        self.cost = 1

    def end_check(self, nfe: int) -> None:
        """Note the NFE of a check that began at the count `nfe`."""
        self.checked += self.nfe - nfe

    @contextmanager
    def spent_by(self, model: str) -> Iterator[None]:
        """Charge what is spent inside to `model`."""
        before, self.spender = self.spender, model
        try:
            yield
        finally:
            self.spender = before

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
