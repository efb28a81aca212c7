"""The driver of every search: budget check, stop rules, best-so-far, finish."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from .leaders import Leaders
from .lookahead import AUTOMATIC, clean, decided
from .purse import BudgetExceeded, Prices, Purse
from .replay import Replay
from .search.rounds import Search, minimum
from .task import Task
from .types import SCORED, Particles, SearchEvent

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

    `beside` tells the seconds that each finished particle costs beside the search's own purse."""

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
    """What a search found: `top` best first, one row each, and why it stopped; the `lookahead` that
    its particles were scored with."""

    top: list[Particles] = field(default_factory=list)
    stopped: Stopped = "budget"
    lookahead: int = 0


class _Halt(Exception):
    """Raised when a stop rule holds and something has been found; its argument is the reason."""


def check_budget(
    needed: int,
    steps: int,
    finish: Finish,
    budget: int,
    cost: int,
    prices: Prices,
    checked: int = 0,
) -> None:
    """Raise before any compute when `budget` NFE cannot carry a search and its finish.

    Args:
        needed: network rows of the search.
        steps: times at which it works.
        cost: NFE of one row.
        checked: NFE that show whether a guider remembers.
    """
    least = (needed + finish.rows()) * cost + checked
    if budget < least:
        each = f", each counted {cost} times (CFG)" if cost > 1 else ""
        asked = f", and {checked} to see whether the guider remembers calls" if checked else ""
        ahead = f" with a lookahead of {prices.score}" if prices.score else ""
        raise ValueError(
            f"budget of {budget} NFE given, wanted at least {least}: {needed} to search {steps} "
            f"steps{ahead} and {finish.rows()} to finish {finish.top_k} image(s) in "
            f"{finish.steps} steps{each}{asked}."
        )


def run(
    search: Search | Replay,
    task: Task,
    finish: Finish,
    rules: StopRules,
    outcome: Outcome,
    root: Callable[[int], int] = lambda particle: particle,
) -> Iterator[SearchEvent]:
    """Yield the search's events, then those of the finish; `outcome` always holds the best so far.

    The finish is paid from a reserve that the search never sees, in NFE and in seconds, so it takes
    place whatever stopped the search. Stop rules are looked at after every network call. An
    automatic lookahead is decided first, and stands for a finish that is no longer. A search that
    ends with budget left for another one begins again, with new particles.

    Args:
        root: id of a particle -> id of the start that it descends from.
    """
    clean, ahead = task.lookahead > 0, task.lookahead
    task.purse.reserve(finish.rows())
    if ahead == AUTOMATIC:
        ahead, clean = decided(search, task)
        finish = finish.after(ahead, task.flow.end)
        task.purse.reserve(finish.rows())
    outcome.lookahead, leaders = ahead, Leaders(finish.top_k, root)
    watched = _Watched(task.on_call, rules, outcome, finish, task.purse)
    task = replace(task, lookahead=ahead, on_call=watched)
    ending = _Finishing(task, finish, clean, leaders, outcome, root)
    yield from _searched(search, task, watched, ending)
    task.purse.reserve(0)
    if ending.needed:
        yield from ending.run(watched)


@dataclass
class _Watched:
    """Follows each network call: ends the search when a stop rule holds."""

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
            raise _Halt(stopped)

    def stopped(self) -> Stopped | None:
        return _stop(self.rules, self.outcome, self.finish, self.purse)


