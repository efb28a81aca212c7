"""Several rewards as one: the modes of combination, and the scorer that applies a mode.

A mode is a frozen dataclass of settings (metadata as in `types`). Its `combine` takes the scores
{k: (B,) float64} and returns (B,) float64, higher is better. r_k is the score of the input
reward_k; an input without a connection has none. With `standardise` a mode gets

    z_k = (r_k - mean_k) / std_k

instead of r_k. In every mode, an image that any part scores with NaN or an infinity scores NaN.
"""

import logging
import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch

from .clips.frames import as_clips, blame_any, fresh, items_any, learns, reads_clips, score_groups
from .types import (
    CombineMode,
    Group,
    Scorer,
    blames,
    images_at_once,
    itemised,
    maximum_of,
)

log = logging.getLogger("flow_search")
FAR = 100.0  # standard deviations: a score further from those of the warm-up is worth a warning
WARMUP = 8  # the first scores of each part in a run: their statistics standardise all its scores


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


@dataclass
class Statistics:
    """Mean and population variance of the first `warmup` finite scores, by Welford; then fixed.

    M_n = M_{n-1} + (r - mean_{n-1}) (r - mean_n),    std = sqrt(M_n / n), and 1 while M_n = 0.

    Args:
        warmup: number of scores to use.
        count: n, the scores so far, at most `warmup`.
        mean: mean_n.
        squares: M_n.
        scored: whether a call without gradients has been made.
        warned: whether the log has warned about this reward in this run.
    """

    warmup: int
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    scored: bool = False
    warned: bool = field(default=False, compare=False)

    def add(self, scores: torch.Tensor) -> None:
        """Use the finite ones of `scores` (B,), as many as the warm-up still needs."""
        finite = scores.detach()[scores.isfinite()]
        for value in finite.tolist()[: self.warmup - self.count]:
            self.count += 1
            deviation = value - self.mean
            self.mean += deviation / self.count
            self.squares += deviation * (value - self.mean)

    def standardise(self, scores: torch.Tensor) -> torch.Tensor:
        std = math.sqrt(self.squares / self.count) if self.squares > 0.0 else 1.0
        return (scores - self.mean) / std


@dataclass(frozen=True)
class CombinedScorer:
    """Several scorers as one: each scores the images, and `mode` combines the scores.

    Statistics belong to one run; `fresh` gives the scorer for a new run. The images of a call enter
    the statistics before they are standardised, so all scores of a call are comparable. After the
    warm-up, results do not depend on how images are grouped into calls. Without `fresh`, each call
    is a run of its own over all its images, and keeps nothing. If a part reads videos, a video
    counts as one image, and the other parts score it by the mean of its frames.

    Args:
        mode: how scores become one.
        parts: {slot: scorer}, slots from 1.
        statistics: {slot: statistics} of the run, None without one.
    """

    mode: CombineMode
    parts: dict[int, Scorer]
    statistics: dict[int, Statistics] | None = None
    module: ClassVar[None] = None

    @property
    def clips(self) -> bool:
        return any(reads_clips(part) for part in self.parts.values())

    @property
    def at_once(self) -> int:
        return max(images_at_once(part, 1) for part in self.parts.values())

    @property
    def maximum(self) -> float | None:
        return self.mode.maximum({slot: maximum_of(part) for slot, part in self.parts.items()})

    @property
    def blames(self) -> bool:
        return any(blames(part) for part in self.parts.values())

    @property
    def itemised(self) -> bool:
        return any(itemised(part) for part in self.parts.values())

    @property
    def learns(self) -> bool:
        return self.mode.standardise or any(learns(part) for part in self.parts.values())

    def fresh(self) -> "CombinedScorer":
        parts = {slot: fresh(part) for slot, part in self.parts.items()}
        return replace(self, parts=parts, statistics={slot: Statistics(WARMUP) for slot in parts})

    def check(self, prompt: str) -> None:
        for part in self.parts.values():
            part.check(prompt)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """As `Scorer.score`, but float64 on the CPU: a combination needs the digits."""
        return self.score_groups([(images, prompts)])

    def score_groups(self, groups: Collection[Group]) -> torch.Tensor:
        """As `score`, for images of several sizes: the groups are one call."""
        for images, prompts in groups:
            as_clips(images, prompts)
        parts = {k: score_groups(part, groups) for k, part in self.parts.items()}
        scores = {k: r.cpu().double() for k, r in parts.items()}
        finite = torch.stack(list(scores.values())).isfinite().all(0)
        if self.mode.standardise:
            scores = {k: self._standardised(k, r) for k, r in scores.items()}
        return self.mode.combine(scores).masked_fill(~finite, float("nan"))

    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """The mean blame of the parts that know where images are wrong."""
        parts = [part for part in self.parts.values() if blames(part)]
        return torch.stack([blame_any(part, images, prompts).cpu() for part in parts]).mean(0)

    def items(self, images: torch.Tensor, prompts: list[str]) -> list[list[dict[str, Any]]]:
        """The items of all parts that say what holds."""
        parts = [part for part in self.parts.values() if itemised(part)]
        of_parts = [items_any(part, images, prompts) for part in parts]
        return [sum(items, []) for items in zip(*of_parts, strict=True)]

    def _standardised(self, slot: int, scores: torch.Tensor) -> torch.Tensor:
        of_call = self.statistics is None
        statistics = Statistics(len(scores)) if of_call else self.statistics[slot]
        statistics.scored |= not scores.requires_grad
        # A search takes gradients at images that it also scores: they must not count twice.
        if not (statistics.scored and scores.requires_grad):
            statistics.add(scores)
        standardised = statistics.standardise(scores)
        if not of_call and statistics.count == statistics.warmup:
            self._warn(slot, scores, standardised.detach().abs() > FAR)
        return standardised

    def _warn(self, slot: int, scores: torch.Tensor, far: torch.Tensor) -> None:
        """Warn once a run about a reward that outweighs the others."""
        far &= scores.isfinite()
        if far.any() and not any(part.warned for part in self.statistics.values()):
            self.statistics[slot].warned = True
            log.warning(
                "reward_%d outweighs the rewards combined with it: it scored %.6g, over %d "
                "standard deviations from its first %d scores, which hardly differed.",
                slot, float(scores[far][0]), FAR, WARMUP,
            )  # fmt: skip
