"""The driver of every search: budget check, stop rules, best so far, finish."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from .automatic import Settled, settle
from .finishing import Finishing
from .leaders import Leaders
from .purse import BudgetExceeded, Prices, Purse
from .rules import Finish, Halt, Outcome, Stopped, StopRules
from .search.rounds import Search, minimum
from .task import Task
from .trajectories import WholeTask
from .types import SCORED, SearchEvent


def check_budget(
    needed: int,
    steps: int,
    finish: Finish,
    budget: int,
    cost: int,
    prices: Prices,
    checked: int = 0,
    plain: int = 0,
    unit: int = 0,
) -> None:
    """Refuse, before any compute, a budget that cannot carry a search and its finish.

    Args:
        needed: fewest network rows with which the search works.
        steps: times at which it works.
        finish: how it ends.
        budget: NFE in all.
        cost: NFE of one row.
        prices: of one particle.
        checked: NFE that check whether a guider remembers calls.
        plain: rows that the plain sampler's image takes, to compare with.
        unit: NFE of one unit of effort; 0 if the user sets the budget itself.

    Raises:
        ValueError: it is too small.
    """
    least = (needed + finish.rows() + plain) * cost + checked
    if budget >= least:
        return
    ahead = f" with a lookahead of {prices.score}" if prices.score else ""
    sentences = [
        f"The budget is too small: got {budget} NFE, expected at least {least}.",
        f"Searching {steps} steps{ahead} takes {needed} evaluations.",
        f"Finishing {finish.top_k} image(s) in {finish.steps} steps takes {finish.rows()}.",
        f"The plain image to compare with takes {plain}." if plain else "",
        f"Each counts {cost} times (CFG)." if cost > 1 else "",
        f"Checking whether the guider remembers calls takes {checked}." if checked else "",
        f"Raise effort to {math.ceil(least / unit)}." if unit else "",
    ]
    raise ValueError(" ".join(filter(None, sentences)))


def run(
    search: Search,
    task: Task,
    finish: Finish,
    rules: StopRules,
    outcome: Outcome,
    root: Callable[[int], int] = lambda particle: particle,
    on_settled: Callable[[Settled], None] = lambda settled: None,
) -> Iterator[SearchEvent]:
    """Yield the search's events, then those of the finish.

    The finish is paid from a reserve of NFE and seconds that the search cannot use, so it takes
    place whatever stops the search. Stop rules are checked after every network call. The price of a
    whole trajectory is measured first. Then what is automatic is decided. A search that ends with
    enough budget for another one begins again, with new particles.

    Args:
        search: the method.
        task: the image to find.
        finish: how it ends.
        rules: when it ends early.
        outcome: holds the best so far at any time.
        root: id of a particle -> id of the start that it descends from.
        on_settled: called once, before the search begins.

    Raises:
        BudgetExceeded: the model costs so much more than its price that nothing was scored.
    """
    task.purse.reserve(finish.rows())
    if isinstance(task, WholeTask) and not search.is_replay:
        task.measure()
    settled = settle(search, task, finish)
    on_settled(settled)
    task, finish = settled.task, settled.finish
    outcome.lookahead, leaders = task.lookahead, Leaders(finish.top_k, root)
    watched = _Watched(task.on_call, rules, outcome, finish, task.purse)
    task = replace(task, on_call=watched)
    finishing = Finishing(task, finish, settled.clean, leaders, outcome, root)
    yield from _searched(settled.search, task, watched, finishing)
    task.purse.reserve(0)
    if finishing.needed:
        yield from finishing.run(watched.stopped)


@dataclass
class _Watched:
    """Follows each network call, and ends the search when a stop rule holds."""

    on_call: Callable[[], None]
    rules: StopRules
    outcome: Outcome
    finish: Finish
    purse: Purse
    searching: bool = True

    def __call__(self) -> None:
        self.on_call()
        if self.searching and self.outcome.top:
            self.halt()

    def halt(self) -> None:
        if stopped := self.stopped():
            raise Halt(stopped)

    def stopped(self) -> Stopped | None:
        return self.rules.reason(self.outcome.top[0], self.finish, self.purse)


def _searched(
    search: Search, task: Task, watched: _Watched, finishing: Finishing
) -> Iterator[SearchEvent]:
    """The search's events until it is done, has spent its budget or is stopped."""
    outcome, leaders = watched.outcome, finishing.leaders
    try:
        for event in _repeated(search, task):
            if event.kind in SCORED:
                leaders.add(event.particles)
                outcome.top = leaders.best
            yield event
            outcome.stopped = "done" if event.kind == "done" else "budget"
            watched.halt()
            if event.kind in SCORED:
                best = event.particles[event.particles.best()]
                yield from finishing.confirm(best, watched.rules)
    except Halt as reason:
        (outcome.stopped,) = reason.args
    except BudgetExceeded:  # the model costs more than its price
        if not outcome.top:
            raise
        outcome.stopped = "budget"
    finally:
        watched.searching = False


def _repeated(search: Search, task: Task) -> Iterator[SearchEvent]:
    """The search again and again, while the budget left carries it whole.

    Budget is left if particles cost less than their price, or if no step could use more of it.
    """
    left = math.inf
    while True:
        event = None
        for event in search.run(task):
            yield event
        if event is None or event.kind == "done":
            return
        if not minimum(search, len(task.times), task.prices) <= task.left < left:
            return
        left = task.left
