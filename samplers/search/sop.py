"""Search over paths: noise up, ODE down, keep the best."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from ..kernels import ODE
from ..problem import Problem
from ..types import Prices, SearchEvent
from .best_of_n import walk
from .choose import best_each, repeated, shares


@dataclass(frozen=True)
class SearchOverPaths:
    """Ma et al., arXiv 2501.09732, Sec. 3.2: solve the ODE from noise to step `forward`; then,
    round by round, K times per path: go `forward` steps back up by fresh noise, q(x_T | x_t), and
    `backward` > forward steps down the ODE; the copy with the highest reward goes on.

    Steps are those of the sigmas, and the last round is cut at their end. K follows from the
    budget. The kernel's own noise is not used: paths differ by the re-noising alone.
    """

    title: ClassVar[str] = "Search over paths (SoP)"
    ranks: ClassVar[str] = "late"

    paths: int = field(
        default=2,
        metadata={"min": 1, "max": 64, "tooltip": "Initial noises, each searched on its own."},
    )
    forward: int = field(
        default=2,
        metadata={
            "min": 1,
            "max": 1000,
            "tooltip": "Steps a path is noised back up before each try. More change more.",
        },
    )
    backward: int = field(
        default=4,
        metadata={
            "min": 2,
            "max": 1000,
            "tooltip": "Steps down again; more than `forward`, so that the search comes on.",
        },
    )

    def __post_init__(self) -> None:
        if self.paths < 1 or self.forward < 1 or self.backward <= self.forward:
            raise ValueError(
                f"paths {self.paths}, forward {self.forward} and backward {self.backward} given, "
                "wanted at least 1, at least 1 and more than forward."
            )

    def _rounds(self, steps: int) -> list[tuple[int, int]]:
        """(top, bottom) step of every round."""
        at, rounds = min(self.forward, steps - 1), []
        while at < steps - 1:
            top = max(0, at - self.forward)
            at = min(top + self.backward, steps - 1)
            rounds.append((top, at))
        return rounds

    def minimum(self, steps: int, prices: Prices) -> int:
        downs = [bottom - top + 1 + prices.score for top, bottom in self._rounds(steps)]
        return self.paths * (self._solve(steps, prices) + sum(downs))

    def _solve(self, steps: int, prices: Prices) -> int:
        """Rows of one path's first way down."""
        scored = steps - 1 <= self.forward
        return prices.birth + min(self.forward, steps - 1) + (prices.score if scored else 0)

    def run(self, problem: Problem) -> Iterator[SearchEvent]:
        ledger, b, ode = problem.ledger, self.paths, ODE(problem.path)
        steps = len(problem.times)
        rounds, solved = self._rounds(steps), min(self.forward, steps - 1)
        n = b if rounds else int(problem.left) // self._solve(steps, problem.prices)
        born = replace(problem.born(n, score=steps == 1), paths=torch.arange(n))
        *_, parents = walk(problem, born, score=not rounds, kernel=ode, last=solved)
        if not rounds:
            yield SearchEvent("propose" if solved else "born", parents, ledger.nfe)
            return
        each = [bottom - top + 1 + problem.prices.score for top, bottom in rounds]
        for (top, bottom), k in zip(rounds, shares(int(problem.left), each, b), strict=True):
            copies = problem.renoise(repeated(parents, k), top)
            *_, children = walk(problem, copies, kernel=ode, last=bottom)
            yield SearchEvent("propose", children, ledger.nfe)
            parents = best_each(children, b)
            yield SearchEvent("accept", parents, ledger.nfe)
