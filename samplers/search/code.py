"""CoDe: best of K blocks of steps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

from ..task import Task
from ..types import Particles, SearchEvent
from .choose import PATHS, best_each, best_of_blocks
from .rounds import Method, Round


@dataclass(frozen=True)
class CoDe(Method):
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

    def rounds(self, steps: int) -> list[Round]:
        ends = [*range(self.block - 1, steps - 1, self.block), steps - 1]
        blocks = [Round(top, bottom, "parent") for top, bottom in pairwise(ends)]
        return [Round(0, ends[0], "noise"), *blocks]

    def run(self, task: Task) -> Iterator[SearchEvent]:
        yield from best_of_blocks(self, task, self._best)

    def _best(self, children: Particles, before: Particles | None, task: Task) -> Particles:
        return best_each(children, self.paths)
