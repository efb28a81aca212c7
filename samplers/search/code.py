"""CoDe: best of K blocks of steps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from ..problem import Problem
from ..types import Particles, Prices, SearchEvent
from .best_of_n import walk
from .choose import PATHS, best_each, brood, shares


@dataclass(frozen=True)
class CoDe:
    """Singh et al., arXiv 2502.00968: per path K children run `block` steps on their own, then the
    one with the highest reward goes on. block 1 is SVDD, one block over all steps best of N.

    K follows from the budget; only the end of a block is scored. The last block may be shorter.
    """

    title: ClassVar[str] = "CoDe (best block of steps)"
    block: int = field(
        default=2,
        metadata={
            "min": 1,
            "max": 1000,
            "tooltip": "Steps between two choices. More let candidates grow further apart before "
            "they are judged, and decode less; fewer choose more often.",
        },
    )
    paths: int = field(default=1, metadata=PATHS)

    def __post_init__(self) -> None:
        if self.block < 1 or self.paths < 1:
            raise ValueError(
                f"block {self.block} and paths {self.paths} given, wanted at least 1 of each."
            )

    def first_choice(self, steps: int) -> int:
        return min(self.block, steps) - 1

    def minimum(self, steps: int, prices: Prices) -> int:
        return self.paths * sum(self._prices(steps, prices)) + self._slopes(steps, prices)

    def _slopes(self, steps: int, prices: Prices) -> int:
        """Rows of the gradients that the candidates of one block share."""
        return self.paths * prices.slope * ((steps - 1) // self.block)

    def _prices(self, steps: int, prices: Prices) -> list[int]:
        """Rows of one child in each block."""
        sizes = [min(self.block, steps - first) for first in range(0, steps, self.block)]
        each = [n * prices.child + (n - 1) * prices.slope + prices.score for n in sizes]
        each[0] += prices.birth - prices.child
        return each

    def run(self, problem: Problem) -> Iterator[SearchEvent]:
        ledger, b, steps = problem.ledger, self.paths, len(problem.times)
        each = self._prices(steps, problem.prices)
        parents: Particles | None = None
        left = int(problem.left) - self._slopes(steps, problem.prices)
        for block, k in enumerate(shares(left, each, b)):
            first, last = block * self.block, min((block + 1) * self.block, steps) - 1
            children = brood(problem, parents, k, b, score=last == first)
            *_, children = walk(problem, children, last=last)
            yield SearchEvent("propose" if last else "born", children, ledger.nfe)
            parents = best_each(children, b)
            yield SearchEvent("accept", parents, ledger.nfe)