@dataclass
class _Finishing:
    """Carries the leaders of a search to their end.

    A finish that is worth less than what was scored gives way to it where that was a clean image
    (`clean`: it is known to be, or it hardly differs from its finish). A blurred prediction may
    please the reward by its blur, so there the next best is finished instead, while the budget
    lasts.
    """

    task: Task
    finish: Finish
    clean: bool
    leaders: Leaders
    outcome: Outcome
    root: Callable[[int], int]

    def __post_init__(self) -> None:
        self.results = Leaders(self.finish.top_k, self.root)
        self.ended: set[int] = set()

    @property
    def needed(self) -> bool:
        """Whether a result is anything else than what was scored."""
        other = self.task.final_objective is not self.task.objective
        return bool(self.finish.steps or self.task.flow.end or other)

    def run(self, watched: _Watched) -> Iterator[SearchEvent]:
        for particle in self.leaders.best:
            yield from self._end(particle)
        for particle in self.leaders.spares:
            best = self.results.best[0].reward
            room = 0 < self.finish.steps <= self.task.left
            if best >= particle.reward or not room or watched.stopped() not in (None, "target"):
                break
            yield from self._end(particle)
        self.outcome.top = self.results.best

    def proves(self, particle: Particles, rules: StopRules) -> Iterator[SearchEvent]:
        """End the search at a particle of the highest score, unless its finish spoils it.

        One that it spoils is worth what its finish is, and leads no more. One that the budget
        cannot try is finished in the end.
        """
        if not rules.highest(particle):
            return
        if self.needed:
            if self.task.left < self.finish.steps:
                return
            yield from self._end(particle)
            if not rules.highest(self.results.best[0]):
                self.leaders.drop(particle)
                self.outcome.top = self.leaders.best or self.results.best
                return
        raise _Halt("target")

    def _end(self, particle: Particles) -> Iterator[SearchEvent]:
        """Finish a particle, unless that is done."""
        if int(particle.ids) in self.ended:
            return
        self.ended.add(int(particle.ids))
        task, nodes = self.task, int(min(self.finish.steps, self.task.left))
        last = task.finish(particle, nodes)
        yield SearchEvent("finish", last, task.purse.nfe)
        worse = last.reward < particle.reward and nodes and not task.flow.end
        if worse and (self.clean or clean(particle.clean, last.clean)):
            if task.final_objective is not task.objective:  # to be judged by the same
                particle = task.finish(particle, 0)
                yield SearchEvent("finish", particle, task.purse.nfe)
            last = max(particle, last, key=lambda one: float(one.reward))
        self.results.add(last)
        self.outcome.top = self.results.best


def _searched(
    search: Search | Replay, task: Task, watched: _Watched, ending: _Finishing
) -> Iterator[SearchEvent]:
    """The search's events until it is done, spent or stopped."""
    outcome, leaders = watched.outcome, ending.leaders
    try:
        for event in _rounds(search, task):
            if event.kind in SCORED:
                leaders.add(event.particles)
                outcome.top = leaders.best
            yield event
            outcome.stopped = "done" if event.kind == "done" else "budget"
            watched.halt()
            if event.kind in SCORED:
                best = event.particles[event.particles.best()]
                yield from ending.proves(best, watched.rules)
    except _Halt as reason:
        (outcome.stopped,) = reason.args
    except BudgetExceeded:  # a model that costs more than foreseen
        if not outcome.top:
            raise
        outcome.stopped = "budget"
    finally:
        watched.searching = False


def _rounds(search: Search | Replay, task: Task) -> Iterator[SearchEvent]:
    """The search again and again, as long as what it left of the budget carries it whole: its
    particles may have cost less than foreseen, or its steps may have had no use for more."""
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


def _stop(rules: StopRules, outcome: Outcome, finish: Finish, purse: Purse) -> Stopped | None:
    if rules.asked():
        return "interrupt"
    if rules.target is not None and float(outcome.top[0].reward) >= rules.target:
        return "target"
    if rules.seconds is not None:
        last = _finish_seconds(finish, purse) + rules.beside() * finish.top_k
        if purse.elapsed + last >= rules.seconds:
            return "time"
    return None


def _finish_seconds(finish: Finish, purse: Purse) -> float:
    """What the finish is likely to take of the search's own, at the pace so far; gradients count,
    as NFE do."""
    seconds = purse.seconds
    evaluations = seconds["network"] + seconds["gradient"]
    network = evaluations / max(1, purse.nfe) * finish.rows() * purse.cost
    pictures = (seconds["decode"] + seconds["reward"]) / max(1, purse.counts["rewards"])
    return network + pictures * finish.top_k
