"""Search over paths: noise up, ODE down, keep the best."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from ..kernels import ODE
from ..problem import Problem
from ..types import Particles, Prices, SearchEvent
from .best_of_n import WAVE, walk
from .choose import best_each, repeated, shares


@dataclass(frozen=True)
class SearchOverPaths:
    """Ma et al., arXiv 2501.09732, Sec. 3.2: solve the ODE from noise to step `backward`; then,
    round by round, K times per path: go `forward` steps back up by fresh noise, q(x_T | x_t), and
    `backward` > forward steps down the ODE; the copy with the highest reward goes on.

    Steps are those of the sigmas, and the last round is cut at their end. K follows from the
    budget. The kernel's own noise is not used: paths differ by the re-noising alone. Departure from
    the paper: the first way down is tried K times, too, from K noises.
    """

    title: ClassVar[str] = "Search over paths (SoP)"

    paths: int = field(
        default=1,
        metadata={"min": 1, "max": 64, "tooltip": "Initial noises, each searched on its own."},
    )
    forward: int = field(
        default=4,
        metadata={
            "min": 1,
            "max": 1000,
            "tooltip": "Steps a path is noised back up before each try: 4 of 10, 1 of 4. More "
            "change more.",
        },
    )
    backward: int = field(
        default=6,
        metadata={
            "min": 2,
            "max": 1000,
            "tooltip": "Steps down before a choice, the first time from pure noise; more than "
            "`forward`, so that the search comes on. One less than the steps, or more: best of N.",
        },
    )

    def __post_init__(self) -> None:
        if self.paths < 1 or self.forward < 1 or self.backward <= self.forward:
            raise ValueError(
                f"paths {self.paths}, forward {self.forward} and backward {self.backward} given, "
                "wanted at least 1, at least 1 and more than forward."
            )

    def _rounds(self, steps: int) -> list[tuple[int, int]]:
        """(top, bottom) step of every round; the first begins at pure noise."""
        rounds = [(0, min(self.backward, steps - 1))]
        while (at := rounds[-1][1]) < steps - 1:
            top = at - self.forward
            rounds.append((top, min(top + self.backward, steps - 1)))
        return rounds

    def _prices(self, steps: int, prices: Prices) -> list[int]:
        """Rows of one try in each round."""
        each = [bottom - top + 1 + prices.score for top, bottom in self._rounds(steps)]
        each[0] += prices.birth - 1
        return each

    def first_choice(self, steps: int) -> int:
        return min(self.backward, steps - 1)

    def minimum(self, steps: int, prices: Prices) -> int:
        return self.paths * sum(self._prices(steps, prices))

    def run(self, problem: Problem) -> Iterator[SearchEvent]:
        ledger, b, ode = problem.ledger, self.paths, ODE(problem.path)
        (_, first), *rounds = self._rounds(len(problem.times))
        each = self._prices(len(problem.times), problem.prices)
        k, *others = shares(int(problem.left), each, b)
        ends: list[Particles] = []
        for paths in torch.arange(b).repeat_interleave(k).split(WAVE):
            born = replace(problem.born(len(paths), score=not first), paths=paths)
            *_, end = walk(problem, born, kernel=ode, last=first)
            yield SearchEvent("propose" if first else "born", end, ledger.nfe)
            ends.append(end)
        parents = best_each(Particles.cat(ends), b)
        yield SearchEvent("accept", parents, ledger.nfe)
        for (top, bottom), k in zip(rounds, others, strict=True):
            copies = problem.renoise(repeated(parents, k), top)
            *_, children = walk(problem, copies, kernel=ode, last=bottom)
            yield SearchEvent("propose", children, ledger.nfe)
            parents = best_each(children, b)
            yield SearchEvent("accept", parents, ledger.nfe)
