"""SVDD: the best of K children at every step."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import ClassVar

import torch

from ..task import Task
from ..types import Particles, SearchEvent
from .children import CHILDREN, settled
from .paths import PATHS, best_of_blocks, best_of_each, by_path
from .rounds import Choice, Facts, Method, Round, check_least


@dataclass(frozen=True)
class SVDD(Method):
    """At each step every path has K children, and one of them goes on.

    Li et al., arXiv 2408.08252, Algorithm 1 (SVDD-PM). A child with reward r goes on with
    probability exp(r/alpha)/sum exp(r/alpha). With alpha 0 the best child goes on. K follows from
    the budget. With `children` kernel this is the paper's method. Departure from it, and from the
    released code of arXiv 2503.19385: the first K particles start from K noises, not from one
    noise K times.
    """

    description: ClassVar[str] = (
        "SVDD: tries several children of each path at every step, and the best one goes on."
    )

    paths: int = field(default=1, metadata=PATHS)
    alpha: float = field(
        default=0.0,
        metadata={
            "min": 0.0,
            "max": 100.0,
            "advanced": True,
            "tooltip": "Temperature of the choice between children. 0 takes the best. Higher "
            "values sometimes take a worse one.",
        },
    )

    children: str = field(default="auto", metadata=CHILDREN)

    def __post_init__(self) -> None:
        check_least(self, {"paths": 1, "alpha": 0.0})
        if not isfinite(self.alpha):
            raise ValueError(f"alpha is not finite: got {self.alpha}, expected a finite number.")

    def rounds(self, steps: int) -> list[Round]:
        return [Round(0, 0, "noise"), *(Round(i, i + 1, "parent") for i in range(steps - 1))]

    def choice(self, facts: Facts) -> Choice:
        blurred = "kernel" if facts.guided else "redraw"
        return Choice(replace(self, children=settled(self.children, facts, blurred)))

    def run(self, task: Task) -> Iterator[SearchEvent]:
        yield from best_of_blocks(self, task, self._choose, self.children)

    def _choose(self, children: Particles, parents: Particles | None, task: Task) -> Particles:
        best = best_of_each(children, self.paths, parents)
        if len(children) == self.paths or self.alpha == 0.0:
            return best
        chosen, uniforms = [], task.uniforms(self.paths)
        for i, (rows, u) in enumerate(zip(by_path(children, self.paths), uniforms, strict=True)):
            if not rows.reward.isfinite().any():
                chosen.append(best[i])
                continue
            odds = torch.softmax((rows.reward - rows.reward.max()) / self.alpha, 0)
            last = int(odds.nonzero().max())  # by rounding, u may be above the sum of all odds
            chosen.append(rows[min(int(torch.searchsorted(odds.cumsum(0), u, right=True)), last)])
        return Particles.cat(chosen)
