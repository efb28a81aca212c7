"""What a search declares of itself: its rounds. What it costs and when it first chooses follow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from ..purse import Prices
from ..task import Task
from ..types import SearchEvent


@dataclass(frozen=True)
class Round:
    """Some tries from step `top` down to step `bottom`, and a choice between them.

    noise: each try is a new particle; parent: the tries of a path are descendants of one particle,
    whose gradient they share; survivors: every particle has one descendant; renoised: a particle is
    noised back up to `top`, and comes down by the ODE.

    Args:
        tries: the least of each path.
        ode: the way down is the plain ODE's, which guidance does not move.
    """

    top: int
    bottom: int
    begin: Literal["noise", "parent", "survivors", "renoised"]
    tries: int = 1
    ode: bool = False

    def price(self, prices: Prices) -> int:
        """Network rows of one try, scored at its end."""
        steps = self.bottom - self.top
        child = 1 if self.ode else prices.child + prices.slope
        first = {"noise": prices.birth, "renoised": 1}.get(self.begin, 0)
        return first + steps * child + prices.score - self.shared(prices)

    def shared(self, prices: Prices) -> int:
        """Network rows that the tries of one path share: the gradient of their parent."""
        return prices.slope if self.begin == "parent" else 0


class Search(Protocol):
    """A search method: a frozen dataclass of settings whose `run` is a generator.

    `run` raises nothing for lack of budget once `minimum` is there, unless particles fail.

    Attributes:
        title: what a menu shows.
        paths: independent searches that share the budget.
        guided: whether guidance moves its steps.
        weighted: whether its weights are those of a random draw, so that every guided step has to
            draw noise.
    """

    title: ClassVar[str]
    guided: ClassVar[bool]
    weighted: ClassVar[bool]

    @property
    def paths(self) -> int: ...
    def rounds(self, steps: int) -> list[Round]:
        """Its rounds over `steps` times, in order."""

    def run(self, task: Task) -> Iterator[SearchEvent]: ...


class Method:
    """Defaults of a search."""

    paths: ClassVar[int] = 1
    guided: ClassVar[bool] = True
    weighted: ClassVar[bool] = False


def minimum(search: Search, steps: int, prices: Prices) -> int:
    """The fewest network rows with which a search can work on `steps` times."""
    rounds = search.rounds(steps)
    each = (r.tries * r.price(prices) + r.shared(prices) for r in rounds)
    return search.paths * sum(each)


def first_choice(search: Search, steps: int) -> int:
    """The step of the first particles that a search chooses between."""
    return search.rounds(steps)[0].bottom


def tries(search: Search, task: Task) -> list[int]:
    """Tries of each path in each round, one at least, that the budget left buys.

    As even as can be; what a further try everywhere cannot use goes to the first rounds that it
    pays for, until it pays for none.
    """
    rounds, prices = search.rounds(len(task.times)), task.prices
    shared = search.paths * sum(r.shared(prices) for r in rounds)
    return shares(int(task.left) - shared, [r.price(prices) for r in rounds], search.paths)


def shares(rows: int, prices: Sequence[int], paths: int) -> list[int]:
    """n_i of each round so that sum_i paths n_i prices_i <= rows, as even as can be."""
    width = max(1, rows // (paths * sum(prices)))
    left = rows - width * paths * sum(prices)
    counts = [width] * len(prices)
    while left >= paths * min(prices):
        for i, price in enumerate(prices):
            more = int(left >= paths * price)
            left -= more * paths * price
            counts[i] += more
    return counts
