"""Verifier threshold: go on from the first particle that is good enough."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from typing import ClassVar

from ..crew.task import Ahead
from ..task import Task
from ..types import Particles, SearchEvent
from .rounds import Method, Round, least_rows, shared_rows


@dataclass(frozen=True)
class VerifierThreshold(Method):
    """Draws particles one by one, and moves to the first whose reward reaches `threshold`.

    Sundaresha et al., arXiv 2512.08985. The budget goes to the steps that need it. Each step has an
    even share of the budget that is left. When its share is used up it moves to its best particle,
    but not before one has a finite x0. If the last step reaches the threshold, the search ends with
    budget left.
    """

    description: ClassVar[str] = (
        "Verifier threshold: goes on from the first particle whose reward reaches a threshold."
    )

    threshold: float = field(
        default=-0.5,  # counting rewards take up to 0.49 off a right image to break ties
        metadata={
            "min": -1e9,
            "max": 1e9,
            "tooltip": "Reward at which a particle is good enough. Use -0.5 for counts, about "
            "0.9 for VQAScore.",
        },
    )

    def __post_init__(self) -> None:
        if not isfinite(self.threshold):
            raise ValueError(
                f"threshold is not finite: got {self.threshold}, expected a finite number."
            )

    def rounds(self, steps: int) -> list[Round]:
        return [Round(0, 0, "noise"), *(Round(i, i + 1, "parent") for i in range(steps - 1))]

    def run(self, task: Task) -> Iterator[SearchEvent]:
        purse, prices = task.purse, task.prices
        parent: Particles | None = None
        rounds = self.rounds(len(task.times))
        for step, current in enumerate(rounds):
            price = current.price(prices)
            later = least_rows(self, rounds[step + 1 :], prices)
            free = task.left - shared_rows(self, rounds[step:], prices)
            share = max(1, free // (price * len(rounds[step:])))
            best: Particles | None = None
            while best is None or (share > 0 and task.left - later >= price):
                tries = min(share, (task.left - later) // price)
                task.expect(partial(self._ahead, parent=parent, tries=int(max(1, tries))))
                child = self._drawn(task, parent)
                yield SearchEvent("propose" if step else "born", child, purse.nfe)
                share -= 1
                if child.alive and (best is None or child.reward > best.reward):
                    best = child
                if float(child.reward) >= self.threshold:
                    break
            parent = best
            yield SearchEvent("accept", parent, purse.nfe)
        if float(parent.reward) >= self.threshold:
            yield SearchEvent("done", parent, purse.nfe)

    def _drawn(self, task: Task, parent: Particles | None) -> Particles:
        """The next particle: a child, or a new one."""
        return task.born(1) if parent is None else task.propose(parent)

    def _ahead(self, ahead: Ahead, parent: Particles | None, tries: int) -> None:
        """The tries of a step, if none is good enough."""
        for _ in range(tries):
            ahead.attempt(lambda: self._drawn(ahead, parent))
