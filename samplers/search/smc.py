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
    """Particles of law p(x_t) exp(b_k r(x0|t)/lambda) at every step k (Wu et al., arXiv 2306.17775;
    Kim et al., arXiv 2501.05803): log_w += (b_k r_k - b_(k-1) r_(k-1))/lambda, and resampling when
    the effective sample size falls below a share of the particles.

    Tempering: b_k = 1 (none), or (k+1)/N over N times (linear), which trusts early, blurred
    predictions less. The particle with the highest reward wins, not the heaviest. Resampling
    before the last step only: after it nothing would be drawn any more. A guided step draws from
    another law q than the kernel's p: log_w gains log p/q, and the law stays what it was.
    """

    weighted: ClassVar[bool] = True
    title: ClassVar[str] = "SMC (resampled particles)"

    temperature: float = field(
        default=0.5,
        metadata={
            "min": 0.001,
            "max": 1000.0,
            "tooltip": "Lambda, in units of the reward: lower follows the reward more greedily, "
            "higher stays closer to what the model would draw. 0.5 is for counts; begin with 0.1 "
            "for VQAScore, 0.01 for cosines (PickScore).",
        },
    )
    tempering: str = field(
        default="none",
        metadata={
            "choices": TEMPERINGS,
            "advanced": True,
            "tooltip": "linear lets the reward count more and more towards the end, where "
            "predictions are sharp.",
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
            "tooltip": "How survivors are drawn; systematic and residual add least chance.",
        },
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature < float("inf"):
            raise ValueError(f"temperature {self.temperature} given, wanted a number above 0.")
        if not 0.0 <= self.ess_threshold <= 1.0:
            raise ValueError(f"ess_threshold {self.ess_threshold} given, wanted one in [0, 1].")
        for name, known in (("tempering", TEMPERINGS), ("resampling", tuple(RESAMPLERS))):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} {getattr(self, name)!r} given, wanted one of {', '.join(known)}."
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
            before = self._potential(particles, step - 1, last)
            particles = task.propose(particles)
            gain = self._potential(particles, step, last) - before + task.log_ratio(particles)
            # A failed child has no weight, nor has the child of a failed parent.
            sound = before.isfinite() & particles.reward.isfinite()
            log_w = torch.where(sound, log_w + gain, -torch.inf)
            yield SearchEvent("propose", particles, purse.nfe, log_w=log_w)
        yield SearchEvent("accept", particles[particles.best()], purse.nfe)

    def _potential(self, particles: Particles, step: int, last: int) -> Tensor:
        """b_k r_k / lambda, (K,)."""
        share = (step + 1) / (last + 1) if self.tempering == "linear" else 1.0
        return share * particles.reward / self.temperature
