"""Which of the scored images are kept: the best ones that reach a threshold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from ...samplers.rules import at_maximum
from .report_chart import figure

NO_THRESHOLD = -1e6  # lets every score pass that is a number


def ranking(scores: list[float]) -> list[int]:
    """Indices, best first. Equal scores keep their order; scores that are not finite come last."""
    keys = [score if math.isfinite(score) else -math.inf for score in scores]
    return sorted(range(len(scores)), key=lambda i: -keys[i])


@dataclass(frozen=True)
class Culling:
    """Each image is either kept or rejected.

    Args:
        scores: of all images; one that is not finite is rejected.
        keep: how many to keep at most, 0 for all.
        threshold: the lowest score to keep, None for any.
    """

    scores: list[float]
    keep: int = 0
    threshold: float | None = None

    @cached_property
    def order(self) -> list[int]:
        """Positions of all images, best first."""
        return ranking(self.scores)

    @cached_property
    def kept(self) -> list[int]:
        """Positions of the kept images, best first."""
        passing = [i for i in self.order if self._passes(self.scores[i])]
        return passing[: self.keep or None]

    @cached_property
    def rejected(self) -> list[int]:
        """Positions of all other images, best first."""
        kept = set(self.kept)
        return [i for i in self.order if i not in kept]

    @property
    def note(self) -> str:
        """The limits in a few words."""
        limits = [f"best {self.keep}"] if self.keep else []
        limits += [] if self.threshold is None else [f"threshold {figure(self.threshold)}"]
        return ", ".join(limits) or "no limits"

    @property
    def nothing_kept(self) -> str:
        """The sentence for a user whose threshold rejects every image."""
        return (
            f"No image reaches the threshold: got {figure(self.scores[self.order[0]])} as the best "
            f"of {len(self.scores)}, expected {figure(self.threshold)} or more."
        )

    @property
    def summary(self) -> str:
        """What the node says of itself after a run."""
        if not self.kept:
            return (
                f"{self.nothing_kept} Nodes connected to images did not run. They may still show "
                "images of an earlier run."
            )
        best = figure(self.scores[self.order[0]])
        return f"Kept {len(self.kept)} of {len(self.scores)}. Best score {best}."

    def _passes(self, score: float) -> bool:
        if not math.isfinite(score):
            return False
        # Scores are float32: one of 0.7 is a little below the Python float 0.7.
        return self.threshold is None or at_maximum(score, self.threshold)


def limits(keep: int, threshold: float) -> tuple[int, float | None]:
    """The limits as `Culling` takes them; `NO_THRESHOLD` or less is none.

    Raises:
        ValueError: `keep` is negative, or `threshold` is not finite.
    """
    if keep < 0:
        raise ValueError(f"keep is negative: got {keep}, expected 0 or more.")
    if not math.isfinite(threshold):
        raise ValueError(f"threshold is not finite: got {threshold}, expected a finite number.")
    return keep, threshold if threshold > NO_THRESHOLD else None
