"""Several rewards as one scorer, which applies a mode of combination.

In every mode, an image that any part scores with NaN or an infinity scores NaN.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from ..clips.frames import (
    as_clips,
    blame_any,
    fresh,
    items_any,
    learned,
    learns,
    reads_clips,
    score_groups,
    taught,
)
from ..types import Group, Scorer, blames, images_at_once, itemised, maximum_of
from .modes import CombineMode
from .statistics import WARMUP, Statistics, numbers_of

log = logging.getLogger("flow_search")
FAR = 100.0  # standard deviations: a score further from those of the warm-up is worth a warning


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

    @property
    def learned(self) -> Any:
        """Count, mean and squares of each part, and what the parts have learned.

        After the warm-up, a score depends on no earlier image of the run, but for these.
        """
        parts = [learned(part) for part in self.parts.values()]
        scales = numbers_of(self.statistics) if self.mode.standardise else []
        return None if scales is None or None in parts else [scales, parts]

    def taught(self, learned: Any) -> "CombinedScorer":
        scales, of_parts = learned
        parts = {
            k: taught(part, r) for (k, part), r in zip(self.parts.items(), of_parts, strict=True)
        }
        statistics = {
            k: Statistics(WARMUP, *scale) for k, scale in zip(parts, scales, strict=False)
        }
        return replace(self, parts=parts, statistics=statistics)

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
