"""Sequential Monte Carlo over the sampling trajectory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from ..resampling import RESAMPLERS, ess
from ..task import Task
from ..types import Particles, SearchEvent
from .rounds import Method, Round, minimum

TEMPERINGS = ("none", "linear")


@dataclass(frozen=True)
class SMC(Method):
    """Weighted particles side by side, resampled when few of them carry the weight.

    Their law at step k is p(x_t) exp(b_k r(x0|t)/lambda), with lambda the temperature (Wu et al.,
    arXiv 2306.17775; Kim et al., arXiv 2501.05803). At each step
      log_w += (b_k r_k - b_(k-1) r_(k-1))/lambda.
    Particles are resampled when the effective sample size falls below a share of their number. They
    are not resampled after the last step. Tempering: b_k = 1 (none), or (k+1)/N over N times
    (linear), which trusts early, blurred predictions less. A guided step draws from a law q in
    place of the kernel's p. Then log_w gains log p/q, which keeps the particles' law. The result is
    the particle with the highest reward, not the one with the highest weight.
    """

    description: ClassVar[str] = (
        "Sequential Monte Carlo: runs many particles side by side, and resamples them by reward."
    )
    needs_noise: ClassVar[bool] = True

    temperature: float = field(
        default=0.5,
        metadata={
            "min": 0.001,
            "max": 1000.0,
            "tooltip": "Lambda. Lower follows the reward more. Use 0.5 for counts, about 0.1 for "
            "VQAScore, 0.01 for PickScore.",
        },
    )
    tempering: str = field(
        default="none",
        metadata={
            "choices": TEMPERINGS,
            "advanced": True,
            "tooltip": "linear gives the reward more weight towards the end, where predictions "
            "are sharp.",
        },
    )
    ess_threshold: float = field(
        default=0.5,
        metadata={
            "min": 0.0,
            "max": 1.0,
            "advanced": True,
            "tooltip": "Resample when the effective sample size is below this share of the "
            "particles. 1 resamples at every step, 0 never.",
        },
    )
    resampling: str = field(
        default="systematic",
        metadata={
            "choices": tuple(RESAMPLERS),
            "advanced": True,
            "tooltip": "How survivors are drawn. systematic and residual add the least noise.",
        },
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature < float("inf"):
            raise ValueError(
                f"temperature is out of range: got {self.temperature}, expected a finite number "
                "above 0."
            )
        if not 0.0 <= self.ess_threshold <= 1.0:
            raise ValueError(
                f"ess_threshold is out of range: got {self.ess_threshold}, expected 0 to 1."
            )
        for name, choices in (("tempering", TEMPERINGS), ("resampling", tuple(RESAMPLERS))):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name} is not a choice: got {getattr(self, name)!r}, expected one of "
                    f"{', '.join(choices)}."
                )

    def rounds(self, steps: int) -> list[Round]:
        return [Round(0, 0, "noise"), *(Round(i, i + 1, "survivors") for i in range(steps - 1))]

    def run(self, task: Task) -> Iterator[SearchEvent]:
        purse, last = task.purse, task.last_step
        n = purse.buys(minimum(self, last + 1, task.prices))
        particles = task.born(n)
        log_w = self._potential(particles, 0, last)
        yield SearchEvent("born", particles, purse.nfe, log_w=log_w)
        for step in range(1, last + 1):
            if log_w.isfinite().any() and ess(log_w) < self.ess_threshold * n:
                rows = RESAMPLERS[self.resampling](log_w, n, task.uniforms(n))
                particles, log_w = particles[rows], torch.zeros_like(log_w)
                yield SearchEvent("resample", particles, purse.nfe, log_w=log_w)
            previous = self._potential(particles, step - 1, last)
            particles = task.propose(particles)
            gain = self._potential(particles, step, last) - previous + task.log_ratio(particles)
            # A failed child has no weight, nor has the child of a failed parent.
            scored = previous.isfinite() & particles.reward.isfinite()
            log_w = torch.where(scored, log_w + gain, -torch.inf)
            yield SearchEvent("propose", particles, purse.nfe, log_w=log_w)
        yield SearchEvent("accept", particles[particles.best()], purse.nfe)

    def _potential(self, particles: Particles, step: int, last: int) -> Tensor:
        """b_k r_k / lambda, (K,)."""
        share = (step + 1) / (last + 1) if self.tempering == "linear" else 1.0
        return share * particles.reward / self.temperature
