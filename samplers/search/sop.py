"""Search over paths: back up by noise, down by the ODE, keep the best."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from ..task import Task
from ..types import Particles, SearchEvent
from .paths import best_of_each
from .rounds import Method, Round, affordable_tries, check_least
from .waves import WAVE, expect_waves


@dataclass(frozen=True)
class SearchOverPaths(Method):
    """Noises copies of each path's particle back up, follows the ODE down, and keeps the best.

    Ma et al., arXiv 2501.09732, Sec. 3.2. Each path solves the ODE from noise to step `backward`.
    Then, in each round, K copies go `forward` steps up by new noise, q(x_T | x_t), and `backward`
    steps down. Steps are those of the sigmas, and the last round ends with them. K follows from the
    budget. The kernel's noise is not used: copies differ by the new noise alone. Departure from the
    paper: the first way down, too, is tried K times, from K noises.
    """

    description: ClassVar[str] = (
        "Search over paths: noises the best particle back up, follows the ODE down, and keeps "
        "the best."
    )
    guided: ClassVar[bool] = False  # its steps are the ODE's

    paths: int = field(
        default=1,
        metadata={"min": 1, "max": 64, "tooltip": "Initial noises, each searched separately."},
    )
    forward: int = field(
        default=4,
        metadata={
            "min": 1,
            "max": 1000,
            "tooltip": "Steps to go back towards noise before each retry. 4 suits 10 steps, 1 "
            "suits 4 steps.",
        },
    )
    backward: int = field(
        default=6,
        metadata={
            "min": 2,
            "max": 1000,
            "tooltip": "Steps down before each choice, more than forward. With all steps of the "
            "search it is best of N.",
        },
    )

    def __post_init__(self) -> None:
        check_least(self, {"paths": 1, "forward": 1})
        if self.backward <= self.forward:
            raise ValueError(
                f"backward is too small: got {self.backward}, expected more than forward "
                f"({self.forward})."
            )

    def rounds(self, steps: int) -> list[Round]:
        rounds = [Round(0, min(self.backward, steps - 1), "noise", ode=True)]
        while (bottom := rounds[-1].bottom) < steps - 1:
            top = bottom - self.forward
            bottom = min(top + self.backward, steps - 1)
            rounds.append(Round(top, bottom, "renoised", ode=True))
        return rounds

    def run(self, task: Task) -> Iterator[SearchEvent]:
        purse, ode = task.purse, task.flow.ode
        first, *later = self.rounds(len(task.times))
        n, *counts = affordable_tries(self, task)
        ends: list[Particles] = []
        expect_waves(task, n * self.paths, 1 + first.bottom, partial(self._down, last=first.bottom))
        for paths in torch.arange(self.paths).repeat_interleave(n).split(WAVE):
            end = self._down(task, len(paths), first.bottom, paths)
            yield SearchEvent("propose" if first.bottom else "born", end, purse.nfe)
            ends.append(end)
        parents = best_of_each(Particles.cat(ends), self.paths)
        yield SearchEvent("accept", parents, purse.nfe)
        for block, n in zip(later, counts, strict=True):
            rows = torch.arange(self.paths).repeat_interleave(n)
            copies = task.renoise(parents[rows], block.top)
            *_, children = task.walk(copies, kernel=ode, last=block.bottom)
            yield SearchEvent("propose", children, purse.nfe)
            parents = best_of_each(children, self.paths)
            yield SearchEvent("accept", parents, purse.nfe)

    def _down(self, task: Task, n: int, last: int, paths: Tensor | None = None) -> Particles:
        """The ends at step `last` of n new particles that follow the ODE, on these paths (n,)."""
        born = task.born(n, score=not last)
        born = born if paths is None else replace(born, paths=paths)
        *_, ends = task.walk(born, kernel=task.flow.ode, last=last)
        return ends
