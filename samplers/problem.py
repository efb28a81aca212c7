"""What a search method may do: give birth, propose, re-noise, finish. Everything is charged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from .batching import MicroBatch
from .interpolants.linear import Linear
from .judging import judged
from .kernels import ODE
from .ledger import BudgetExceeded, Ledger
from .lineage import Book
from .steering import Steering
from .types import Denoiser, Interpolant, Kernel, Objective, Particles, Prices


@dataclass
class Problem:
    """One image to be found: model, kernel, objective, times and the noise of every particle.

    start(ids) -> x (K,*D): latents at the first time, distributed about `centre`. noise(ids) ->
    (K,*D): standard normal rows by id; uniform(id, n) -> (n,) in [0, 1). times: falling model
    times above 0 at which the search works; `lead`: times before them, crossed by the ODE; `end`
    is where the sampler lands and a finish ends (0: the clean image). A particle is worth the
    objective of its x0, or of the end of `lookahead` more ODE evaluations down to 0 (-1: as many as
    the driver decides). `steering` guides what the problem's own kernel proposes. `after_call`
    follows each network call, so that a driver can stop in between. `failed` holds by id why a
    particle has no score, `book` how each came about.
    """

    denoiser: Denoiser
    kernel: Kernel
    times: Sequence[float]
    start: Callable[[Sequence[int]], Tensor]
    noise: Callable[[Sequence[int]], Tensor]
    uniform: Callable[[int, int], Tensor] | None = None
    objective: Objective | None = None
    final_objective: Objective | None = None  # judges finished particles; None: the same
    lead: Sequence[float] = ()
    end: float = 0.0
    lookahead: int = 0
    steering: Steering | None = None
    centre: Tensor | float = 0.0
    ledger: Ledger = field(default_factory=Ledger)
    batch: MicroBatch = field(default_factory=MicroBatch)
    counts_itself: bool = False  # the denoiser charges the ledger (the host's counter does)
    after_call: Callable[[], None] = lambda: None
    path: Interpolant = Linear()
    failed: dict[int, str] = field(default_factory=dict)
    book: Book = field(default_factory=Book)
    _next_id: int = 0
    _known: list[Tensor] = field(default_factory=list)  # answers that the first birth is spared

    def __post_init__(self) -> None:
        self.final_objective = self.final_objective or self.objective
        every = [*self.lead, *self.times, self.end]
        falling = all(a > b for a, b in zip(every, every[1:], strict=False))
        if not self.times or not falling or every[0] > 1.0 or self.end < 0.0:
            raise ValueError(
                f"sigmas {[round(t, 4) for t in every]} given, wanted at least one value in "
                "(0, 1] falling strictly to the last, as a flow scheduler gives."
            )

    @property
    def prices(self) -> Prices:
        slope = self.steering.rows if self.steering else 0
        return Prices.of(len(self.lead), self.kernel.inner, self.lookahead, slope)

    @property
    def left(self) -> float:
        """Network rows that can still be asked for, the finish set aside."""
        return self.ledger.left + len(self._known)

    @property
    def last_step(self) -> int:
        return len(self.times) - 1

    def starts(
        self, n: int, around: Tensor | None = None, radius: float = 1.0
    ) -> tuple[list[int], Tensor]:
        """Ids and latents (n,*D) of pure noise; with `around` (1,*D), neighbours of that start.

        centre + sqrt(1 - r^2) (around - centre) + r (new - centre) has the law of a start for any
        r in [0, 1].
        """
        ids = self._new_ids(n)
        x = self.start(ids)
        if around is None:
            return ids, x
        self.book.radii |= dict.fromkeys(ids, radius)
        kept = math.sqrt(1.0 - radius**2)
        return ids, self.centre + kept * (around - self.centre) + radius * (x - self.centre)

    def born(self, n: int, score: bool = True) -> Particles:
        """`n` new particles of pure noise, evaluated at the search's first time."""
        return self.born_from(*self.starts(n), score=score)

    def born_from(
        self, ids: list[int], x: Tensor, parents: Sequence[int] = (), score: bool = True
    ) -> Particles:
        """The particles that begin at x: carried along `lead`, evaluated at the first time."""
        price = self.prices.born if score else self.prices.birth
        self.ledger.require(len(ids) * price - len(self._known))
        zeros, parents, alone = [0] * len(ids), parents or [-1] * len(ids), bool(self._known)
        x, x0 = self._led(x)
        for rows in (slice(0, alone), slice(alone, None)):  # a first one that was looked at
            self.book.add("born", ids[rows], parents[rows], 0, self.batch)
        born = self._judged(x, x0, ids, parents, zeros, zeros, score)
        self._known = []
        return born

    def look(self, nodes: int) -> tuple[Tensor, Tensor]:
        """x0 of the first particle before its birth, and the end of `nodes` more evaluations; each
        (1,*D), and charged."""
        own, answers = self.denoiser, []

        def noted(x: Tensor, t: float) -> Tensor:
            answers.append(own(x, t))
            return answers[-1]

        self.ledger.require(self.prices.birth + nodes)
        self.denoiser = noted
        try:
            x, x0 = self._led(self.start([0]))
            end = self._roll(x, x0, self.times[0], nodes)[1]
        finally:
            self.denoiser = own
        self._known = answers
        return x0, end

    def spare(self, rows: int) -> None:
        """Of what the look asked, the first birth is spared the first `rows`."""
        self._known = self._known[:rows]

    def _led(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents that begin at x, carried along `lead` to the first time, and x0 there."""
        ode = ODE(self.path)
        for t, s in zip(self.lead, [*self.lead[1:], self.times[0]], strict=False):
            x = ode(x, self._denoise(x, t), t, s).mean
        return x, self._denoise(x, self.times[0])

    def propose(
        self, parents: Particles, score: bool = True, kernel: Kernel | None = None
    ) -> Particles:
        """One child of each parent, one step on, by the problem's kernel or the plain ODE step."""
        kind = "propose" if kernel is None else "ode"
        kernel = kernel or self.kernel
        rows = max(1, kernel.inner) + (self.lookahead if score else 0)
        self.ledger.require(len(parents) * rows)
        ids, steps = self._new_ids(len(parents)), parents.steps + 1
        steering = self.steering if kernel is self.kernel else None
        if steering:
            steering.begin(parents)
        x, x0 = torch.empty_like(parents.x), torch.empty_like(parents.x)
        for step in steps.unique().tolist():  # rows of one network call share their time
            rows = (steps == step).nonzero().flatten()
            own = [ids[i] for i in rows]
            t, s = self.times[step - 1], self.times[step]
            x[rows], answer = self._advance(parents[rows], own, t, s, kernel, steering)
            x0[rows] = self._denoise(x[rows], s) if answer is None else answer
            self.book.add(kind, own, parents.ids[rows].tolist(), step, self.batch)
        columns = (parents.ids.tolist(), parents.paths.tolist(), steps.tolist())
        return self._judged(x, x0, ids, *columns, score)

    def log_ratio(self, children: Particles) -> Tensor:
        """log p/q, (K,) float64, of the children just proposed: p the kernel's law, q the guided
        one that they were drawn from."""
        if self.steering is None:
            return torch.zeros(len(children), dtype=torch.float64)
        return self.steering.log_ratio(children)

    def renoise(self, particles: Particles, step: int) -> Particles:
        """One noisier copy of each at the earlier `step`, drawn from q(x_T | x_t), not scored.

        mean (a_T/a_t) x, variance sigma_T^2 - (a_T/a_t)^2 sigma_t^2 (Ma et al., 2501.09732).
        """
        self.ledger.require(len(particles))
        (own,) = set(particles.steps.tolist())
        ids, t, big = self._new_ids(len(particles)), self.times[own], self.times[step]
        kept = self.path.alpha(big) / self.path.alpha(t)
        std = math.sqrt(self.path.sigma(big) ** 2 - (kept * self.path.sigma(t)) ** 2)
        x = kept * particles.x + std * self.noise(ids)
        steps = [step] * len(ids)
        x0 = self._denoise(x, big)
        self.book.add("renoise", ids, particles.ids.tolist(), step, self.batch)
        lineage = (particles.ids.tolist(), particles.paths.tolist())
        return self._judged(x, x0, ids, *lineage, steps, score=False)

    def finish(self, particle: Particles, nodes: int) -> Particles:
        """Carry one particle to `end` by `nodes` evaluated Euler steps of the ODE, and score it.

        From its time t the network is asked at end + (t - end) (1 - i/(nodes+1)), i = 1..nodes; the
        last answer is scored, and is the result x if `end` is 0; with a lookahead and an `end`
        above 0, where it is blurred, what the lookahead came to stays. Costs `nodes`; when that is
        0 nothing is known better than what was scored.
        """
        t, ids = self.times[int(particle.steps)], self._new_ids(1)
        last = len(self.times)
        self.book.finish(ids[0], last, int(particle.ids), nodes)
        x, x0, clean = particle.x, particle.x0, particle.clean
        self.ledger.require(nodes)
        try:
            if nodes:
                x, x0, t = self._roll(x, x0, t, nodes, self.end)
                clean = clean if self.end and self.lookahead else x0
        except BudgetExceeded:  # dearer down there than foreseen: what was scored stays
            self.book.finish(ids[0], last, int(particle.ids), 0)
        if not self.end:
            x = x0 = clean
        elif t == self.times[-1] and not self.kernel.inner:  # the plain sampler's own last step
            x = self._advance(particle, ids, t, self.end, self.kernel)[0]
        else:
            x = ODE(self.path)(x, x0, t, self.end).mean
        return Particles(
            x=x,
            x0=x0,
            clean=clean,
            reward=judged(self.final_objective, clean, ids, self.failed),
            ids=torch.tensor(ids),
            parents=particle.ids,
            paths=particle.paths,
            steps=torch.tensor([last]),
        )

    def land(self, particles: Particles) -> Tensor:
        """Latents (K,*D) at `end`, by one kernel step from the last time."""
        ids = self._new_ids(len(particles)) if self.end else [0] * len(particles)
        return self._advance(particles, ids, self.times[-1], self.end, self.kernel)[0]

    def uniforms(self, n: int) -> Tensor:
        """`n` fresh uniforms in [0, 1) for choices between particles."""
        return self.uniform(self._new_ids(1)[0], n)

    def _advance(
        self,
        parents: Particles,
        ids: list[int],
        t: float,
        s: float,
        kernel: Kernel,
        steering: Steering | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Latents at s, and the x0 there if the kernel found it on the way."""
        if s == 0.0:
            return parents.x0, None
        if kernel.inner:
            return kernel.advance(self._denoise, parents.x, parents.x0, t, s, self.noise(ids))
        step = kernel(parents.x, parents.x0, t, s)
        if steering is not None and steering.acts(step):
            alpha = self.path.alpha(t)
            slope = partial(self._slope, t=t)
            return steering.draw(step, parents, ids, alpha, self.noise, slope), None
        return step.draw(lambda: self.noise(ids)), None

    def _slope(self, parents: Particles, t: float) -> Tensor:
        """Gradients (K,*D), charged; one at a time: their memory is many times a latent's."""
        size = 1 if self.batch.may_split else len(parents)
        parts = range(0, len(parents), size)
        return torch.cat([self._slope_at_once(parents[i : i + size], t) for i in parts])

    def _slope_at_once(self, parents: Particles, t: float) -> Tensor:
        if not parents.x0.flatten(1).isfinite().all(1).any():  # there is nothing to differentiate
            return torch.zeros_like(parents.x)
        steering, rows = self.steering, len(parents) * self.steering.rows
        self.ledger.require(rows)
        with self.ledger.timed("gradient"):
            slope = steering.guidance.slope(steering.gradients, parents.x, parents.x0, t)
        self.ledger.gradients += len(parents)
        if rows and not self.counts_itself:
            self.ledger.charge(rows * self.ledger.cost, 1)
        self.after_call()
        return slope

    def resume(self, particle: int, batch: MicroBatch) -> None:
        """The next particle has this id and goes through the network by `batch`."""
        self._next_id, self.batch = particle, batch

    def _new_ids(self, n: int) -> list[int]:
        first = self._next_id
        self._next_id += n
        return list(range(first, first + n))

    def _judged(
        self,
        x: Tensor,
        x0: Tensor,
        ids: list[int],
        parents: Sequence[int],
        paths: list[int],
        steps: list[int],
        score: bool,
    ) -> Particles:
        clean, reward = x0, torch.full((len(ids),), torch.nan, dtype=torch.float64)
        if score:
            if self.lookahead:
                clean = torch.empty_like(x0)
                for step in sorted(set(steps)):
                    rows = [i for i, own in enumerate(steps) if own == step]
                    t = self.times[step]
                    clean[rows] = self._roll(x[rows], x0[rows], t, self.lookahead)[1]
            reward = judged(self.objective, clean, ids, self.failed)
        self.batch.settle()
        columns = (torch.tensor(list(c)) for c in (ids, parents, paths, steps))
        return Particles(x, x0, clean, reward, *columns)

    def _roll(
        self, x: Tensor, x0: Tensor, t: float, nodes: int, end: float = 0.0
    ) -> tuple[Tensor, Tensor, float]:
        """Latents, x0 and time at the last of `nodes` evaluations, evenly from t towards `end`."""
        ode, first = ODE(self.path), t
        for i in range(1, nodes + 1):
            s = end + (first - end) * (1.0 - i / (nodes + 1))
            x = ode(x, x0, t, s).mean
            x0, t = self._denoise(x, s), s
        return x, x0, t

    def _denoise(self, x: Tensor, t: float) -> Tensor:
        def ask(rows: Tensor) -> Tensor:
            self.ledger.require(len(rows))
            with self.ledger.timed("network"):
                x0 = self.denoiser(rows, t)
            if not self.counts_itself:
                self.ledger.charge(len(rows) * self.ledger.cost, 1)
            self.after_call()
            return x0

        if not self._known:
            return self.batch(x, ask)
        first, others = self._known.pop(0), x[1:]
        return torch.cat([first, self.batch(others, ask)]) if len(others) else first
