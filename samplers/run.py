"""The driver of every search: budget check, stop rules, best-so-far, finish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from .ledger import BudgetExceeded, Ledger
from .lookahead import AUTOMATIC, decided
from .problem import Problem
from .types import SCORED, Particles, Prices, Search, SearchEvent

ROUNDING = 1e-6  # of a score: what may lack at the maximum
Stopped = Literal["budget", "target", "time", "interrupt", "done"]


@dataclass(frozen=True)
class Finish:
    """How a search ends: the `top_k` best particles ever seen, each by `steps` ODE evaluations."""

    steps: int = 0
    top_k: int = 1

    def rows(self) -> int:
        return self.steps * self.top_k

    def after(self, lookahead: int, end: float = 0.0) -> Finish:
        """What is left to do when each particle was already carried to 0 in `lookahead` steps;
        a sampler that lands at `end` above 0 has not been there."""
        return Finish(0, self.top_k) if lookahead >= self.steps and not end else self


@dataclass(frozen=True)
class StopRules:
    """A search ends early at a reward of `target` or more, at the reward's `maximum` if that is
    left of a particle when it is finished, after `seconds`, its finish included, or when `asked`
    says that the user wants no more. None: never.

    `beside` tells the seconds that each finished particle costs beside the search's own ledger."""

    target: float | None = None
    seconds: float | None = None
    asked: Callable[[], bool] = lambda: False
    beside: Callable[[], float] = lambda: 0.0
    maximum: float | None = None

    def highest(self, particle: Particles) -> bool:
        """Whether no particle can score more."""
        return self.maximum is not None and at_maximum(float(particle.reward), self.maximum)


def at_maximum(reward: float, maximum: float) -> bool:
    """Whether a reward is the highest there is, but for rounding."""
    return reward >= maximum - ROUNDING * max(1.0, abs(maximum))


@dataclass
class Outcome:
    """What a search found: `top` best first, one row each, and why it stopped."""

    top: list[Particles] = field(default_factory=list)
    stopped: Stopped = "budget"


class _Halt(Exception):
    """Raised when a stop rule holds and something has been found; its argument is the reason."""


def check_budget(
    search: Search, steps: int, finish: Finish, budget: int, cost: int, prices: Prices
) -> None:
    """Raise before any compute when `budget` NFE cannot carry the search and its finish."""
    needed = search.minimum(steps, prices)
    least = (needed + finish.rows()) * cost
    if budget < least:
        each = f", each counted {cost} times (CFG)" if cost > 1 else ""
        ahead = f" with a lookahead of {prices.score}" if prices.score else ""
        raise ValueError(
            f"budget of {budget} NFE given, wanted at least {least}: {needed} to search {steps} "
            f"steps{ahead} and {finish.rows()} to finish {finish.top_k} image(s) in "
            f"{finish.steps} steps{each}."
        )


def best_ever(top: list[Particles], seen: Particles, k: int) -> list[Particles]:
    """The `k` best rows of both; of equal rewards the later step, then the earlier particle."""
    columns = ((-seen.reward).tolist(), (-seen.steps).tolist(), seen.ids.tolist())
    order = sorted(zip(*columns, range(len(seen)), strict=True))
    rows = top + [seen[row] for *_, row in order[:k]]
    return sorted(rows, key=lambda p: (-float(p.reward), -int(p.steps), int(p.ids)))[:k]


def run(
    search: Search,
    problem: Problem,
    finish: Finish,
    rules: StopRules,
    outcome: Outcome,
) -> Iterator[SearchEvent]:
    """Yield the search's events, then those of the finish; `outcome` always holds the best so far.

    The finish is paid from a reserve that the search never sees, in NFE and in seconds, so it takes
    place whatever stopped the search. Stop rules are looked at after every network call. An
    automatic lookahead is decided first, and stands for a finish that is no longer. What a finish
    gives takes the place of what was found, be it worth less: an early prediction may please the
    reward by its blur.
    """
    problem.ledger.reserve = finish.rows()
    if problem.lookahead == AUTOMATIC:
        problem.lookahead = decided(search, problem)
        finish = finish.after(problem.lookahead, problem.end)
        problem.ledger.reserve = finish.rows()
    ending = Ending(problem, finish)
    yield from _searched(search, problem, finish, rules, outcome, ending)
    problem.ledger.reserve = 0
    if ending.needed:
        for particle in outcome.top:
            yield from ending.of(particle)
        outcome.top = ending.best()


