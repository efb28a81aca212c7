"""The rounds that a search declares. Its price and its first choice follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from ..purse import Prices
from ..task import Task
from ..types import SearchEvent


@dataclass(frozen=True)
class Round:
    """Some tries from step `top` down to step `bottom`, and a choice between them.

    Args:
        top, bottom: steps, top <= bottom.
        begin: what a try is. noise: a new particle; parent: a child of the path's one particle,
            whose gradient all tries share; survivors: the only child of its particle; renoised: a
            copy of a particle, noised back up to `top`.
        tries: the fewest that each path needs.
        ode: whether the way down is the plain ODE's, which guidance does not move.
        scored: whether the tries are scored at `bottom`.
    """

    top: int
    bottom: int
    begin: Literal["noise", "parent", "survivors", "renoised"]
    tries: int = 1
    ode: bool = False
    scored: bool = True

    def price(self, prices: Prices) -> int:
        """Network rows of one try, without what the tries of a path share."""
        child = 1 if self.ode else prices.child + prices.gradient
        first = {"noise": prices.birth, "renoised": 1}.get(self.begin, 0)
        rows = first + (self.bottom - self.top) * child - self.shared(prices)
        return rows + (prices.score if self.scored else 0)

    def shared(self, prices: Prices) -> int:
        """Network rows that the tries of one path share: the gradient at their parent."""
        return prices.gradient if self.begin == "parent" else 0


@dataclass(frozen=True)
class Facts:
    """What is known when the automatic settings of a search are chosen.

    Args:
        sharp: whether the first prediction is nearly the clean image; None: not known.
        source: where that is known from, as the first half of a sentence.
        steps: times at which the search works.
        budget: evaluations that the whole budget buys.
        left: evaluations that the search can still spend.
        prices: of one particle. If the lookahead is automatic, `score` is what it comes to for a
            method that chooses early.
        guided: whether guidance moves steps of the kernel, and none of the ODE's.
        draws: tells whether the kernel draws noise.
        calls_network: whether a step of the kernel calls the network.
        whole: whether another sampler carries each particle from start to end.
        second: whether a second model shows the clean image of a particle at once.
    """

    sharp: bool | None
    source: str
    steps: int
    budget: int
    left: int
    prices: Prices
    guided: bool
    draws: Callable[[], bool]
    whole: bool = False
    calls_network: bool = False
    second: bool = False


@dataclass(frozen=True)
class Choice:
    """The search that runs.

    Args:
        search: without automatic settings, except those that its `run` works out.
        ode_steps: of the times, how many the plain ODE walks in place of the kernel. None: the
            kernel walks all.
        source: as in `Facts`, if it is more.
    """

    search: Search
    ode_steps: int | None = None
    source: str = ""


class Search(Protocol):
    """A search method: a frozen dataclass of settings whose `run` is a generator.

    The driver runs its `choice`, which is itself for most methods. `run` does not run out of budget
    if it begins with at least `minimum`, unless particles fail.

    Attributes:
        paths: independent searches that share the budget.
        guided: whether guidance moves its steps.
        needs_noise: whether every guided step has to draw noise, since the particles' weights are
            those of a random draw.
        is_replay: whether it makes a particle of an earlier search again and tries nothing new.
        whole_trajectories: whether it only needs whole trajectories, so that any sampler will do.
        children: how its children differ from their parent, as in children.py.
    """

    guided: ClassVar[bool]
    needs_noise: ClassVar[bool]
    is_replay: ClassVar[bool]
    whole_trajectories: ClassVar[bool]

    @property
    def paths(self) -> int: ...
    @property
    def children(self) -> str: ...
    def rounds(self, steps: int) -> list[Round]:
        """Its rounds over `steps` times, in order."""

    def choice(self, facts: Facts) -> Choice:
        """The search that runs, with its automatic settings chosen by `facts`."""

    def run(self, task: Task) -> Iterator[SearchEvent]: ...


class Method:
    """The base of the searches: the usual values of what `Search` asks for.

    Attributes:
        description: one sentence, shown in the node's tooltip and in its help.
    """

    description: ClassVar[str]
    paths: ClassVar[int] = 1
    children: ClassVar[str] = "kernel"
    guided: ClassVar[bool] = True
    needs_noise: ClassVar[bool] = False
    is_replay: ClassVar[bool] = False
    whole_trajectories: ClassVar[bool] = False

    def choice(self, facts: Facts) -> Choice:
        return Choice(self)


def check_least(search: Search, least: Mapping[str, float]) -> None:
    """Refuse settings that are too small, or NaN.

    Args:
        search: whose settings.
        least: the smallest value of each, by name.

    Raises:
        ValueError: one is below it.
    """
    for name, value in least.items():
        if not getattr(search, name) >= value:
            raise ValueError(
                f"{name} is too small: got {getattr(search, name)}, expected at least {value}."
            )


def minimum(search: Search, steps: int, prices: Prices) -> int:
    """The fewest network rows with which a search can work.

    Args:
        search: the method.
        steps: times at which it works.
        prices: of one particle.
    """
    return least_rows(search, search.rounds(steps), prices)


def least_rows(search: Search, rounds: Sequence[Round], prices: Prices) -> int:
    """The fewest network rows of some of a search's rounds.

    Args:
        search: the method.
        rounds: all of its rounds or some.
        prices: of one particle.
    """
    tries = sum(r.tries * r.price(prices) for r in rounds)
    return search.paths * tries + shared_rows(search, rounds, prices)


def shared_rows(search: Search, rounds: Sequence[Round], prices: Prices) -> int:
    """Network rows of the gradients at the parents of some rounds, of all paths together.

    Args:
        search: the method.
        rounds: all of its rounds or some.
        prices: of one particle.
    """
    return search.paths * sum(r.shared(prices) for r in rounds)


def first_choice(search: Search, steps: int) -> int:
    """The step of the first particles that a search chooses between."""
    return search.rounds(steps)[0].bottom


def affordable_tries(search: Search, task: Task) -> list[int]:
    """How many tries of each path the remaining budget buys in each round, one at least.

    They are as even as possible. If one more try in every round is too dear, the first rounds get
    one more, as many as the budget allows.
    """
    rounds, prices = search.rounds(len(task.times)), task.prices
    rows = int(task.left) - shared_rows(search, rounds, prices)
    return even_counts(rows, [r.price(prices) for r in rounds], search.paths)


def even_counts(rows: int, prices: Sequence[int], paths: int) -> list[int]:
    """Counts n_i, as even as possible, with sum_i paths n_i prices_i <= rows.

    Args:
        rows: network rows to spend.
        prices: network rows of one try in each round.
        paths: each of which gets n_i tries.
    """
    width = max(1, rows // (paths * sum(prices)))
    left = rows - width * paths * sum(prices)
    counts = [width] * len(prices)
    while left >= paths * min(prices):
        for i, price in enumerate(prices):
            more = int(left >= paths * price)
            left -= more * paths * price
            counts[i] += more
    return counts
