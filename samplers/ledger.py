"""What a search spends: the one mutable object of a run."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


class BudgetExceeded(RuntimeError):
    """A search asked for more network evaluations than it has."""


@dataclass
class Ledger:
    """Counts in NFE: one latent sent once through the network.

    `cost` is the NFE of one network row (2 with classifier-free guidance), `reserve` the rows held
    back for the finish. `total` may be infinite (the plain sampler).
    """

    total: float = math.inf
    cost: int = 1
    reserve: int = 0
    nfe: int = 0
    checked: int = 0  # of them, those that showed whether the guider remembers
    network_calls: int = 0
    decodes: int = 0
    frames: int = 0  # pictures that the decodes gave; of a clip each of its frames
    rewards: int = 0
    gradients: int = 0  # of the reward, one a particle that guided its children
    fallbacks: int = 0  # of them, those that could not go through the network
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("network", "decode", "reward", "gradient"), 0.0)
    )
    wait: Callable[[], object] = lambda: None  # for the device to have done what it was asked
    started: float = field(default_factory=time.perf_counter)

    @property
    def left(self) -> float:
        """Network rows that can still be asked for before the finish."""
        free = self.total - self.reserve * self.cost - self.nfe
        return free if math.isinf(free) else max(0, int(free)) // self.cost

    def require(self, rows: int) -> None:
        """Raise before the network is asked for more than the budget holds."""
        asked, reserve = rows * self.cost, self.reserve * self.cost
        if self.nfe + asked > self.total - reserve:
            kept = f", {reserve} kept for the finish" if reserve else ""
            raise BudgetExceeded(
                f"budget of {self.total} NFE exhausted: {self.nfe} spent, {asked} asked{kept}."
            )

    def charge(self, rows: int, calls: int) -> None:
        """Book network rows and calls as a counter around the network saw them."""
        self.nfe += rows
        self.network_calls += calls

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.started

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Add the time spent inside to `seconds[part]`."""
        self.wait()
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.wait()
            self.seconds[part] += time.perf_counter() - begin
