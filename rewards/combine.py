"""Several rewards as one: modes of combination, and the scorer that applies one of them.

A mode is a frozen dataclass of settings (metadata as in ``types``); its ``combine`` takes scores
{k: (B,) float64}, r_k being that of the input reward_k, and returns (B,) float64, higher is better.
With ``standardise`` it is handed z_k = (r_k - mean_k) / std_k instead of r_k. An input that is not
connected is not among the scores. Whatever the mode, a picture that any part scores with NaN or an
infinity scores NaN.
"""

import logging
import math
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch

from .clips.frames import as_clips, blame_any, reads_clips, score_any
from .types import CombineMode, Learns, Scorer, blames, maximum_of, pictures_at_once

log = logging.getLogger("flow_search")
FAR = 100.0  # standard deviations that no score should be from those of the warm-up
WARMUP = 8  # scores per part and run whose statistics standardise all the others


def _standardise() -> bool:
    return field(
        default=True,
        metadata={
            "tooltip": "Bring rewards of different units to one scale: each score less the mean, "
            f"over the standard deviation, of the first {WARMUP} pictures of the run (in Score "
            "Images: of all pictures given).",
        },
    )


def _weight(slot: int) -> float:
    tooltip = f"Times the score of reward_{slot}, if connected; negative to score it low."
    options = {"min": -1000.0, "max": 1000.0, "step": 0.05, "tooltip": tooltip}
    return field(default=1.0, metadata=options)


def _threshold(slot: int) -> float:
    tooltip = f"Least score of reward_{slot}, if connected, in its own units."
    options = {"min": -1e6, "max": 1e6, "step": 0.001, "tooltip": tooltip}
    return field(default=0.0, metadata=options)


@dataclass(frozen=True)
class WeightedSum:
    """sum_k w_k z_k, or sum_k w_k r_k without ``standardise``."""

    title: ClassVar[str] = "Weighted Sum"
    description: ClassVar[str] = "The sum of the scores, each times its weight."

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
    """prod_k r_k of scores >= 0; a negative one is a ValueError: two of them would make a plus."""

    title: ClassVar[str] = "Product"
    description: ClassVar[str] = "The product of scores that are never negative."
    standardise: ClassVar[bool] = False

    def maximum(self, maxima: dict[int, float | None]) -> float | None:
        known = [highest for highest in maxima.values() if highest is not None and highest >= 0.0]
        return math.prod(known) if len(known) == len(maxima) else None

    def combine(self, scores: dict[int, torch.Tensor]) -> torch.Tensor:
        for slot, r in scores.items():
            if (r < 0.0).any():
                raise ValueError(
                    f"reward_{slot} scored {float(r[r < 0.0][0]):.6g}, wanted 0 or more: a product "
                    "of negative scores has no order, use weighted_sum."
                )
        return torch.stack(list(scores.values())).prod(0)


@dataclass(frozen=True)
class Minimum:
    """min_k z_k, or min_k r_k without ``standardise``: the weakest reward decides."""

    title: ClassVar[str] = "Minimum"
    description: ClassVar[str] = "The lowest of the scores: the weakest reward decides."

    standardise: bool = _standardise()

    def maximum(self, maxima: dict[int, float | None]) -> float | None:
        return None if self.standardise or None in maxima.values() else min(maxima.values())

    def combine(self, scores: dict[int, torch.Tensor]) -> torch.Tensor:
        return torch.stack(list(scores.values())).amin(0)


