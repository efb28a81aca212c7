"""What a look has evaluated: the search's first particle asks for it again, and pays once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .purse import Purse
from .types import Denoiser, Particles, Starts


@dataclass
class Looked:
    """Answers of the network, of one particle's way down the ODE.

    The particle goes through the network alone once more, so its bits are those of a single row.

    Args:
        purse: has paid for the answers.
        answers: (latent (1,*D), time, x0 (1,*D)), in order.
        heir: id of the particle that asks for the first of them.
    """

    purse: Purse
    answers: list[tuple[Tensor, float, Tensor]] = field(default_factory=list)
    heir: int = 0

    def noting(self, denoiser: Denoiser) -> Denoiser:
        """The denoiser, whose answers are kept from now on."""
        self.answers = []

        def call(x: Tensor, t: float) -> Tensor:
            x0 = denoiser(x, t)
            self.answers.append((x, t, x0))
            return x0

        return call

    def leave(self, count: int) -> None:
        """Leave the first `count` answers to the heir, who does not pay for them again."""
        self.answers = self.answers[:count]
        self.purse.prepaid = len(self.answers) * self.purse.cost

    def take(self, x: Tensor, t: float) -> Tensor | None:
        """The answer for latents x at time t, if it is the next one."""
        if not self.answers:
            return None
        latent, time, x0 = self.answers[0]
        if time != t or not torch.equal(latent, x):
            return None
        self.answers = self.answers[1:]
        self.leave(len(self.answers))
        return x0

    def apart(
        self,
        rows: Starts | Particles,
        alone: Callable[..., Particles],
        together: Callable[..., Particles],
        *settings: Any,
    ) -> Particles:
        """New particles: the heir's by `alone`, those of other rows by `together`.

        Args:
            rows: starts, or parents.
            alone, together: (rows, *settings) -> particles.
            settings: of both.
        """
        if not self.answers or int(rows.ids[0]) != self.heir:
            return together(rows, *settings)
        left = len(self.answers)
        first = alone(rows[:1], *settings)
        self.heir = int(first.ids)
        if len(self.answers) == left:  # it went another way
            self.leave(0)
        rest = [together(rows[1:], *settings)] if len(rows) > 1 else []
        return Particles.cat([first, *rest])
