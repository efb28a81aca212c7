"""The network as a task uses it: called in parts, and paid. Every NFE of a search is paid here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from .batching import MicroBatch
from .flow import Flow
from .purse import Purse
from .steering import Steering
from .types import Denoiser, Particles

MODELS = {  # of a flow, and their names in a report
    "denoiser": "model",
    "look_denoiser": "lookahead_model",
    "finish_denoiser": "finish_model",
}


def paid(flow: Flow, call: Callable[[str, Tensor, float], Tensor]) -> Flow:
    """The flow with its models called by `call(key of MODELS, x, t)`."""
    models = [key for key in MODELS if getattr(flow, key) is not None]
    return replace(flow, **{key: partial(call, key) for key in models})


@dataclass(frozen=True)
class PaidNetwork:
    """A denoiser whose rows are paid before they are computed.

    Args:
        denoiser: x (K,*D), t -> x0 (K,*D).
        purse: pays.
        batch: how many rows go through the network at once.
        charges_itself: the denoiser charges the purse, as the host's counter does.
        on_call: called after each network call.
        model: which model it is, a value of MODELS.

    Raises:
        BudgetExceeded: the purse cannot pay the next call.
    """

    denoiser: Denoiser
    purse: Purse
    batch: MicroBatch
    charges_itself: bool
    on_call: Callable[[], None]
    model: str

    def __call__(self, x: Tensor, t: float) -> Tensor:
        """x0 (K,*D) predicted at latents x (K,*D)."""

        def call(rows: Tensor) -> Tensor:
            return self.pay(len(rows), lambda: self.denoiser(rows, t))

        return self.batch(x, call)

    def pay(self, rows: int, call: Callable[[], Tensor]) -> Tensor:
        """The answer of one network call of `rows` rows, paid."""
        self.purse.require(rows)
        with self.purse.spent_by(self.model):
            with self.purse.timed("network"):
                answer = call()
            self._called(rows)
        return answer

    def gradients(self, steering: Steering, parents: Particles, t: float) -> Tensor:
        """Gradients (K,*D) at the latents of parents, 0 where no x0 is finite.

        They are computed one at a time if rows may split: each needs many times the memory of a
        latent.

        Args:
            steering: computes them.
            parents: of one step.
            t: its model time.
        """
        size = 1 if self.batch.may_split else len(parents)
        parts = (parents[i : i + size] for i in range(0, len(parents), size))
        return torch.cat([self._gradient(steering, part, t) for part in parts])

    def _gradient(self, steering: Steering, parents: Particles, t: float) -> Tensor:
        if not parents.alive.any():
            return torch.zeros_like(parents.x)
        rows = len(parents) * steering.rows
        self.purse.require(rows)
        with self.purse.timed("gradient"):
            slope = steering.guidance.slope(steering.gradients, parents.x, parents.x0, t)
        self.purse.counts["gradients"] += len(parents)
        self._called(rows)
        return slope

    def _called(self, rows: int) -> None:
        if rows and not self.charges_itself:
            self.purse.charge(rows * self.purse.cost, 1)
        self.on_call()
