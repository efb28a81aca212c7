"""Pruned best of N: drops the worse part of some trajectories twice on the way."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from ..purse import Prices
from ..task import Task
from ..types import Particles, SearchEvent
from .best_of_n import WAVE
from .rounds import Method, Round, least_rows

LOOKS = (0.4, 0.6)  # of the steps
FEWEST = 2  # trajectories that are never pruned


@dataclass(frozen=True)
class Pruned(Method):
    """Best of N that scores x0 on the way, and goes on with the best share `keep`.

    TTSnap (arXiv 2511.22242), without its training. Up to WAVE trajectories of the ODE begin
    together. At 40 % and at 60 % of the steps their x0 is scored, and all but the best share `keep`
    end there, down to FEWEST. Waves follow each other until the budget is spent. Of 10 steps and
    `keep` 1/2, a wave of 8 costs 54 evaluations in place of 80.

    It suits many-step models, whose x0 says much after 40 % of the steps and little before. The
    kernel's noise is not used: trajectories differ by their start alone. With `keep` 1 it is best
    of N by the ODE, and scores nothing on the way.
    """

    description: ClassVar[str] = (
        "Pruned best of N: makes whole images, and drops the worse half of them twice on the way."
    )
    guided: ClassVar[bool] = False  # its steps are the ODE's

    keep: float = field(
        default=0.5,
        metadata={
            "min": 0.05,
            "max": 1.0,
            "tooltip": "Share of the trajectories that goes on after each of the two looks. 1 is "
            "best of N.",
        },
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.keep <= 1.0:
            raise ValueError(
                f"keep is out of range: got {self.keep}, expected above 0 and at most 1."
            )

    def rounds(self, steps: int) -> list[Round]:
        return self.wave(1, steps)

    def wave(self, n: int, steps: int) -> list[Round]:
        """Rounds of n trajectories. Those of a round are scored if some of them end there."""
        looks = {round(share * steps) for share in LOOKS}
        wave, top = [], 0
        for bottom in sorted(look for look in looks | {steps - 1} if look < steps):
            kept = 0 if bottom == steps - 1 else max(min(n, FEWEST), math.ceil(self.keep * n))
            begin = "survivors" if wave else "noise"
            wave.append(Round(top, bottom, begin, n, ode=True, scored=kept < n))
            top, n = bottom, kept
        return wave

    def run(self, task: Task) -> Iterator[SearchEvent]:
        record, purse, last = -math.inf, task.purse, task.last_step
        while wave := self.affordable(len(task.times), task.prices, task.left):
            particles = task.born(wave[0].tries, score=not last)
            for block in wave:
                if block.tries < len(particles):
                    particles = best_rows(particles, block.tries)
                    yield SearchEvent("resample", particles, purse.nfe)
                *_, particles = task.walk(
                    particles, block.scored, kernel=task.flow.ode, last=block.bottom
                )
                if block.scored:
                    yield SearchEvent("propose" if last else "born", particles, purse.nfe)
            best = particles[particles.best()]
            if float(best.reward) > record:
                record = float(best.reward)
                yield SearchEvent("accept", best, purse.nfe)

    def affordable(self, steps: int, prices: Prices, rows: float) -> list[Round]:
        """The rounds of the largest wave that can be paid; empty: none.

        Args:
            steps: times at which the search works.
            prices: of one particle.
            rows: network rows to spend.
        """
        waves = (self.wave(n, steps) for n in range(WAVE, 0, -1))
        return next((wave for wave in waves if least_rows(self, wave, prices) <= rows), [])


def best_rows(particles: Particles, n: int) -> Particles:
    """The best n rows, in their order. Of failed ones those are better that can have children."""
    rewards, alive = particles.reward.tolist(), particles.alive.tolist()
    order = sorted(range(len(particles)), key=lambda row: (-rewards[row], not alive[row]))
    return particles[sorted(order[:n])]