@dataclass(frozen=True)
class Constraint:
    """reward_1 among the pictures whose other scores reach their thresholds c_k.

        v = sum_{k > 1} max(0, c_k - r_k)
        score = r_1 / (1 + |r_1|)     in [-1, 1]     if v = 0
                -2 - v / (1 + v)      in [-3, -2]    if v > 0

    x / (1 + |x|) is increasing and bounded, so this is a total order of finite floats: feasible
    pictures by r_1, below them all infeasible ones by v, the sum of violations. Floats tie where
    1 + |r_1|, or 2 + v, rounds away their difference (|r_1| above 1e8, v below 1e-15).
    """

    title: ClassVar[str] = "Constraint"
    description: ClassVar[str] = "reward_1, provided that the others reach their thresholds."
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
    """Mean and population variance of the first ``warmup`` finite scores, by Welford; then fixed.

    M_n = M_{n-1} + (r - mean_{n-1}) (r - mean_n),    std = sqrt(M_n / n), and 1 while M_n = 0.
    """

    warmup: int
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    scored: bool = False  # pictures, and not only asked for gradients
    warned: bool = field(default=False, compare=False)

    def see(self, scores: torch.Tensor) -> None:
        finite = scores.detach()[scores.isfinite()]
        for value in finite.tolist()[: self.warmup - self.count]:
            self.count += 1
            before = value - self.mean
            self.mean += before / self.count
            self.squares += before * (value - self.mean)

    def standardise(self, scores: torch.Tensor) -> torch.Tensor:
        std = math.sqrt(self.squares / self.count) if self.squares > 0.0 else 1.0
        return (scores - self.mean) / std


@dataclass(frozen=True)
class CombinedScorer:
    """The scorers in ``parts`` {slot: scorer}, one after the other, as one by ``mode``.

    Statistics belong to a run: ``fresh`` gives the scorer of a new one. A call's own pictures are
    counted before they are scored, so a call is in order within itself; once the warm-up is over
    nothing depends on how pictures are grouped into calls. Without ``fresh`` each call is a run of
    its own, over all its pictures, and nothing is kept. With a part that reads clips a clip counts
    as a picture, which the other parts score by the mean of its frames.
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
        return max(pictures_at_once(part, 1) for part in self.parts.values())

    @property
    def maximum(self) -> float | None:
        return self.mode.maximum({slot: maximum_of(part) for slot, part in self.parts.items()})

    @property
    def blames(self) -> bool:
        return any(blames(part) for part in self.parts.values())

    def fresh(self) -> "CombinedScorer":
        parts = {slot: fresh(part) for slot, part in self.parts.items()}
        return replace(self, parts=parts, statistics={slot: Statistics(WARMUP) for slot in parts})

    def check(self, prompt: str) -> None:
        for part in self.parts.values():
            part.check(prompt)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """As a Scorer's, but float64 on the CPU: a combination needs the digits."""
        as_clips(images, prompts)
        given = {k: score_any(part, images, prompts) for k, part in self.parts.items()}
        scores = {k: r.cpu().double() for k, r in given.items()}
        finite = torch.stack(list(scores.values())).isfinite().all(0)
        if self.mode.standardise:
            scores = {k: self._standardised(k, r) for k, r in scores.items()}
        return self.mode.combine(scores).masked_fill(~finite, float("nan"))

    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """The mean blame of the parts that know where images are wrong."""
        parts = [part for part in self.parts.values() if blames(part)]
        return torch.stack([blame_any(part, images, prompts).cpu() for part in parts]).mean(0)

    def _standardised(self, slot: int, scores: torch.Tensor) -> torch.Tensor:
        own = self.statistics[slot] if self.statistics is not None else Statistics(len(scores))
        own.scored |= not scores.requires_grad
        if not (own.scored and scores.requires_grad):  # a search's gradients are at scored pictures
            own.see(scores)
        found = own.standardise(scores)
        if self.statistics is not None and own.count == own.warmup:
            self._warn(slot, scores, found.detach().abs() > FAR)
        return found

    def _warn(self, slot: int, scores: torch.Tensor, far: torch.Tensor) -> None:
        """Once a run, of a reward that silences the others."""
        far &= scores.isfinite()
        if far.any() and not any(own.warned for own in self.statistics.values()):
            self.statistics[slot].warned = True
            log.warning(
                "reward_%d scored %.6g, over %d standard deviations from its first %d scores, "
                "which hardly differed: it outweighs the other rewards combined with it",
                slot, float(scores[far][0]), FAR, WARMUP,
            )  # fmt: skip


def fresh(scorer: Scorer) -> Scorer:
    """The scorer for a new run; one that keeps nothing is its own."""
    return scorer.fresh() if isinstance(scorer, Learns) else scorer
