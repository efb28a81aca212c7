"""Verifier-Threshold: go on as soon as a particle is good enough."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import ClassVar

from ..problem import Problem
from ..types import Particles, Prices, SearchEvent


@dataclass(frozen=True)
class VerifierThreshold:
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

    def first_choice(self, steps: int) -> int:
        return 0

    def minimum(self, steps: int, prices: Prices) -> int:
        return prices.born + (steps - 1) * (prices.step + prices.slope)

    def run(self, problem: Problem) -> Iterator[SearchEvent]:
        ledger, prices = problem.ledger, problem.prices
        parent: Particles | None = None
        for step in range(problem.last_step + 1):
            later = (problem.last_step - step) * (prices.step + prices.slope)
            price = prices.step if step else prices.born
            steps = problem.last_step - step + 1
            slopes = (steps if step else steps - 1) * prices.slope
            share = max(1, (problem.left - slopes) // (price * steps))
            best: Particles | None = None
            while best is None or (share > 0 and problem.left - later >= price):
                child = problem.propose(parent) if step else problem.born(1)
                yield SearchEvent("propose" if step else "born", child, ledger.nfe)
                share -= 1
                if child.alive and (best is None or child.reward > best.reward):
                    best = child
                if float(child.reward) >= self.threshold:
                    break
            parent = best
            yield SearchEvent("accept", parent, ledger.nfe)
        if float(parent.reward) >= self.threshold:
            yield SearchEvent("done", parent, ledger.nfe)
