"""The sampling trajectory of one image: pure maths, without money, objective or memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from .interpolants.linear import Linear
from .kernels import ODE
from .regions import Box, patched
from .types import Denoiser, Interpolant, Kernel

Drawn = Callable[[Sequence[int]], Tensor]  # particle ids (K,) -> rows (K,*D)


@dataclass(frozen=True)
class Flow:
    """A model, the times at which it is asked, and the noise of every particle.

    Args:
        denoiser: x (K,*D), t -> x0 (K,*D).
        kernel: one transition between two times.
        times: falling model times in (0, 1] at which a search works.
        start: ids -> latents (K,*D) at the first time, distributed about `centre`.
        noise: ids -> standard normal rows (K,*D).
        uniform: id, n -> (n,) uniforms in [0, 1).
        lead: times before `times`, crossed by the ODE.
        end: where the sampler lands and a finish ends; 0 is the clean image.
        centre: the mean of `start`.
        path: the path of latents and times.
        changing: (*S) bool on the CPU, the cells of a latent that its noise reaches, S being its
            axes in space and time; None: all.

    Raises:
        ValueError: the times are empty or do not fall.
    """

    denoiser: Denoiser
    kernel: Kernel
    times: Sequence[float]
    start: Drawn
    noise: Drawn
    uniform: Callable[[int, int], Tensor] | None = None
    lead: Sequence[float] = ()
    end: float = 0.0
    centre: Tensor | float = 0.0
    path: Interpolant = Linear()
    changing: Tensor | None = None

    def __post_init__(self) -> None:
        every = [*self.lead, *self.times, self.end]
        falling = all(a > b for a, b in zip(every, every[1:], strict=False))
        if not self.times or not falling or every[0] > 1.0 or self.end < 0.0:
            raise ValueError(
                f"sigmas {[round(t, 4) for t in every]} given, wanted at least one value in "
                "(0, 1] falling strictly to the last, as a flow scheduler gives."
            )

    @property
    def last_step(self) -> int:
        """The step of the last of `times`."""
        return len(self.times) - 1

    @property
    def ode(self) -> ODE:
        """The plain step on the latents' own path."""
        return ODE(self.path)

    def born(
        self,
        ids: Sequence[int],
        around: Tensor | None = None,
        radius: float = 1.0,
        boxes: Sequence[Box] = (),
    ) -> Tensor:
        """Latents (K,*D) of pure noise; with `around` (1,*D), neighbours of that start.

        centre + sqrt(1 - r^2) (around - centre) + r (new - centre) has the law of a start for any
        r in [0, 1]. With `boxes` each is that inside its box, and `around` outside.
        """
        x = self.start(ids)
        if around is None:
            return x
        if radius < 1.0:
            kept = math.sqrt(1.0 - radius**2)
            x = self.centre + kept * (around - self.centre) + radius * (x - self.centre)
        return patched(around, x, boxes) if boxes else x

    def led(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Latents that begin at x (K,*D), carried along `lead` to the first time, and x0 there."""
        for t, s in zip(self.lead, [*self.lead[1:], self.times[0]], strict=False):
            x = self.ode(x, self.denoiser(x, t), t, s).mean
        return x, self.denoiser(x, self.times[0])

    def step(
        self, kernel: Kernel, x: Tensor, x0: Tensor, t: float, s: float, ids: Sequence[int]
    ) -> tuple[Tensor, Tensor | None]:
        """Latents (K,*D) at s by one draw of `kernel`, and the x0 there if it came to know it."""
        if s == 0.0:
            return x0, None
        if kernel.inner:
            return kernel.advance(self.denoiser, x, x0, t, s, self.noise(ids))
        return kernel(x, x0, t, s).draw(lambda: self.noise(ids)), None


    def renoised(self, x: Tensor, t: float, noisier: float, ids: Sequence[int]) -> Tensor:
        """A draw of q(x_T | x_t) at the time T = `noisier` (Ma et al., arXiv 2501.09732).

        mean (a_T/a_t) x, variance sigma_T^2 - (a_T/a_t)^2 sigma_t^2.
        """
        kept = self.path.alpha(noisier) / self.path.alpha(t)
        std = math.sqrt(self.path.sigma(noisier) ** 2 - (kept * self.path.sigma(t)) ** 2)
        return kept * x + std * self.noise(ids)

    def rolled(
        self, x: Tensor, x0: Tensor, t: float, nodes: int, end: float = 0.0
    ) -> tuple[Tensor, Tensor, float]:
        """Latents, x0 and time at the last of `nodes` evaluations of the ODE, evenly from t towards
        `end`: t_i = end + (t - end) (1 - i/(nodes+1))."""
        first = t
        for i in range(1, nodes + 1):
            s = end + (first - end) * (1.0 - i / (nodes + 1))
            x = self.ode(x, x0, t, s).mean
            x0, t = self.denoiser(x, s), s
        return x, x0, t
