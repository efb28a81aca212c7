"""The nouns shared by every search.

Time `t` falls from 1 (noise) to 0 (data), and `s < t`. Latents are `(K, *D)`: only dim 0, one row a
particle, has meaning here. Scores are higher-is-better; a failed particle scores -inf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from .regions import Box

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

    title: ClassVar[str]

    def alpha(self, t: float) -> float: ...
    def sigma(self, t: float) -> float: ...
    def d_alpha(self, t: float) -> float: ...
    def d_sigma(self, t: float) -> float: ...

    def t_from_snr(self, snr: float) -> float:
        """The time at which alpha/sigma equals `snr`, at most 1."""


@dataclass(frozen=True)
class Transition:
    """The Gaussian law of the next latent: N(mean, std^2 I), mean (K,*D).

    `scales` (c_t, c_s): on the path that the step was taken on, a latent is so many times the
    model's, before and after it.
    """

    mean: Tensor
    std: float
    scales: tuple[float, float] = (1.0, 1.0)

    def draw(self, eps: Callable[[], Tensor]) -> Tensor:
        """A sample; `eps` (a standard normal of mean's shape) is only asked for when it is used."""
        return self.mean + self.std * eps() if self.std else self.mean


class Kernel(Protocol):
    """One transition from x_t to x_s given the predicted x0.

    `inner` is 0, or the network evaluations of one transition of a kernel that asks the network
    itself: that has `advance(denoise, x, x0, t, s, eps) -> (x_s, x0_s)` in place of a Gaussian law.
    """

    @property
    def inner(self) -> int: ...
    def __call__(self, x: Tensor, x0: Tensor, t: float, s: float) -> Transition: ...


@dataclass(frozen=True)
class Particles:
    """A struct of arrays, one row a particle.

    x: (K,*D) latents at time `times[step]`; x0: (K,*D) predicted clean latents there; clean:
    (K,*D) what is scored: x0, or the end of its lookahead; reward: (K,) floats, nan where not
    scored; ids, parents (-1: none), paths, steps: (K,) integers.
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
        """The chosen rows; an int keeps the particle axis, and copies what may outlive the rest."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        if isinstance(index, int):
            return Particles(**{n: own[index, None].clone() for n, own in columns.items()})
        return Particles(**{n: own[index] for n, own in columns.items()})

    @staticmethod
    def cat(groups: Sequence[Particles]) -> Particles:
        """Rows of all groups, in order."""
        names = [f.name for f in fields(Particles)]
        return Particles(**{n: torch.cat([getattr(g, n) for g in groups]) for n in names})

    def best(self) -> int:
        """The row with the highest reward, the first of equals."""
        return int(self.reward.argmax())

    @property
    def alive(self) -> Tensor:
        """(K,) on the CPU: whether a particle can have sound descendants. One whose x0 is not
        finite cannot; a reward that failed on it does not matter."""
        return self.x0.flatten(1).isfinite().all(1).cpu()


Kind = Literal["born", "propose", "accept", "exhaust", "resample", "done", "finish"]
SCORED = ("born", "propose", "finish")  # kinds of event whose particles are new


@dataclass(frozen=True)
class SearchEvent:
    """An immutable snapshot that a search yields.

    born, propose, finish: `particles` were evaluated and scored. accept: the search moved to
    `particles` because they improved (at the last step, where it cannot move: they set a record);
    exhaust: because the quota of their step ran out; resample: they survived, repeated ones too;
    done: the search wants no more, whatever is left of the budget.
    `quota` is the number of candidates the path may try in its present step, `spent` the NFE so
    far, `log_w` (K,) the importance weights of a method that has them.
    """

    kind: Kind
    particles: Particles
    spent: int
    quota: int | None = None
    log_w: Tensor | None = None


Origins = Literal["born", "propose", "ode", "renoise", "finish"]


@dataclass(frozen=True)
class Made:
    """How some particles came about, for whoever keeps their lineage.

    born: evaluated at the first time; propose: by the search's kernel; ode: by the plain step;
    renoise: back up to `step`; finish: in `nodes` evaluations.

    Args:
        ids, parents: of each particle; parent -1: none. Of born ones the parent is the particle
            of whose start they are neighbours.
        step: index of their time.
        places: (rows, row) of each in its network calls.
        radius: of neighbours of another start; 1: a new start.
        boxes: of each particle the region that differs from the parent's start, or that was noised
            back up; none: all of them differ everywhere.
    """

    kind: Origins
    ids: Sequence[int]
    parents: Sequence[int]
    step: int
    places: Sequence[tuple[int, int]]
    radius: float = 1.0
    nodes: int = 0
    boxes: Sequence[Box] = ()
