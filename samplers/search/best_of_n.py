"""Best of N: independent samples, the best of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from ..problem import Problem
from ..types import Particles, SearchEvent


def walk(problem: Problem, n: int, score: bool = True) -> Iterator[Particles]:
    """`n` independent particles from noise to the last time, one child each per step.

    Only the last are scored, and only if `score`. With n = 1 this is the plain sampler.
    """
    particles = problem.born(n, score=score and problem.last_step == 0)
    yield particles
    for step in range(1, problem.last_step + 1):
        particles = problem.propose(particles, score=score and step == problem.last_step)
        yield particles


@dataclass(frozen=True)
class BestOfN:
    """As many whole trajectories as the budget buys; the last x0 of each is scored.

    The kernel decides what is drawn: diffusion_norm 0 on the linear path is the ODE of the paper's
    BoN, any other an SDE. Costs one NFE a step and particle.
    """

    title: ClassVar[str] = "Best of N"

    def minimum(self, steps: int) -> int:
        return steps

    def run(self, problem: Problem) -> Iterator[SearchEvent]:
        n = int(problem.left) // len(problem.times)
        *_, last = walk(problem, n)
        yield SearchEvent("propose" if problem.last_step else "born", last, problem.ledger.nfe)
        yield SearchEvent("accept", last[last.best()], problem.ledger.nfe)
