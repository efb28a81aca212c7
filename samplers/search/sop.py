"""Search over paths: noise up, ODE down, keep the best."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from ..task import Task
from ..types import Particles, SearchEvent
from .best_of_n import WAVE
from .choose import best_each
from .rounds import Method, Round, tries


@dataclass(frozen=True)
class SearchOverPaths(Method):
    """Ma et al., arXiv 2501.09732, Sec. 3.2: solve the ODE from noise to step `backward`; then,
    round by round, K times per path: go `forward` steps back up by fresh noise, q(x_T | x_t), and
    `backward` > forward steps down the ODE; the copy with the highest reward goes on.

    Steps are those of the sigmas, and the last round is cut at their end. K follows from the
    budget. The kernel's own noise is not used: paths differ by the re-noising alone. Departure from
    the paper: the first way down is tried K times, too, from K noises.
    """

    guided: ClassVar[bool] = False  # its steps are the ODE's
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

    def rounds(self, steps: int) -> list[Round]:
        rounds = [Round(0, min(self.backward, steps - 1), "noise", ode=True)]
        while (bottom := rounds[-1].bottom) < steps - 1:
            top = bottom - self.forward
            bottom = min(top + self.backward, steps - 1)
            rounds.append(Round(top, bottom, "renoised", ode=True))
        return rounds

    def run(self, task: Task) -> Iterator[SearchEvent]:
        purse, ode = task.purse, task.flow.ode
        first, *others = self.rounds(len(task.times))
        n, *counts = tries(self, task)
        ends: list[Particles] = []
        for paths in torch.arange(self.paths).repeat_interleave(n).split(WAVE):
            born = replace(task.born(len(paths), score=not first.bottom), paths=paths)
            *_, end = task.walk(born, kernel=ode, last=first.bottom)
            yield SearchEvent("propose" if first.bottom else "born", end, purse.nfe)
            ends.append(end)
        parents = best_each(Particles.cat(ends), self.paths)
        yield SearchEvent("accept", parents, purse.nfe)
        for block, n in zip(others, counts, strict=True):
            rows = torch.arange(self.paths).repeat_interleave(n)
            copies = task.renoise(parents[rows], block.top)
            *_, children = task.walk(copies, kernel=ode, last=block.bottom)
            yield SearchEvent("propose", children, purse.nfe)
            parents = best_each(children, self.paths)
            yield SearchEvent("accept", parents, purse.nfe)
