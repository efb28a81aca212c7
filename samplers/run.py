"""The driver of every search: budget check, stop rules, best-so-far, finish."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from .ledger import BudgetExceeded
from .problem import Problem
from .types import Particles, Search, SearchEvent

Stopped = Literal["budget", "target", "time", "interrupt", "done"]


@dataclass(frozen=True)
class Finish:
    """How a search ends: the `top_k` best particles ever seen, each by `steps` ODE evaluations."""

    steps: int = 0
    top_k: int = 1

    def particles(self) -> int:
        return self.steps * self.top_k


@dataclass(frozen=True)
class StopRules:
    """A search ends early at a reward of `target` or more, or after `seconds` (None: never)."""

    target: float | None = None
    seconds: float | None = None


@dataclass
class Outcome:
    """What a search found: `top` best first, one row each, and why it stopped."""

    top: list[Particles] = field(default_factory=list)
    stopped: Stopped = "budget"


def check_budget(search: Search, steps: int, finish: Finish, budget: int, cost: int) -> None:
    """Raise before any compute when `budget` NFE cannot carry the search and its finish."""
    least = (search.minimum(steps) + finish.particles()) * cost
    if budget < least:
        each = f", each counted {cost} times (CFG)" if cost > 1 else ""
        raise ValueError(
            f"budget of {budget} NFE given, wanted at least {least}: {search.minimum(steps)} to "
            f"search {steps} steps and {finish.particles()} to finish {finish.top_k} image(s) in "
            f"{finish.steps} steps{each}."
        )


def best_ever(top: list[Particles], seen: Particles, k: int) -> list[Particles]:
    """The `k` best rows of both; of equal rewards the later step, then the earlier particle."""
    rows = top + [seen[i] for i in range(len(seen))]
    return sorted(rows, key=lambda p: (-float(p.reward), -int(p.steps), int(p.ids)))[:k]


def run(
    search: Search,
    problem: Problem,
    finish: Finish,
    rules: StopRules,
    outcome: Outcome,
) -> Iterator[SearchEvent]:
    """Yield the search's events, then those of the finish; `outcome` always holds the best so far.

    The finish is paid from a reserve that the search never sees, so it takes place whatever
    stopped the search.
    """
    ledger = problem.ledger
    ledger.reserve = finish.particles()
    for event in _until_spent(search.run(problem), outcome):
        if event.kind in ("born", "propose"):
            outcome.top = best_ever(outcome.top, event.particles, finish.top_k)
        yield event
        if stopped := _stop(rules, outcome, ledger.elapsed):
            outcome.stopped = stopped
            break
    else:
        outcome.stopped = "done" if problem.left else "budget"
    ledger.reserve = 0
    if finish.steps or problem.final_objective is not problem.objective:
        finished: list[Particles] = []
        for particle in outcome.top:
            last = problem.finish(particle, int(min(finish.steps, problem.left)))
            finished = best_ever(finished, last, finish.top_k)
            yield SearchEvent("finish", last, ledger.nfe)
        outcome.top = finished


def _until_spent(events: Iterator[SearchEvent], outcome: Outcome) -> Iterator[SearchEvent]:
    """The events, until a model that costs more than foreseen has used up the budget."""
    try:
        yield from events
    except BudgetExceeded:
        if not outcome.top:
            raise


def _stop(rules: StopRules, outcome: Outcome, elapsed: float) -> Stopped | None:
    if rules.target is not None and float(outcome.top[0].reward) >= rules.target:
        return "target"
    if rules.seconds is not None and elapsed >= rules.seconds:
        return "time"
    return None
