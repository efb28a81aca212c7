"""What a search may do with one image: draw, propose, re-noise, score, finish, all of it paid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from weakref import proxy

import torch
from torch import Tensor

from .batching import MicroBatch
from .first_look import FirstLook
from .flow import Flow
from .judging import judge
from .ode import ODE, Redraw
from .paid_network import MODELS, PaidNetwork, paid
from .purse import BudgetExceeded, Prices, Purse
from .regions import Boxes, patched
from .steering import Steering, advance
from .types import Kernel, Made, Objective, Particles, Starts

Columns = tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int]]


@dataclass
class Task:
    """One image to find: a flow, a purse, and an objective.

    Args:
        flow: the trajectory. Its models are called in parts, by `batch`, and paid.
        purse: what may be spent.
        objective: clean latents (K,*D) -> scores (K,), higher is better.
        final_objective: scores finished particles; None: `objective` does.
        lookahead: ODE evaluations down to 0 after which a particle is scored.
        steering: guides what the flow's own kernel proposes.
        batch: how many rows go through the network at once.
        counts_itself: whether the denoiser charges the purse itself, as the host's network does.
        on_call: called after each network call. A driver stops the search in it.
        on_made: called for each group of new particles, with how they were made.
        failed: by id, why a particle has no score. The task fills it in.
        ids: the ids of new particles, from 0. An id is the address of the particle's noise.
        first_look: what a look has evaluated for the first particle.
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
    first_look: FirstLook | None = None

    def __post_init__(self) -> None:
        self.final_objective = self.final_objective or self.objective
        self.first_look = self.first_look or FirstLook(self.purse)
        task = proxy(self)  # the task must not keep itself
        self._paid = paid(self.flow, lambda key, x, t: task._answer(key, x, t))

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
        gradient = self.steering.rows if self.steering else 0
        return Prices.of(len(self.flow.lead), self.flow.kernel.inner, self.lookahead, gradient)

    @property
    def left(self) -> float:
        """Network rows that the search can still pay, without those kept for the finish."""
        return self.purse.left

    def starts(
        self,
        n: int,
        around: Tensor | None = None,
        radius: float = 1.0,
        boxes: Boxes = (),
        parent: int = -1,
    ) -> Starts:
        """New ids and their latents of pure noise.

        Args:
            n: how many.
            around: the start (1,*D) that they are neighbours of; None: unrelated noise.
            radius: of the neighbours, in [0, 1].
            boxes: of each neighbour the region that differs from `around`; none: everything.
            parent: id of the particle that began at `around`.
        """
        ids = self._new_ids(n)
        return Starts(ids, self.flow.born(ids, around, radius, boxes), [parent] * n, radius, boxes)

    def born(self, n: int, score: bool = True) -> Particles:
        """`n` new particles of pure noise, evaluated at the search's first time."""
        return self.born_from(self.starts(n), score)

    def born_from(self, starts: Starts, score: bool = True) -> Particles:
        """The particles that begin at starts, evaluated at the search's first time."""
        n = len(starts)
        self.purse.require(n * (self.prices.born if score else self.prices.birth))
        x, x0 = self._paid.cross_lead(starts.x)
        self.on_made(starts.made(self._places(n)))
        return self._scored(x, x0, (starts.ids, starts.parents, [0] * n, [0] * n), score)

    def propose(
        self,
        parents: Particles,
        score: bool = True,
        kernel: ODE | Redraw | None = None,
        boxes: Boxes = (),
    ) -> Particles:
        """One child of each parent, one step on.

        Args:
            parents: may stand at different steps, none at the last.
            score: whether the children are scored.
            kernel: None is the flow's own. Guidance moves the ODE's steps by `velocity` alone.
            boxes: of each child the region that the kernel draws, while the ODE makes the rest;
                none: everything. Not for a kernel that calls the network.
        """
        if boxes and kernel is None and self.flow.kernel.inner:
            raise ValueError("The kernel calls the network: got boxes, expected none.")
        kind = kernel.kind if kernel else "propose"
        steering = self.steering
        if steering and kind == "ode" and not steering.moves_ode:
            steering = None
        kernel = kernel or self.flow.kernel
        price = max(1, kernel.inner) + (self.lookahead if score else 0)
        self.purse.require(len(parents) * price)
        ids, steps = self._new_ids(len(parents)), parents.steps + 1
        if steering:
            steering.begin(parents)
        x, x0 = torch.empty_like(parents.x), torch.empty_like(parents.x)
        for step in steps.unique().tolist():  # rows of one network call share their time
            rows = (steps == step).nonzero().flatten()
            row_ids = [ids[i] for i in rows]
            t, s = self.times[step - 1], self.times[step]
            guide = None
            if steering:
                guide = steering, partial(self._network().gradients, steering, t=t)
            x[rows], answer = advance(self._paid, kernel, parents[rows], row_ids, t, s, guide)
            row_boxes = [boxes[i] for i in rows] if boxes else ()
            if row_boxes:
                plain = self.flow.ode(parents.x[rows], parents.x0[rows], t, s).mean
                x[rows] = patched(plain, x[rows], row_boxes, self.flow.part)
            x0[rows] = self._paid.denoiser(x[rows], s) if answer is None else answer
            places, parent_ids = self._places(len(row_ids)), parents.ids[rows].tolist()
            self.on_made(Made(kind, row_ids, parent_ids, step, places, boxes=row_boxes))
        columns = (ids, parents.ids.tolist(), parents.paths.tolist(), steps.tolist())
        return self._scored(x, x0, columns, score)

    def walk(
        self,
        particles: Particles,
        score: bool = True,
        kernel: Kernel | None = None,
        last: int | None = None,
    ) -> Iterator[Particles]:
        """Particles and their descendants, one child each per step, as in the plain sampler.

        Args:
            particles: all at one step.
            score: whether those at step `last` are scored. No others are.
            kernel: as in `propose`.
            last: the step where they stop; None: the last of the search.
        """
        last = self.last_step if last is None else last
        yield particles
        for step in range(int(particles.steps[0]) + 1, last + 1):
            particles = self.propose(particles, score=score and step == last, kernel=kernel)
            yield particles

    def renoise(
        self, particles: Particles, step: int, ancestors: Particles | None = None, boxes: Boxes = ()
    ) -> Particles:
        """One noisier copy of each at the earlier `step`, drawn from q(x_T | x_t), not scored.

        Args:
            particles: all at one step.
            step: where the copies are.
            ancestors, boxes: outside of its box a copy is its ancestor at `step`.
        """
        self.purse.require(len(particles))
        (from_step,) = set(particles.steps.tolist())
        ids, t, noisier = self._new_ids(len(particles)), self.times[from_step], self.times[step]
        x = self.flow.renoise(particles.x, t, noisier, ids)
        if boxes:
            x = patched(ancestors.x, x, boxes, self.flow.part)
        x0 = self._paid.denoiser(x, noisier)
        columns = (ids, particles.ids.tolist(), particles.paths.tolist(), [step] * len(ids))
        places = self._places(len(ids))
        self.on_made(Made("renoise", ids, columns[1], step, places, boxes=boxes))
        return self._scored(x, x0, columns, score=False)

    def finish(self, particle: Particles, nodes: int) -> Particles:
        """Carry one particle to the flow's end by `nodes` steps of the ODE, and score it.

        With an end of 0, the last prediction is the result x and is scored. With an end above 0,
        that prediction is blurred, so after a lookahead the particle's `clean` is scored. With
        `nodes` 0 the particle's `clean` is scored, too.
        """
        flow, ids, last = self._paid, self._new_ids(1), len(self.times)
        t, end = self.times[int(particle.steps)], flow.end
        x, x0, clean = particle.x, particle.x0, particle.clean
        self.purse.require(nodes)
        try:
            if nodes:
                x, x0, t = flow.end_by(flow.finish_denoiser, x, x0, t, nodes, end)
                clean = clean if end and self.lookahead else x0
        except BudgetExceeded:  # the model costs more there than its price: keep what was scored
            nodes = 0
        self.on_made(Made("finish", ids, particle.ids.tolist(), last, [(1, 0)], nodes=nodes))
        if not end:
            x = x0 = clean
        elif not (nodes or t > self.times[-1] or flow.kernel.inner):  # the plain sampler's step
            x = flow.step(flow.kernel, x, x0, t, end, ids)[0]
        else:
            x = flow.ode(x, x0, t, end).mean
        reward = judge(self.final_objective, clean, ids, self.failed)
        columns = (particle.ids, particle.paths, torch.tensor([last]))
        return Particles(x, x0, clean, reward, torch.tensor(ids), *columns)

    def land(self, particles: Particles) -> Tensor:
        """Latents (K,*D) at the flow's end, by one kernel step from the last time."""
        flow, n = self._paid, len(particles)
        ids = self._new_ids(n) if flow.end else [0] * n
        return flow.step(flow.kernel, particles.x, particles.x0, self.times[-1], flow.end, ids)[0]

    def look(self, nodes: int) -> tuple[Tensor, Tensor]:
        """x0 of the first particle, and x0 after `nodes` more evaluations, (1,*D) each, paid.

        The model that looks ahead makes both. The search draws the same particle afterwards.
        """
        self.purse.require(self.prices.birth + nodes)
        key = "denoiser" if self.flow.look_denoiser is None else "look_denoiser"
        flow = replace(self.flow, denoiser=self.first_look.noting(self._network(key)))
        x, x0 = flow.cross_lead(self.flow.start([0]))
        return x0, flow.descend(x, x0, self.times[0], nodes)[1]

    def log_ratio(self, children: Particles) -> Tensor:
        """log p/q (K,) float64 of the last children: p is the kernel's law, q the guided one."""
        if self.steering is None:
            return torch.zeros(len(children), dtype=torch.float64)
        return self.steering.log_ratio(children)

    def uniforms(self, n: int) -> Tensor:
        """`n` new uniforms in [0, 1) for choices between particles."""
        return self.flow.uniform(self._new_ids(1)[0], n)

    def expect(self, likely: Callable[[Task], object]) -> None:
        """Say what the search may ask for next, which a crew may do early (crew/task.py)."""

    def resume(self, particle: int, batch: MicroBatch) -> None:
        """Give the next particle this id, and call the network by `batch` from now on."""
        self.ids, self.batch = count(particle), batch

    def _answer(self, key: str, x: Tensor, t: float) -> Tensor:
        answer, network = self.first_look.take(x[:1], t), self._network(key)
        if answer is None:
            return network(x, t)
        return answer if len(x) == 1 else torch.cat([answer, network(x[1:], t)])

    def _places(self, n: int) -> list[tuple[int, int]]:
        """(rows, row) of each of n rows in the last network call."""
        return (
            [(1, 0), *self.batch.places(n - 1)] if self.first_look.taken else self.batch.places(n)
        )

    def _network(self, key: str = "denoiser") -> PaidNetwork:
        settings = self.purse, self.batch, self.counts_itself, self.on_call
        return PaidNetwork(getattr(self.flow, key), *settings, MODELS[key])

    def _new_ids(self, n: int) -> list[int]:
        return [next(self.ids) for _ in range(n)]

    def _scored(self, x: Tensor, x0: Tensor, columns: Columns, score: bool) -> Particles:
        (ids, *_, steps), clean = columns, x0
        reward = torch.full((len(ids),), torch.nan, dtype=torch.float64)
        if score:
            clean = self._paid.look_ahead(x, x0, steps, self.lookahead)
            reward = judge(self.objective, clean, ids, self.failed)
        self.batch.settle()
        return Particles(x, x0, clean, reward, *(torch.tensor(list(c)) for c in columns))
