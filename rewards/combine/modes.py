"""The modes of combination: how the scores of several rewards become one.

A mode is a frozen dataclass of settings (metadata as in `types`). Its `combine` takes the scores
{k: (B,) float64} and returns (B,) float64, higher is better. r_k is the score of the input
reward_k; an input without a connection has none. With `standardise` a mode gets

    z_k = (r_k - mean_k) / std_k

instead of r_k.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import torch

from .statistics import WARMUP


@runtime_checkable
class CombineMode(Protocol):
    """How the scores of several rewards become one: a frozen dataclass of settings, as a Reward.

    `standardise` says whether `combine` gets standardised scores.
    """

    standardise: bool

    def maximum(self, maxima: dict[int, float | None]) -> float | None:
        """The highest combined score for the `maxima` {slot: highest score}, None if unknown."""

    def combine(self, scores: dict[int, torch.Tensor]) -> torch.Tensor:
        """Scores {slot: (B,)} of the connected rewards, slots from 1 -> combined scores (B,)."""


def _standardise() -> bool:
    return field(
        default=True,
        metadata={
            "tooltip": "Bring rewards with different units to one scale, by mean and deviation "
            f"of the first {WARMUP} images.",
        },
    )


def _weight(slot: int) -> float:
    tooltip = f"Factor of the score of reward_{slot}. A negative weight prefers low scores."
    options = {"min": -1000.0, "max": 1000.0, "step": 0.05, "tooltip": tooltip}
    return field(default=1.0, metadata=options)


def _threshold(slot: int) -> float:
    tooltip = f"Lowest acceptable score of reward_{slot}, in its own units."
    options = {"min": -1e6, "max": 1e6, "step": 0.001, "tooltip": tooltip}
    return field(default=0.0, metadata=options)


@dataclass(frozen=True)
class WeightedSum:
    """sum_k w_k z_k, or sum_k w_k r_k without `standardise`.

    Args:
        weight_1: w_1, any sign; likewise weight_2 to weight_4.
        standardise: whether rewards are brought to one scale first.
    """

    weight_1: float = _weight(1)
    weight_2: float = _weight(2)
    weight_3: float = _weight(3)
    weight_4: float = _weight(4)
    standardise: bool = _standardise()

    def maximum(self, maxima: dict[int, float | None]) -> float | None:
        weights = {slot: getattr(self, f"weight_{slot}") for slot in maxima}
        if self.standardise or min(weights.values()) < 0.0 or None in maxima.values():
            return None
        return sum(weights[slot] * highest for slot, highest in maxima.items())

    def combine(self, scores: dict[int, torch.Tensor]) -> torch.Tensor:
        weights = (self.weight_1, self.weight_2, self.weight_3, self.weight_4)
        return torch.stack([weights[slot - 1] * r for slot, r in scores.items()]).sum(0)


@dataclass(frozen=True)
class Product:
    """prod_k r_k of scores >= 0. A negative score is a ValueError: two of them give a plus."""

    standardise: ClassVar[bool] = False

    def maximum(self, maxima: dict[int, float | None]) -> float | None:
        highest = [score for score in maxima.values() if score is not None and score >= 0.0]
        return math.prod(highest) if len(highest) == len(maxima) else None

    def combine(self, scores: dict[int, torch.Tensor]) -> torch.Tensor:
        for slot, r in scores.items():
            if (r < 0.0).any():
                raise ValueError(
                    f"reward_{slot} has a negative score in a product: got "
                    f"{float(r[r < 0.0][0]):.6g}, expected 0 or more. Use weighted_sum instead."
                )
        return torch.stack(list(scores.values())).prod(0)


@dataclass(frozen=True)
class Minimum:
    """min_k z_k, or min_k r_k without `standardise`: the weakest reward decides."""

    standardise: bool = _standardise()

    def maximum(self, maxima: dict[int, float | None]) -> float | None:
        return None if self.standardise or None in maxima.values() else min(maxima.values())

    def combine(self, scores: dict[int, torch.Tensor]) -> torch.Tensor:
        return torch.stack(list(scores.values())).amin(0)


@dataclass(frozen=True)
class Constraint:
    """reward_1 among the images whose other scores reach their thresholds c_k.

        v = sum_{k > 1} max(0, c_k - r_k)
        score = r_1 / (1 + |r_1|)     in [-1, 1]     if v = 0
                -2 - v / (1 + v)      in [-3, -2]    if v > 0

    v is the sum of violations. x / (1 + |x|) is increasing and bounded, so this is a total order of
    finite floats: feasible images by r_1, and below them all infeasible images by v. Scores tie
    where 1 + |r_1| or 2 + v rounds their difference away (|r_1| above 1e8, v below 1e-15).

    Args:
        threshold_2: c_2, in the units of reward_2; likewise threshold_3 and threshold_4.
    """

    standardise: ClassVar[bool] = False

    threshold_2: float = _threshold(2)
    threshold_3: float = _threshold(3)
    threshold_4: float = _threshold(4)

    def maximum(self, maxima: dict[int, float | None]) -> float | None:
        highest = maxima.get(1)
        return None if highest is None else highest / (1.0 + abs(highest))

    def combine(self, scores: dict[int, torch.Tensor]) -> torch.Tensor:
        # Scores are float32: one of 0.7 is below the Python float 0.7.
        least = torch.tensor((self.threshold_2, self.threshold_3, self.threshold_4)).double()
        short = [(least[k - 2] - r).clamp_min(0.0) for k, r in scores.items() if k > 1]
        v, best = torch.stack(short).sum(0), scores[1]
        return torch.where(v > 0.0, -2.0 - v / (1.0 + v), best / (1.0 + best.abs()))


MODES: dict[str, type[CombineMode]] = {
    "weighted_sum": WeightedSum,
    "product": Product,
    "minimum": Minimum,
    "constraint": Constraint,
}
