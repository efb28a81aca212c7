"""Verifier-Threshold: go on as soon as a particle is good enough."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import ClassVar

from ..task import Task
from ..types import Particles, SearchEvent
from .rounds import Method, Round


@dataclass(frozen=True)
class VerifierThreshold(Method):
    """Sundaresha et al., arXiv 2512.08985: at every step draw candidates one by one and move to the
    first whose reward reaches `threshold`; the budget goes where this takes long.

    A step that has tried its even share of what is left goes on with its best: what steps before it
    saved is shared by all that follow. It goes on trying while nothing can descend from any. A last
    step that reaches the threshold ends the search, whatever is left of the budget.
    """

    title: ClassVar[str] = "Verifier threshold"

    threshold: float = field(
        default=-0.5,  # counting rewards take up to 0.49 off a right picture to break ties
        metadata={
            "min": -1e9,
            "max": 1e9,
            "tooltip": "Reward at which a candidate is good enough to go on with: -0.5 for counts "
            "(all right), about 0.9 for VQAScore. If it is too low the first candidates will do, "
            "and the search ends at once.",
        },
    )

    def __post_init__(self) -> None:
        if not isfinite(self.threshold):
            raise ValueError(f"threshold {self.threshold} given, wanted a finite number.")

    def rounds(self, steps: int) -> list[Round]:
        return [Round(0, 0, "noise"), *(Round(i, i + 1, "parent") for i in range(steps - 1))]

    def run(self, task: Task) -> Iterator[SearchEvent]:
        purse, prices = task.purse, task.prices
        parent: Particles | None = None
        rounds = self.rounds(len(task.times))
        for step, now in enumerate(rounds):
            later = sum(r.price(prices) + r.shared(prices) for r in rounds[step + 1 :])
            slopes = sum(r.shared(prices) for r in rounds[step:])
            price = now.price(prices)
            share = max(1, (task.left - slopes) // (price * len(rounds[step:])))
            best: Particles | None = None
            while best is None or (share > 0 and task.left - later >= price):
                child = task.propose(parent) if step else task.born(1)
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
