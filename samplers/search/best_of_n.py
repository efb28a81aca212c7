"""Best of N: independent samples, the best of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..problem import Problem
from ..types import Kernel, Particles, Prices, SearchEvent

WAVE = 8  # trajectories walked together; fixed, because ids and so the noise follow from it


def walk(
    problem: Problem,
    particles: Particles,
    score: bool = True,
    kernel: Kernel | None = None,
    last: int | None = None,
) -> Iterator[Particles]:
    """`particles` and their descendants down to step `last`, one child each per step.

    Only the last are scored, and only if `score`. From one particle this is the plain sampler.
    """
    last = problem.last_step if last is None else last
    yield particles
    for step in range(int(particles.steps[0]) + 1, last + 1):
        particles = problem.propose(particles, score=score and step == last, kernel=kernel)
        yield particles


@dataclass(frozen=True)
class BestOfN:
    """As many whole trajectories as the budget buys; the last x0 of each is scored.

    The kernel decides what is drawn: diffusion_norm 0 on the linear path is the ODE of the paper's
    BoN, any other an SDE. Costs one NFE a step and particle.
    """

    title: ClassVar[str] = "Best of N"

    def first_choice(self, steps: int) -> int:
        return steps - 1

    def minimum(self, steps: int, prices: Prices) -> int:
        return prices.walk(steps)

    def run(self, problem: Problem) -> Iterator[SearchEvent]:
        record = -float("inf")
        while n := int(problem.left // problem.prices.walk(len(problem.times))):
            born = problem.born(min(n, WAVE), score=not problem.last_step)
            *_, last = walk(problem, born)
            yield SearchEvent("propose" if problem.last_step else "born", last, problem.ledger.nfe)
            best = last[last.best()]
            if float(best.reward) > record:
                record = float(best.reward)
                yield SearchEvent("accept", best, problem.ledger.nfe)
