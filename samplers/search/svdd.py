"""SVDD: the best of K children at every step."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ..task import Task
from ..types import Particles, SearchEvent
from .choose import PATHS, best_each, best_of_blocks, groups
from .rounds import Method, Round


@dataclass(frozen=True)
class SVDD(Method):
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

    def rounds(self, steps: int) -> list[Round]:
        return [Round(0, 0, "noise"), *(Round(i, i + 1, "parent") for i in range(steps - 1))]

    def run(self, task: Task) -> Iterator[SearchEvent]:
        yield from best_of_blocks(self, task, self._choose)

    def _choose(self, children: Particles, before: Particles | None, task: Task) -> Particles:
        best = best_each(children, self.paths, before)
        if len(children) == self.paths or self.alpha == 0.0:
            return best
        chosen, uniforms = [], task.uniforms(self.paths)
        for i, (own, u) in enumerate(zip(groups(children, self.paths), uniforms, strict=True)):
            if not own.reward.isfinite().any():
                chosen.append(best[i])
                continue
            odds = torch.softmax((own.reward - own.reward.max()) / self.alpha, 0)
            last = int(odds.nonzero().max())  # rounding must not reach a child without weight
            chosen.append(own[min(int(torch.searchsorted(odds.cumsum(0), u, right=True)), last)])
        return Particles.cat(chosen)
