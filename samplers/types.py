"""The nouns shared by every search.

Time `t` falls from 1 (noise) to 0 (data), and `s < t`. Latents are `(K, *D)`: only dim 0, one row
for each particle, has meaning here. Scores are higher-is-better. A failed particle scores -inf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from .regions import Boxes

Denoiser = Callable[[Tensor, float], Tensor]  # (x (K,*D), t) -> x0 (K,*D)
Objective = Callable[[Tensor], Tensor]  # x0 (K,*D) -> (K,) float32, higher is better


@runtime_checkable
class Blaming(Protocol):
    """An objective that may know where a latent is wrong."""

    def blame(self, x0: Tensor) -> Tensor | None:
        """x0 (1,*D) -> (1,*S) in [0, 1] on the CPU, S being its axes in space and time: 1 where a
        change is needed most. None: the objective does not know."""


class Interpolant(Protocol):
    """A path x_t = alpha(t) x0 + sigma(t) eps, with alpha falling and sigma rising in t."""

    description: ClassVar[str]  # one sentence, shown in tooltips

    def alpha(self, t: float) -> float: ...
    def sigma(self, t: float) -> float: ...
    def d_alpha(self, t: float) -> float: ...
    def d_sigma(self, t: float) -> float: ...

    def t_from_snr(self, snr: float) -> float:
        """The time at which alpha/sigma equals `snr`, at most 1."""


@dataclass(frozen=True)
class Transition:
    """The Gaussian law of the next latent: N(mean, std^2 I).

    Args:
        mean: (K,*D).
        std: the same for all rows, at least 0.
        scales: (c_t, c_s), where the step was taken on another path than the model's. Latents of
            that path are c times the model's, before the step and after it.
    """

    mean: Tensor
    std: float
    scales: tuple[float, float] = (1.0, 1.0)

    def draw(self, eps: Callable[[], Tensor]) -> Tensor:
        """A sample. `eps` gives a standard normal of mean's shape; it is not called if std is 0."""
        return self.mean + self.std * eps() if self.std else self.mean


class Kernel(Protocol):
    """One transition from x_t to x_s, from the predicted x0.

    Most kernels answer with a Gaussian law, and their `inner` is 0. A kernel that calls the network
    itself has `inner` evaluations for each transition. In place of a law it has the method
    `advance(denoise, x, x0, t, s, eps) -> (x_s, x0_s)`.
    """

    @property
    def inner(self) -> int: ...
    def __call__(self, x: Tensor, x0: Tensor, t: float, s: float) -> Transition: ...


@dataclass(frozen=True)
class Particles:
    """Particles as columns, one row for each.

    Args:
        x: (K,*D) latents at time `times[step]`.
        x0: (K,*D) clean latents predicted there.
        clean: (K,*D) what is scored: x0, or the end of its lookahead.
        reward: (K,) floats, nan where not scored, -inf where failed.
        ids: (K,) integers.
        parents: (K,) ids, -1 for none.
        paths: (K,) integers from 0, which of the search's paths.
        steps: (K,) indices of their times.
    """

    x: Tensor
    x0: Tensor
    clean: Tensor
    reward: Tensor
    ids: Tensor
    parents: Tensor
    paths: Tensor
    steps: Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int | slice | Sequence[int]) -> Particles:
        """The chosen rows. An int keeps the particle axis, and copies: one row outlives the rest
        without holding their memory. A list of all rows in order is the particles themselves."""
        if isinstance(index, list) and index == list(range(len(self))):
            return self
        columns = vars(self).values()
        if isinstance(index, int):
            return Particles(*(column[index, None].clone() for column in columns))
        return Particles(*(column[index] for column in columns))

    @staticmethod
    def cat(groups: Sequence[Particles]) -> Particles:
        """Rows of all groups, in order."""
        columns = zip(*(vars(group).values() for group in groups), strict=True)
        return Particles(*map(torch.cat, columns))

    def best(self) -> int:
        """The row with the highest reward, the first of equals."""
        return int(self.reward.argmax())

    @property
    def alive(self) -> Tensor:
        """(K,) booleans on the CPU: whether x0 is finite, so that a child could be finite too.

        The reward does not matter: a particle whose reward failed can have children.
        """
        return self.x0.flatten(1).isfinite().all(1).cpu()


Kind = Literal["born", "propose", "accept", "exhaust", "resample", "done", "finish"]
SCORED = ("born", "propose", "finish")  # kinds of event whose particles are new


@dataclass(frozen=True)
class SearchEvent:
    """An immutable snapshot that a search yields.

    born, propose, finish: `particles` were evaluated and scored.
    accept: the search moved to `particles`, which are better. At the last step it cannot move, and
        `particles` set a record.
    exhaust: the search moved to `particles` because the quota of their step was used up.
    resample: `particles` survived, some of them several times.
    done: the search stops before its budget is spent.

    Args:
        kind: one of these.
        particles: whom it is about.
        spent: NFE so far.
        quota: how many children the path may try in its present step, for methods that have one.
        log_w: (K,) importance weights, for methods that have them.
    """

    kind: Kind
    particles: Particles
    spent: int
    quota: int | None = None
    log_w: Tensor | None = None


Origins = Literal["born", "propose", "ode", "redraw", "renoise", "finish"]


@dataclass(frozen=True)
class Made:
    """How some particles were made, for whoever keeps their lineage.

    Args:
        kind: born: evaluated at the first time; propose: by the search's kernel; ode: by the plain
            step; redraw: by the step whose noise is all new; renoise: noised back up to `step`;
            finish: by `nodes` evaluations.
        ids: of the particles.
        parents: id of each one's parent, -1 for none. For born ones it is the particle whose start
            they are neighbours of.
        step: index of their time.
        places: (rows, row) of each: how many rows its network calls had, and which row it was.
        radius: of neighbours of another start. 1 is a new start.
        nodes: evaluations of a finish.
        boxes: of each particle the region that differs from the parent's start, that the kernel
            drew, or that was noised back up; none: everything.
    """

    kind: Origins
    ids: Sequence[int]
    parents: Sequence[int]
    step: int
    places: Sequence[tuple[int, int]]
    radius: float = 1.0
    nodes: int = 0
    boxes: Boxes = ()


@dataclass(frozen=True, eq=False)
class Starts:
    """Where new particles begin: latents of pure noise.

    Args:
        ids: of the particles, K.
        x: (K,*D).
        parents, radius, boxes: as in `Made`.
    """

    ids: Sequence[int]
    x: Tensor
    parents: Sequence[int]
    radius: float = 1.0
    boxes: Boxes = ()

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice) -> Starts:
        columns = self.ids[rows], self.x[rows], self.parents[rows]
        return Starts(*columns, self.radius, self.boxes[rows])

    def split(self) -> list[Starts]:
        """The starts one by one."""
        return [self[i : i + 1] for i in range(len(self))]

    def made(self, places: Sequence[tuple[int, int]]) -> Made:
        """How the particles that begin there are made.

        Args:
            places: as in `Made`.
        """
        return Made("born", self.ids, self.parents, 0, places, self.radius, boxes=self.boxes)
