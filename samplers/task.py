"""What a search may do with one image: give birth, propose, re-noise, finish. All of it is paid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count

import torch
from torch import Tensor

from .batching import MicroBatch
from .flow import Flow
from .judging import judged
from .purse import BudgetExceeded, Prices, Purse
from .regions import Box, axes, patched
from .steering import Steering
from .types import Blaming, Kernel, Made, Objective, Particles


@dataclass
class Task:
    """One image to be found: a flow, a purse, and an objective.

    Particles are known by ids, counted from 0, which are the addresses of their noise.

    Args:
        flow: the trajectory; its denoiser is asked in parts by `batch`, and paid.
        purse: what may be spent.
        objective: clean latents (K,*D) -> scores (K,), higher is better.
        final_objective: judges finished particles; None: the same.
        lookahead: ODE evaluations down to 0 after which a particle is scored.
        steering: guides what the flow's own kernel proposes.
        batch: how many rows go through the network at once.
        counts_itself: the denoiser charges the purse, as the host's counter does.
        on_call: follows each network call, so that a driver can stop in between.
        on_made: hears how each particle came about.
        failed: by id why a particle has no score; filled in here.
        ids: the ids of the particles to come.
    """

    flow: Flow
    purse: Purse
    objective: Objective | None = None
    final_objective: Objective | None = None
    lookahead: int = 0
    steering: Steering | None = None
    batch: MicroBatch = field(default_factory=MicroBatch)
    counts_itself: bool = False
    on_call: Callable[[], None] = lambda: None
    on_made: Callable[[Made], None] = lambda made: None
    failed: dict[int, str] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.final_objective = self.final_objective or self.objective
        self._paid = replace(self.flow, denoiser=self._denoise)

    @property
    def times(self) -> Sequence[float]:
        return self.flow.times

    @property
    def last_step(self) -> int:
        """The step of the last time at which the search works."""
        return self.flow.last_step

    @property
    def prices(self) -> Prices:
        """What one particle costs."""
        slope = self.steering.rows if self.steering else 0
        return Prices.of(len(self.flow.lead), self.flow.kernel.inner, self.lookahead, slope)

    @property
    def left(self) -> float:
        """Network rows that the search can still ask for, the finish set aside."""
        return self.purse.left

    def starts(
        self,
        n: int,
        around: Tensor | None = None,
        radius: float = 1.0,
        boxes: Sequence[Box] = (),
    ) -> tuple[list[int], Tensor]:
        """Ids and latents (n,*D) of pure noise, or of neighbours of the start `around` (1,*D), each
        inside its box alone if there are `boxes`."""
        ids = self._new_ids(n)
        return ids, self.flow.born(ids, around, radius, boxes)

    def born(self, n: int, score: bool = True) -> Particles:
        """`n` new particles of pure noise, evaluated at the search's first time."""
        return self.born_from(*self.starts(n), score=score)

    def born_from(
        self,
        ids: list[int],
        x: Tensor,
        parents: Sequence[int] = (),
        score: bool = True,
        radius: float = 1.0,
        boxes: Sequence[Box] = (),
    ) -> Particles:
        """The particles that begin at x (K,*D), evaluated at the first time.

        Args:
            parents: ids of those of whose starts these are neighbours at `radius`, in `boxes`.
        """
        self.purse.require(len(ids) * (self.prices.born if score else self.prices.birth))
        zeros, parents = [0] * len(ids), parents or [-1] * len(ids)
        x, x0 = self._paid.led(x)
        self._tell("born", ids, parents, 0, radius, boxes)
        return self._judged(x, x0, ids, parents, zeros, zeros, score)

    def brood(
        self, parents: Particles | None, n: int, paths: int, score: bool = True
    ) -> Particles:
        """n candidates for each path: children of its parent, or newborn where there is none."""
        rows = torch.arange(paths).repeat_interleave(n)
        if parents is not None:
            return self.propose(parents[rows], score=score)
        return replace(self.born(n * paths, score=score), paths=rows)

    def propose(
        self, parents: Particles, score: bool = True, kernel: Kernel | None = None
    ) -> Particles:
        """One child of each parent, one step on, by the flow's kernel or the plain ODE step."""
        kind = "propose" if kernel is None else "ode"
        kernel = kernel or self.flow.kernel
        rows = max(1, kernel.inner) + (self.lookahead if score else 0)
        self.purse.require(len(parents) * rows)
        ids, steps = self._new_ids(len(parents)), parents.steps + 1
        steering = self.steering if kernel is self.flow.kernel else None
        if steering:
            steering.begin(parents)
        x, x0 = torch.empty_like(parents.x), torch.empty_like(parents.x)
        for step in steps.unique().tolist():  # rows of one network call share their time
            rows = (steps == step).nonzero().flatten()
            own = [ids[i] for i in rows]
            t, s = self.times[step - 1], self.times[step]
            x[rows], answer = self._advance(parents[rows], own, t, s, kernel, steering)
            x0[rows] = self._denoise(x[rows], s) if answer is None else answer
            self._tell(kind, own, parents.ids[rows].tolist(), step)
        columns = (parents.ids.tolist(), parents.paths.tolist(), steps.tolist())
        return self._judged(x, x0, ids, *columns, score)

    def walk(
        self,
        particles: Particles,
        score: bool = True,
        kernel: Kernel | None = None,
        last: int | None = None,
    ) -> Iterator[Particles]:
        """`particles` and their descendants down to step `last`, one child each per step.

        Only the last are scored, and only if `score`. From one particle this is the plain sampler.
        """
        last = self.last_step if last is None else last
        yield particles
        for step in range(int(particles.steps[0]) + 1, last + 1):
            particles = self.propose(particles, score=score and step == last, kernel=kernel)
            yield particles

    def renoise(
        self,
        particles: Particles,
        step: int,
        ancestors: Particles | None = None,
        boxes: Sequence[Box] = (),
    ) -> Particles:
        """One noisier copy of each at the earlier `step`, drawn from q(x_T | x_t), not scored.

        Args:
            ancestors: of the particles, at `step`: what the copies are outside of their `boxes`.
        """
        self.purse.require(len(particles))
        (own,) = set(particles.steps.tolist())
        ids, t, noisier = self._new_ids(len(particles)), self.times[own], self.times[step]
        x = self.flow.renoised(particles.x, t, noisier, ids)
        if boxes:
            x = patched(ancestors.x, x, boxes)
        x0 = self._denoise(x, noisier)
        lineage = (particles.ids.tolist(), particles.paths.tolist())
        self._tell("renoise", ids, lineage[0], step, boxes=boxes)
        return self._judged(x, x0, ids, *lineage, [step] * len(ids), score=False)

    def finish(self, particle: Particles, nodes: int) -> Particles:
        """Carry one particle to the flow's end by `nodes` Euler steps of the ODE, and score it.

        The last answer is scored, and is the result x if the end is 0. With a lookahead and an end
        above 0, where it is blurred, what the lookahead came to stays. Costs `nodes`; when that is
        0 nothing is known better than what was scored.
        """
        flow, ids, last = self._paid, self._new_ids(1), len(self.times)
        t, end = self.times[int(particle.steps)], flow.end
        x, x0, clean = particle.x, particle.x0, particle.clean
        self.purse.require(nodes)
        try:
            if nodes:
                x, x0, t = flow.rolled(x, x0, t, nodes, end)
                clean = clean if end and self.lookahead else x0
        except BudgetExceeded:  # dearer down there than foreseen: what was scored stays
            nodes = 0
        self.on_made(Made("finish", ids, particle.ids.tolist(), last, [(1, 0)], nodes=nodes))
        if not end:
            x = x0 = clean
        elif t == self.times[-1] and not flow.kernel.inner:  # the plain sampler's own last step
            x = flow.step(flow.kernel, x, x0, t, end, ids)[0]
        else:
            x = flow.ode(x, x0, t, end).mean
        reward = judged(self.final_objective, clean, ids, self.failed)
        columns = (particle.ids, particle.paths, torch.tensor([last]))
        return Particles(x, x0, clean, reward, torch.tensor(ids), *columns)

    def land(self, particles: Particles) -> Tensor:
        """Latents (K,*D) at the flow's end, by one kernel step from the last time."""
        ids = self._new_ids(len(particles)) if self.flow.end else [0] * len(particles)
        return self._advance(
            particles, ids, self.times[-1], self.flow.end, self.flow.kernel, None
        )[0]

    def look(self, nodes: int) -> tuple[Tensor, Tensor]:
        """x0 of the first particle, and the end of `nodes` more evaluations; each (1,*D), paid.

        The particle is not born by it: the search draws it anew.
        """
        self.purse.require(self.prices.birth + nodes)
        x, x0 = self._paid.led(self.flow.start([0]))
        return x0, self._paid.rolled(x, x0, self.times[0], nodes)[1]

    def log_ratio(self, children: Particles) -> Tensor:
        """log p/q, (K,) float64, of the children just proposed: p the kernel's law, q the guided
        one that they were drawn from."""
        if self.steering is None:
            return torch.zeros(len(children), dtype=torch.float64)
        return self.steering.log_ratio(children)

    def uniforms(self, n: int) -> Tensor:
        """`n` fresh uniforms in [0, 1) for choices between particles."""
        return self.flow.uniform(self._new_ids(1)[0], n)

    def changing(self, particle: Particles) -> Tensor:
        """(*S) bool on the CPU: the cells of the particle's latent that its noise reaches."""
        if self.flow.changing is not None:
            return self.flow.changing
        return torch.ones(axes(particle.x.shape[1:]), dtype=torch.bool)

    def blame(self, particle: Particles) -> Tensor | None:
        """(*S) in [0, 1] on the CPU: where the objective says that a particle is wrong; None where
        it does not say."""
        if not isinstance(self.objective, Blaming) or not particle.clean.isfinite().all():
            return None
        found = self.objective.blame(particle.clean)
        return None if found is None else found[0].detach().cpu().double()

    def _advance(
        self,
        parents: Particles,
        ids: list[int],
        t: float,
        s: float,
        kernel: Kernel,
        steering: Steering | None,
    ) -> tuple[Tensor, Tensor | None]:
        """Latents at s, and the x0 there if the kernel found it on the way."""
        flow = self._paid
        if steering is not None and s and not kernel.inner:
            step = kernel(parents.x, parents.x0, t, s)
            if steering.acts(step):
                slope = partial(self._slope, t=t)
                alpha = flow.path.alpha(t)
                return steering.draw(step, parents, ids, alpha, flow.noise, slope), None
        return flow.step(kernel, parents.x, parents.x0, t, s, ids)

    def _slope(self, parents: Particles, t: float) -> Tensor:
        """Gradients (K,*D), paid; one at a time: their memory is many times a latent's."""
        size = 1 if self.batch.may_split else len(parents)
        parts = range(0, len(parents), size)
        return torch.cat([self._slope_at_once(parents[i : i + size], t) for i in parts])

    def _slope_at_once(self, parents: Particles, t: float) -> Tensor:
        if not parents.x0.flatten(1).isfinite().all(1).any():  # there is nothing to differentiate
            return torch.zeros_like(parents.x)
        steering, rows = self.steering, len(parents) * self.steering.rows
        self.purse.require(rows)
        with self.purse.timed("gradient"):
            slope = steering.guidance.slope(steering.gradients, parents.x, parents.x0, t)
        self.purse.counts["gradients"] += len(parents)
        if rows and not self.counts_itself:
            self.purse.charge(rows * self.purse.cost, 1)
        self.on_call()
        return slope

    def resume(self, particle: int, batch: MicroBatch) -> None:
        """The next particle has this id and goes through the network by `batch`."""
        self.ids, self.batch = count(particle), batch

    def _new_ids(self, n: int) -> list[int]:
        return [next(self.ids) for _ in range(n)]

    def _tell(
        self,
        kind: str,
        ids: list[int],
        parents: Sequence[int],
        step: int,
        radius: float = 1.0,
        boxes: Sequence[Box] = (),
    ) -> None:
        places = self.batch.places(len(ids))
        self.on_made(Made(kind, ids, parents, step, places, radius, boxes=boxes))

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
                    clean[rows] = self._paid.rolled(x[rows], x0[rows], t, self.lookahead)[1]
            reward = judged(self.objective, clean, ids, self.failed)
        self.batch.settle()
        columns = (torch.tensor(list(c)) for c in (ids, parents, paths, steps))
        return Particles(x, x0, clean, reward, *columns)

    def _denoise(self, x: Tensor, t: float) -> Tensor:
        """x0 (K,*D) of the network, asked in parts and paid."""

        def ask(rows: Tensor) -> Tensor:
            self.purse.require(len(rows))
            with self.purse.timed("network"):
                x0 = self.flow.denoiser(rows, t)
            if not self.counts_itself:
                self.purse.charge(len(rows) * self.purse.cost, 1)
            self.on_call()
            return x0

        return self.batch(x, ask)
