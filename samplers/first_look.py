"""Network answers from a look at the first particle, which uses them instead of new calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .purse import Purse
from .types import Denoiser


@dataclass
class FirstLook:
    """The network's answers along one particle's ODE path.

    The search's first calls need them again. The particle is their first row. A look calls the
    network with a single row, so a replay does too.

    Args:
        purse: has paid for the answers.
        answers: (latent (1,*D), time, x0 (1,*D)), in order.
        taken: whether the last call took an answer.
        heir: id of the particle that needs the next answer.
    """

    purse: Purse
    answers: list[tuple[Tensor, float, Tensor]] = field(default_factory=list)
    taken: bool = False
    heir: int = 0

    def noting(self, denoiser: Denoiser) -> Denoiser:
        """The denoiser. It keeps its answers here."""
        self.answers = []

        def call(x: Tensor, t: float) -> Tensor:
            x0 = denoiser(x, t)
            self.answers.append((x, t, x0))
            return x0

        return call

    def leave(self, count: int) -> None:
        """Keep the first `count` answers for the heir, which does not pay for them again."""
        self.answers = self.answers[:count]
        self.purse.prepaid = len(self.answers) * self.purse.cost

    def take(self, x: Tensor, t: float) -> Tensor | None:
        """The next answer, if it is for the latent x (1,*D) at time t. If not, drop all answers."""
        self.taken = False
        if not self.answers:
            return None
        (latent, time, x0), *rest = self.answers
        self.taken = time == t and torch.equal(latent, x)
        self.answers = rest
        self.leave(len(rest) if self.taken else 0)
        return x0 if self.taken else None

    def leads(self, ids: Sequence[int], family: Sequence[int]) -> bool:
        """Whether the first of some new particles needs an answer. If not, drop all answers.

        Args:
            ids: of the particles.
            family: ids of their parents.
        """
        if not self.answers:
            return False
        leads = self.heir in (ids[0], family[0])
        if leads:
            self.heir = ids[0]
        else:
            self.leave(0)
        return leads