@dataclass
class Ending:
    """The finish of particles, each once; `made` are the finished ones by the id of the parent."""

    problem: Problem
    finish: Finish
    made: dict[int, Particles] = field(default_factory=dict)

    @property
    def needed(self) -> bool:
        problem = self.problem
        other = problem.final_objective is not problem.objective
        return bool(self.finish.steps or problem.end or other)

    def of(self, particle: Particles) -> Iterator[SearchEvent]:
        """Finish a particle, unless that is done."""
        done = [*self.made, *(int(last.ids) for last in self.made.values())]
        if int(particle.ids) in done:
            return
        steps = int(min(self.finish.steps, self.problem.left))
        last = self.made[int(particle.ids)] = self.problem.finish(particle, steps)
        yield SearchEvent("finish", last, self.problem.ledger.nfe)

    def best(self) -> list[Particles]:
        """The best of those finished."""
        top: list[Particles] = []
        for last in self.made.values():
            top = best_ever(top, last, self.finish.top_k)
        return top

    def proves(
        self, particle: Particles, rules: StopRules, outcome: Outcome
    ) -> Iterator[SearchEvent]:
        """End the search at a particle of the highest score, unless its finish spoils it.

        It is then worth what its finish is. One that the budget cannot try is finished in the end.
        """
        if not rules.highest(particle):
            return
        if self.needed:
            if self.problem.ledger.left < self.finish.steps:
                return
            yield from self.of(particle)
            last = self.made[int(particle.ids)]
            others = [p for p in outcome.top if int(p.ids) != int(particle.ids)]
            particle, outcome.top = last, best_ever(others, last, self.finish.top_k)
        if rules.highest(particle):
            raise _Halt("target")


def _searched(
    search: Search,
    problem: Problem,
    finish: Finish,
    rules: StopRules,
    outcome: Outcome,
    ending: Ending,
) -> Iterator[SearchEvent]:
    """The search's events until it is done, spent or stopped."""
    own_call = problem.after_call

    def halt() -> None:
        if stopped := _stop(rules, outcome, finish, problem.ledger):
            raise _Halt(stopped)

    def after_call() -> None:
        own_call()
        if outcome.top:
            halt()

    problem.after_call = after_call
    try:
        for event in search.run(problem):
            if event.kind in SCORED:
                outcome.top = best_ever(outcome.top, event.particles, finish.top_k)
            yield event
            outcome.stopped = "done" if event.kind == "done" else "budget"
            halt()
            if event.kind in SCORED:
                best = event.particles[event.particles.best()]
                yield from ending.proves(best, rules, outcome)
    except _Halt as reason:
        (outcome.stopped,) = reason.args
    except BudgetExceeded:  # a model that costs more than foreseen
        if not outcome.top:
            raise
        outcome.stopped = "budget"
    finally:
        problem.after_call = own_call


def _stop(rules: StopRules, outcome: Outcome, finish: Finish, ledger: Ledger) -> Stopped | None:
    if rules.asked():
        return "interrupt"
    if rules.target is not None and float(outcome.top[0].reward) >= rules.target:
        return "target"
    if rules.seconds is not None:
        last = _finish_seconds(finish, ledger) + rules.beside() * finish.top_k
        if ledger.elapsed + last >= rules.seconds:
            return "time"
    return None


def _finish_seconds(finish: Finish, ledger: Ledger) -> float:
    """What the finish is likely to take of the search's own, at the pace so far; gradients count,
    as NFE do."""
    seconds = ledger.seconds
    evaluations = seconds["network"] + seconds["gradient"]
    network = evaluations / max(1, ledger.nfe) * finish.rows() * ledger.cost
    pictures = (seconds["decode"] + seconds["reward"]) / max(1, ledger.rewards)
    return network + pictures * finish.top_k
