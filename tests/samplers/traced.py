"""A task without pictures whose latents say whence they came.

A latent is (value, value of the latent it was drawn from, its time, the time of the last question):
a particle's noise is its own number, so the value of a newborn or a child of the kernel is its id,
and the ODE leaves values as they are. Re-noising and neighbourhood mix them, as the oracles do.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from pack.samplers.flow import Flow
from pack.samplers.purse import Purse
from pack.samplers.task import Task
from pack.samplers.types import Particles, Transition


class Step:
    """A kernel that draws the child's number and writes down its parent's."""

    inner = 0

    def __call__(self, x, x0, t, s):
        return Transition(self.mean(x, s), 1.0)

    @staticmethod
    def mean(x, s):
        zero = torch.zeros(len(x), dtype=x.dtype)
        return torch.stack([zero, x[:, 0], zero + s, zero], 1)


@dataclass(frozen=True)
class Inner(Step):
    """The same from a kernel that asks the network itself, `inner` times."""

    inner: int

    def advance(self, denoise, x, x0, t, s, eps):
        for _ in range(self.inner - 1):
            denoise(x, t)
        x = self.mean(x, s) + eps
        return x, denoise(x, s)


def column(ids, first=0.0):
    return torch.tensor([[float(i), 0.0, first, 0.0] for i in ids], dtype=torch.float64)


def denoise(x, t):
    """x0 keeps the value, has no time left (so that the ODE scales time down), and says t."""
    zero = torch.zeros(len(x), dtype=x.dtype)
    return torch.stack([x[:, 0], x[:, 1], zero, zero + t], 1)


@dataclass
class Traced(Task):
    """A Task that remembers every particle it made, by id, and the ids it gave."""

    made: dict[int, Particles] = field(default_factory=dict)
    given: list[int] = field(default_factory=list)

    def _new_ids(self, n: int) -> list[int]:
        ids = super()._new_ids(n)
        self.given += ids
        return ids

    def born_from(self, *args, **settings) -> Particles:
        return self._remember(super().born_from(*args, **settings))

    def propose(self, *args, **settings) -> Particles:
        return self._remember(super().propose(*args, **settings))

    def renoise(self, *args, **settings) -> Particles:
        return self._remember(super().renoise(*args, **settings))

    def _remember(self, particles: Particles) -> Particles:
        for i, number in enumerate(particles.ids.tolist()):
            assert number not in self.made
            self.made[number] = particles[i]
        return particles


REWARDS: dict[str, Callable[[random.Random, int], float]] = {
    "continuous": lambda rng, i: rng.random(),
    "normal": lambda rng, i: rng.gauss(0.0, 3.0),
    "ties": lambda rng, i: float(rng.randrange(3)),
    "equal": lambda rng, i: 0.5,
    "rising": lambda rng, i: 0.1 * i,
    "falling": lambda rng, i: -0.1 * i,
    "huge": lambda rng, i: -1e6 * rng.random(),
    "failures": lambda rng, i: rng.choice([rng.random(), rng.random(), -math.inf, math.nan]),
    "mostly failures": lambda rng, i: rng.choice([rng.random(), math.inf, -math.inf, math.nan]),
    "all fail": lambda rng, i: rng.choice([-math.inf, math.nan]),
}


@dataclass(frozen=True)
class World:
    """Prices, times, rewards and uniforms, the same for a method and for its oracle."""

    steps: int
    lead: int
    inner: int
    ahead: int
    cost: int
    family: str
    seed: int

    def reward(self, number: int) -> float:
        return REWARDS[self.family](random.Random(f"{self.seed} {number}"), number)

    def uniform(self, number: int, n: int) -> list[float]:
        rng = random.Random(f"uniform {self.seed} {number}")
        return [rng.random() for _ in range(n)]

    @property
    def times(self) -> list[float]:
        return [1.0 - i / (self.lead + self.steps) for i in range(self.lead + self.steps)]

    def task(self, budget: int) -> Traced:
        """`budget` in NFE. The k-th row of one call to the objective belongs to its k-th id."""
        times = self.times

        def objective(x0):
            ids = task.given[-len(x0) :]
            return torch.tensor([self.reward(i) for i in ids], dtype=torch.float64)

        flow = Flow(
            denoiser=denoise,
            kernel=Inner(self.inner) if self.inner else Step(),
            times=times[self.lead :],
            lead=times[: self.lead],
            start=lambda ids: column(ids, times[0]),
            noise=column,
            uniform=lambda i, n: torch.tensor(self.uniform(i, n), dtype=torch.float64),
        )
        purse = Purse(total=budget, cost=self.cost)
        task = Traced(flow, purse, objective, lookahead=self.ahead)
        return task
