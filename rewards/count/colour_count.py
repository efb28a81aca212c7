"""Colour Count: compares the number of connected shapes of each colour with the target counts.

    RSS = sum_c (target_c - count_c)^2,        S = sum_c (target_c - soft_c)^2,
    reward = -(RSS + tie_break * S / (1 + S)),        RSS = floor(-reward) exactly.

RSS is the counting reward of arXiv 2503.19385. S uses soft counts and ranks images of equal RSS.
`colour_shapes` says how shapes are found and what soft counts are. The reward is at most 0, and
exactly 0 for a clear image with the right counts. c runs over the colours that have a target. With
`other_colours` "forbid" it also runs over all other known colours, with target 0. Not
differentiable.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np

from .colour_shapes import MIN_AREA, MIN_SATURATION, Labelled, find_shapes
from .colours import ALIASES, COLOURS
from .prompt_counts import counts_by_colour
from .shape_scorer import (
    COUNTS_TOOLTIP,
    MIN_AREA_INPUT,
    MIN_SATURATION_INPUT,
    TIE_BREAK,
    ShapeScorer,
    Thing,
)


@dataclass(frozen=True)
class ColourCount(ShapeScorer):
    """Settings of Colour Count. A kind is a colour."""

    counts: str = field(
        default="", metadata={"tooltip": COUNTS_TOOLTIP, "placeholder": "red: 3, blue: 2"}
    )
    other_colours: str = field(
        default="forbid",
        metadata={
            "tooltip": "What to do with shapes of other colours: forbid counts them as errors, "
            "ignore does not.",
            "choices": ("forbid", "ignore"),
        },
    )
    tie_break: float = field(default=0.25, metadata=TIE_BREAK)
    min_area: float = field(default=MIN_AREA, metadata=MIN_AREA_INPUT)
    min_saturation: float = field(default=MIN_SATURATION, metadata=MIN_SATURATION_INPUT)

    @cached_property
    def _read(self) -> Callable[[str], dict[str, int]]:
        """Reads each text once, not once per image."""
        return lru_cache(maxsize=16)(lambda text: counts_by_colour(text, COLOURS, ALIASES))

    def _scope(self, targets: dict[str, int]) -> Collection[str]:
        return COLOURS if self.other_colours == "forbid" else targets

    def _colours(self, scope: Collection[str]) -> Collection[str]:
        return scope

    def _things(self, shapes: Labelled) -> list[Thing]:
        labels, wholeness = shapes.counted.nonzero()[0].tolist(), shapes.wholeness
        return [Thing(i, COLOURS[shapes.names[i] - 1], float(wholeness[i])) for i in labels]

    def _score(self, array: np.ndarray, prompt: str) -> float:
        by_colour = self.target_counts(prompt)
        if not np.isfinite(array).all():
            return float("nan")
        shapes = find_shapes(array, self.min_area, self.min_saturation)
        targets = np.array([by_colour.get(colour, 0) for colour in COLOURS])
        judged = [colour in self._scope(by_colour) for colour in COLOURS]
        rss = int(np.square(targets - shapes.counts)[judged].sum())
        soft = float(np.square(targets - shapes.soft)[judged].sum())
        return 0.0 - (rss + self.tie_break * soft / (1.0 + soft))  # never -0.0
