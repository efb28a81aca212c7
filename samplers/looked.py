"""What a look has evaluated: the search's first particle asks for it again, and pays once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .purse import Purse
from .types import Denoiser


@dataclass
class Looked:
    """Answers of the network, of one particle's way down the ODE.

    The search's first particle asks for them again: its calls are the search's first ones, where it
    is the first row. The particle went through the network alone, and its bits are those of that.

    Args:
        purse: has paid for the answers.
        answers: (latent (1,*D), time, x0 (1,*D)), in order.
        taken: whether the last one who asked was given an answer.
        heir: id of the particle that asks next.
    """

    purse: Purse
    answers: list[tuple[Tensor, float, Tensor]] = field(default_factory=list)
    taken: bool = False
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
        """The answer for a latent x (1,*D) at time t. If it is not the next one, none is left."""
        self.taken = bool(self.answers) and self.answers[0][1] == t
        self.taken = self.taken and torch.equal(self.answers[0][0], x)
        if not self.taken:
            if self.answers:
                self.leave(0)
            return None
        x0, self.answers = self.answers[0][2], self.answers[1:]
        self.leave(len(self.answers))
        return x0

    def leads(self, ids: Sequence[int], family: Sequence[int]) -> bool:
        """Whether the first of some new particles asks for an answer. If not, none is left.

        Args:
            ids: of the particles.
            family: ids of their parents.
        """
        if not self.answers or self.heir not in (ids[0], family[0]):
            self.leave(0) if self.answers else None
            return False
        self.heir = ids[0]
        return True
