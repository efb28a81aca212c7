"""SVDD: the best of K children at every step."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ..problem import Problem
from ..types import Particles, Prices, SearchEvent
from .choose import PATHS, best_each, brood, groups, shares


@dataclass(frozen=True)
class SVDD:
    """Li et al., arXiv 2408.08252, Algorithm 1 (SVDD-PM): per path and step K children, of which
    one goes on, drawn with probability exp(r/alpha)/sum exp(r/alpha); alpha = 0: the best.

    K follows from the budget. Departure from the paper and from the released code of Kim et al.
    (arXiv 2503.19385): the K first particles are K different noises, not one noise K times.
    """

    title: ClassVar[str] = "SVDD (best child each step)"

    paths: int = field(default=1, metadata=PATHS)
    alpha: float = field(
        default=0.0,
        metadata={
            "min": 0.0,
            "max": 100.0,
            "advanced": True,
            "tooltip": "Temperature of the choice between children, in units of the reward. 0 "
            "takes the best; higher now and then follows a lesser one.",
        },
    )

    def __post_init__(self) -> None:
        if self.paths < 1 or not 0.0 <= self.alpha < float("inf"):
            raise ValueError(
                f"paths {self.paths} and alpha {self.alpha} given, wanted at least 1 and a finite "
                "number of at least 0."
            )

    def first_choice(self, steps: int) -> int:
        return 0

    def minimum(self, steps: int, prices: Prices) -> int:
        return self.paths * (prices.born + (steps - 1) * (prices.step + prices.slope))

    def run(self, problem: Problem) -> Iterator[SearchEvent]:
        ledger, prices, b = problem.ledger, problem.prices, self.paths
        each = [prices.born, *[prices.step] * problem.last_step]
        parents: Particles | None = None
        slopes = b * problem.last_step * prices.slope
        for step, k in enumerate(shares(int(problem.left) - slopes, each, b)):
            children = brood(problem, parents, k, b)
            yield SearchEvent("propose" if step else "born", children, ledger.nfe)
            parents = self._choose(children, parents, problem)
            yield SearchEvent("accept", parents, ledger.nfe)

    def _choose(self, children: Particles, before: Particles | None, problem: Problem) -> Particles:
        best = best_each(children, self.paths, before)
        if len(children) == self.paths or self.alpha == 0.0:
            return best
        chosen, uniforms = [], problem.uniforms(self.paths)
        for i, (own, u) in enumerate(zip(groups(children, self.paths), uniforms, strict=True)):
            if not own.reward.isfinite().any():
                chosen.append(best[i])
                continue
            odds = torch.softmax((own.reward - own.reward.max()) / self.alpha, 0)
            last = int(odds.nonzero().max())  # rounding must not reach a child without weight
            chosen.append(own[min(int(torch.searchsorted(odds.cumsum(0), u, right=True)), last)])
        return Particles.cat(chosen)
