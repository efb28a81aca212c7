"""The sampling trajectory of one image: pure maths, without budget, objective or memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from .interpolants.linear import Linear
from .ode import ODE, Redraw
from .regions import Boxes, Shape, patched
from .types import Denoiser, Interpolant, Kernel

RowsOfIds = Callable[[Sequence[int]], Tensor]  # particle ids (K,) -> rows (K,*D)


@dataclass(frozen=True)
class Flow:
    """A model, the times at which it is evaluated, and the noise of every particle.

    Args:
        denoiser: x (K,*D), t -> x0 (K,*D).
        kernel: one transition between two times.
        times: falling model times in (0, 1] at which a search works.
        start: ids -> latents (K,*D) at the first time, distributed about `centre`.
        noise: ids -> standard normal rows (K,*D).
        uniform: id, n -> (n,) uniforms in [0, 1).
        lead: times before `times`. The ODE crosses them, and nothing is scored there.
        end: where the sampler lands and a finish ends; 0 is the clean image.
        centre: the mean of `start`.
        path: the path of latents and times.
        changing: (*S) bool on the CPU, the cells of a latent that its noise reaches, S being its
            axes in space and time; None: all.
        part: the shape *P of the images or videos in rows that hold several parts; (): rows (K,*D)
            have one. `changing` is of this part.
        look_denoiser: a second model of the same latents, which carries particles on before they
            are scored; None: `denoiser` does.
        finish_denoiser: a second model, which finishes particles; None: `denoiser` does.

    Raises:
        ValueError: the times are empty or do not fall.
    """

    denoiser: Denoiser
    kernel: Kernel
    times: Sequence[float]
    start: RowsOfIds
    noise: RowsOfIds
    uniform: Callable[[int, int], Tensor] | None = None
    lead: Sequence[float] = ()
    end: float = 0.0
    centre: Tensor | float = 0.0
    path: Interpolant = Linear()
    changing: Tensor | None = None
    part: Shape = ()
    look_denoiser: Denoiser | None = None
    finish_denoiser: Denoiser | None = None

    def __post_init__(self) -> None:
        sigmas = [*self.lead, *self.times, self.end]
        falling = all(a > b for a, b in zip(sigmas, sigmas[1:], strict=False))
        if not self.times or not falling or sigmas[0] > 1.0 or self.end < 0.0:
            raise ValueError(
                f"The sigmas cannot be searched: got {[round(t, 4) for t in sigmas]}, expected "
                "one or more in (0, 1], falling strictly to the last."
            )

    @property
    def last_step(self) -> int:
        """The step of the last of `times`."""
        return len(self.times) - 1

    @property
    def finishes_apart(self) -> bool:
        """Whether a second model finishes that does not look ahead."""
        return self.finish_denoiser not in (None, self.look_denoiser)

    @property
    def ode(self) -> ODE:
        """The plain step on the latents' own path."""
        return ODE(self.path)

    @property
    def redraw(self) -> Redraw:
        """The step that draws all of its noise anew."""
        return Redraw(self.path)

    def draws(self) -> bool:
        """Whether any step of the kernel draws noise."""
        zero = torch.zeros(1, 1)
        steps = ((zero, zero, t, s) for t, s in pairwise(self.times))
        return any(self.kernel.inner or self.kernel(*step).std > 0.0 for step in steps)

    def coarser(self, steps: int) -> Flow:
        """The plain ODE over at most `steps` of the times, as even as there are.

        A schedule for random steps may leave more than half of the way to its last step. The times
        are then even ones.
        """
        times, way = self.times, self.times[0] - self.end
        if times[-1] - self.end > way / 2:
            times = _even(times[0], self.end, len(times))
        steps, chosen = min(steps, len(times)), [0]
        for i, t in enumerate(_even(times[0], self.end, steps)[1:], 1):
            left = range(chosen[-1] + 1, len(times) - steps + i + 1)
            chosen.append(min(left, key=lambda step, t=t: abs(times[step] - t)))
        return replace(self, times=[times[step] for step in chosen], kernel=self.ode)

    def born(
        self,
        ids: Sequence[int],
        around: Tensor | None = None,
        radius: float = 1.0,
        boxes: Boxes = (),
    ) -> Tensor:
        """Latents (K,*D) of pure noise, or neighbours of one start.

        A neighbour is centre + sqrt(1 - r^2) (around - centre) + r (new - centre). It has the law
        of a start for any r in [0, 1].

        Args:
            ids: of the new particles.
            around: a start (1,*D), whose neighbours the new latents are. None: pure noise.
            radius: r of the neighbours, in [0, 1].
            boxes: of each neighbour the region that differs from `around`; none: everything.
        """
        x = self.start(ids)
        if around is None:
            return x
        if radius < 1.0:
            kept = math.sqrt(1.0 - radius**2)
            x = self.centre + kept * (around - self.centre) + radius * (x - self.centre)
        return patched(around, x, boxes, self.part) if boxes else x

    def cross_lead(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Carry starts x (K,*D) along `lead` to the first time; returns latents and x0 there."""
        for t, s in zip(self.lead, [*self.lead[1:], self.times[0]], strict=False):
            x = self.ode(x, self.denoiser(x, t), t, s).mean
        return x, self.denoiser(x, self.times[0])

    def step(
        self, kernel: Kernel, x: Tensor, x0: Tensor, t: float, s: float, ids: Sequence[int]
    ) -> tuple[Tensor, Tensor | None]:
        """One draw of `kernel` from t to s.

        Args:
            kernel: the flow's own or another.
            x, x0: latents at t and their predicted clean latents, (K,*D) each.
            t, s: model times, s < t.
            ids: of the children. Each child's id selects its noise.

        Returns:
            Latents (K,*D) at s, and x0 there if the kernel evaluated it.
        """
        if s == 0.0:
            return x0, None
        if kernel.inner:
            return kernel.advance(self.denoiser, x, x0, t, s, self.noise(ids))
        return kernel(x, x0, t, s).draw(lambda: self.noise(ids)), None

    def renoise(self, x: Tensor, t: float, noisier: float, ids: Sequence[int]) -> Tensor:
        """A draw (K,*D) of q(x_T | x_t) at the time T = `noisier` (Ma et al., arXiv 2501.09732).

        mean (a_T/a_t) x, variance sigma_T^2 - (a_T/a_t)^2 sigma_t^2.

        Args:
            x: latents (K,*D) at t.
            t, noisier: model times, t < noisier.
            ids: of the noisier copies. Each copy's id selects its noise.
        """
        kept = self.path.alpha(noisier) / self.path.alpha(t)
        std = math.sqrt(self.path.sigma(noisier) ** 2 - (kept * self.path.sigma(t)) ** 2)
        return kept * x + std * self.noise(ids)

    def descend(
        self, x: Tensor, x0: Tensor, t: float, nodes: int, end: float = 0.0
    ) -> tuple[Tensor, Tensor, float]:
        """Follow the ODE down through evenly spaced t_i = end + (t - end) (1 - i/(nodes+1)).

        Args:
            x, x0: latents at t and their predicted clean latents, (K,*D) each.
            t: model time.
            nodes: evaluations, at t_1 to t_nodes.
            end: the time towards which it goes.

        Returns:
            Latents, x0 and time at the last evaluation.
        """
        first = t
        for i in range(1, nodes + 1):
            s = end + (first - end) * (1.0 - i / (nodes + 1))
            x = self.ode(x, x0, t, s).mean
            x0, t = self.denoiser(x, s), s
        return x, x0, t

    def end_by(
        self,
        second: Denoiser | None,
        x: Tensor,
        x0: Tensor,
        t: float,
        nodes: int,
        end: float = 0.0,
    ) -> tuple[Tensor, Tensor, float]:
        """Follow the ODE of a second model down, whose first evaluation is at t itself.

        Args:
            second: the model; None: `descend`, since x0 is known already.
            x, x0, t, end: as of `descend`, which says what is returned.
            nodes: evaluations, at least 1.
        """
        if second is None:
            return self.descend(x, x0, t, nodes, end)
        return replace(self, denoiser=second).descend(x, second(x, t), t, nodes - 1, end)

    def look_ahead(self, x: Tensor, x0: Tensor, steps: Sequence[int], nodes: int) -> Tensor:
        """Clean latents (K,*D): what each row's ODE predicts after `nodes` more evaluations.

        Args:
            x, x0: latents and their predicted clean latents, (K,*D) each.
            steps: (K,) indices of their times.
            nodes: evaluations; 0 gives x0 itself.
        """
        if not nodes:
            return x0
        clean = torch.empty_like(x0)
        for step in sorted(set(steps)):  # rows of one network call share their time
            rows = [i for i, row_step in enumerate(steps) if row_step == step]
            start = x[rows], x0[rows], self.times[step]
            clean[rows] = self.end_by(self.look_denoiser, *start, nodes)[1]
        return clean


def _even(first: float, end: float, steps: int) -> list[float]:
    """Times of even steps from the first to the end, which is not among them."""
    return [end + (first - end) * (1.0 - i / steps) for i in range(steps)]
