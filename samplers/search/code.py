"""CoDe: best of K blocks of steps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

from ..task import Task
from ..types import Particles, SearchEvent
from .paths import PATHS, best_of_blocks, best_of_each
from .rounds import Method, Round, check_least


@dataclass(frozen=True)
class CoDe(Method):
    """On each path K children run `block` steps independently, then the best one goes on.

    Singh et al., arXiv 2502.00968. K follows from the budget. Only the end of a block is scored,
    and the last block may be shorter. A block of 1 is SVDD, one block over all steps is best of N.
    """

    description: ClassVar[str] = "CoDe: as svdd, but in blocks of several steps."

    block: int = field(
        default=2,
        metadata={
            "min": 1,
            "max": 1000,
            "tooltip": "Steps between two choices. In longer blocks particles grow further apart "
            "before they are scored, and fewer images are decoded.",
        },
    )
    paths: int = field(default=1, metadata=PATHS)

    def __post_init__(self) -> None:
        check_least(self, {"block": 1, "paths": 1})

    def rounds(self, steps: int) -> list[Round]:
        ends = [*range(self.block - 1, steps - 1, self.block), steps - 1]
        blocks = [Round(top, bottom, "parent") for top, bottom in pairwise(ends)]
        return [Round(0, ends[0], "noise"), *blocks]

    def run(self, task: Task) -> Iterator[SearchEvent]:
        yield from best_of_blocks(self, task, self._best)

    def _best(self, children: Particles, parents: Particles | None, task: Task) -> Particles:
        return best_of_each(children, self.paths)
