"""What a search method may do: give birth, propose, finish. Everything is charged here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .interpolants.linear import Linear
from .kernels import ODE
from .ledger import Ledger
from .types import Denoiser, Interpolant, Kernel, Objective, Particles


@dataclass
class Problem:
    """One image to be found: model, kernel, objective, times and the noise of every particle.

    start(ids) -> x (K,*D): latents at times[0]. noise(ids) -> (K,*D): standard normal rows by id.
    times: falling model times above 0 at which the network is asked; `end` is where the sampler
    lands (0: the clean image). `micro_batch` rows go through the network at once (0: all of them);
    it is halved when memory runs out, and never changes which particles are evaluated.
    `after_call` follows each network call, so that a driver can stop in between.
    """

    denoiser: Denoiser
    kernel: Kernel
    times: Sequence[float]
    start: Callable[[Sequence[int]], Tensor]
    noise: Callable[[Sequence[int]], Tensor]
    objective: Objective | None = None
    final_objective: Objective | None = None  # judges finished particles; None: the same
    end: float = 0.0
    ledger: Ledger = field(default_factory=Ledger)
    micro_batch: int = 0
    may_split: bool = True  # rows may go through the network in parts
    counts_itself: bool = False  # the denoiser charges the ledger (the host's counter does)
    after_call: Callable[[], None] = lambda: None
    path: Interpolant = Linear()
    _next_id: int = 0

    def __post_init__(self) -> None:
        self.final_objective = self.final_objective or self.objective
        falling = all(a > b for a, b in zip(self.times, [*self.times[1:], self.end], strict=True))
        if not self.times or not falling or self.times[0] > 1.0 or self.end < 0.0:
            raise ValueError(
                f"sigmas {[round(t, 4) for t in [*self.times, self.end]]} given, wanted at least "
                "one value in (0, 1] falling strictly to the last, as a flow scheduler gives."
            )

    @property
    def left(self) -> float:
        """Particles that can still be evaluated, the finish set aside."""
        return self.ledger.left

    @property
    def last_step(self) -> int:
        return len(self.times) - 1

    def born(self, n: int, score: bool = True) -> Particles:
        """`n` new particles of pure noise at times[0], evaluated there. Costs n."""
        ids = self._new_ids(n)
        x = self.start(ids)
        steps = [0] * n
        return self._evaluate(x, ids, parents=[-1] * n, paths=[0] * n, steps=steps, score=score)

    def propose(self, parents: Particles, score: bool = True) -> Particles:
        """One child of each parent by the kernel, one step on. Costs the number of parents."""
        ids = self._new_ids(len(parents))
        steps = (parents.steps + 1).tolist()
        rows = [self._draw(parents[i], ids[i], self.times[steps[i]]) for i in range(len(parents))]
        return self._evaluate(
            torch.cat(rows), ids, parents.ids.tolist(), parents.paths.tolist(), steps, score
        )

    def finish(self, particle: Particles, nodes: int) -> Particles:
        """Carry one particle to time 0 by `nodes` evaluated Euler steps of the ODE, and score it.

        From its time t the network is asked at t (1 - i/(nodes+1)), i = 1..nodes; the last answer
        is the result. Costs `nodes`; nothing is known better than x0 when nodes is 0.
        """
        ode, t = ODE(self.path), self.times[int(particle.steps)]
        x, x0 = particle.x, particle.x0
        for i in range(1, nodes + 1):
            s = self.times[int(particle.steps)] * (1.0 - i / (nodes + 1))
            x = ode(x, x0, t, s).mean
            x0, t = self._denoise(x, s), s
        return Particles(
            x=x0,
            x0=x0,
            reward=self._score(x0, self.final_objective),
            ids=torch.tensor(self._new_ids(1)),
            parents=particle.ids,
            paths=particle.paths,
            steps=torch.tensor([len(self.times)]),
        )

    def land(self, particles: Particles) -> Tensor:
        """Latents (K,*D) at `end`, by one kernel step from the last time. Costs nothing."""
        ids = self._new_ids(len(particles)) if self.end else [0] * len(particles)
        rows = [self._draw(particles[i], ids[i], self.end) for i in range(len(particles))]
        return torch.cat(rows)

    def _draw(self, parent: Particles, number: int, s: float) -> Tensor:
        t = self.times[int(parent.steps)]
        step = self.kernel(parent.x, parent.x0, t, s)
        return step.draw(lambda: self.noise([number]))

    def _new_ids(self, n: int) -> list[int]:
        first = self._next_id
        self._next_id += n
        return list(range(first, first + n))

    def _evaluate(
        self,
        x: Tensor,
        ids: list[int],
        parents: list[int],
        paths: list[int],
        steps: list[int],
        score: bool,
    ) -> Particles:
        self.ledger.require(len(ids))
        x0 = torch.empty_like(x)
        for step in sorted(set(steps)):  # rows of one network call share their time
            rows = [i for i, own in enumerate(steps) if own == step]
            x0[rows] = self._denoise(x[rows], self.times[step])
        reward = self._score(x0, self.objective) if score else torch.full((len(ids),), torch.nan)
        columns = (torch.tensor(c) for c in (ids, parents, paths, steps))
        return Particles(x, x0, reward, *columns)

    def _denoise(self, x: Tensor, t: float) -> Tensor:
        done: list[Tensor] = []
        while (first := sum(map(len, done))) < len(x):
            size = self.micro_batch or len(x)
            chunk = x[first : first + size]
            self.ledger.require(len(chunk))
            try:
                with self.ledger.timed("network"):
                    done.append(self.denoiser(chunk, t))
            except torch.OutOfMemoryError:
                if len(chunk) == 1 or not self.may_split:
                    raise
                self.micro_batch = len(chunk) // 2
                continue
            if not self.counts_itself:
                self.ledger.charge(len(chunk) * self.ledger.cost, 1)
            self.after_call()
        return torch.cat(done)

    @staticmethod
    def _score(x0: Tensor, objective: Objective) -> Tensor:
        """(K,) float64 on the CPU; a score that is not finite becomes -inf: a failed particle."""
        reward = objective(x0).detach().to("cpu", torch.float64)
        if reward.shape != (len(x0),):
            raise ValueError(
                f"objective returned shape {tuple(reward.shape)}, wanted ({len(x0)},)."
            )
        return torch.where(reward.isfinite(), reward, -torch.inf)
