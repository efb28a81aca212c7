"""Colour Count: compares the number of connected shapes of each colour with the target counts.

    RSS = sum_c (target_c - count_c)^2,        S = sum_c (target_c - soft_c)^2,
    reward = -(RSS + tie_break * S / (1 + S)),        RSS = floor(-reward) exactly.

RSS is the counting reward of arXiv 2503.19385. S uses soft counts and ranks images of equal RSS.
`colour_shapes` says how shapes are found and what soft counts are. The reward is at most 0, and
exactly 0 for a clear image with the right counts. c runs over the colours that have a target. With
`other_colours` "forbid" it also runs over all other known colours, with target 0. Not
differentiable.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
import torch

from ..types import Files, check_batch
from .blame import errors, stacked, with_room
from .colour_shapes import MIN_AREA, MIN_SATURATION, find_shapes, label_shapes
from .colours import ALIASES, COLOURS
from .prompt_counts import counts_by_colour


@dataclass(frozen=True)
class ColourCount:
    """Settings of Colour Count. It has no weights, so it is also its scorer."""

    gradient: ClassVar[bool] = False
    maximum: ClassVar[float] = 0.0
    module: ClassVar[None] = None
    blames: ClassVar[bool] = True

    counts: str = field(
        default="",
        metadata={
            "tooltip": "Counts to use instead of those in the prompt. If empty, they are read "
            "from the prompt, in English.",
            "placeholder": "red: 3, blue: 2",
        },
    )
    other_colours: str = field(
        default="forbid",
        metadata={
            "tooltip": "What to do with shapes of other colours: forbid counts them as errors, "
            "ignore does not.",
            "choices": ("forbid", "ignore"),
        },
    )
    tie_break: float = field(
        default=0.25,
        metadata={
            "tooltip": "Largest deduction that ranks images with equal counts: faint, merged or "
            "partial shapes cost a little. 0 gives whole numbers.",
            "min": 0.0,
            "max": 0.49,
            "step": 0.01,
        },
    )
    min_area: float = field(
        default=MIN_AREA,
        metadata={
            "tooltip": "Smallest shape that counts, as a fraction of the image's area.",
            "min": 0.0,
            "max": 0.1,
            "step": 0.0005,
            "advanced": True,
        },
    )
    min_saturation: float = field(
        default=MIN_SATURATION,
        metadata={
            "tooltip": "Saturation from which a pixel is part of a shape. Lower it for pale "
            "images.",
            "min": 0.05,
            "max": 0.95,
            "step": 0.01,
            "advanced": True,
        },
    )

    def load(self, files: Files | None = None) -> "ColourCount":
        return self

    def check(self, prompt: str) -> None:
        self.target_counts(prompt)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        arrays = images.detach().float().cpu().numpy()
        scores = [self._score(*pair) for pair in zip(arrays, prompts, strict=True)]
        return torch.tensor(scores, dtype=torch.float32, device=images.device)

    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Maps (B, H, W): shapes of a colour that has too many, and room for those that lack."""
        check_batch(images, prompts)
        arrays = images.detach().float().cpu().numpy()
        maps = [self._blame(*pair) for pair in zip(arrays, prompts, strict=True)]
        return stacked(maps, images)

    def _blame(self, array: np.ndarray, prompt: str) -> np.ndarray:
        targets = self.target_counts(prompt)
        if not np.isfinite(array).all():
            return np.zeros(array.shape[:2])
        shapes = label_shapes(array, self.min_area, self.min_saturation)
        things = shapes.counted.nonzero()[0]
        kinds = [COLOURS[shapes.names[i] - 1] for i in things]
        judged = COLOURS if self.other_colours == "forbid" else targets
        weights = np.zeros(len(shapes.names))
        weights[things], lacking = errors(kinds, targets, judged)
        taken = shapes.counted[shapes.labels]
        return with_room(weights[shapes.labels], taken, shapes.typical, lacking)

    def target_counts(self, prompt: str) -> dict[str, int]:
        """Target count per colour, from the `counts` setting or, if it is empty, from `prompt`."""
        return self._read(self.counts if self.counts.strip() else prompt)

    @cached_property
    def _read(self) -> Callable[[str], dict[str, int]]:
        """Reads each text once, not once per image."""
        return lru_cache(maxsize=16)(lambda text: counts_by_colour(text, COLOURS, ALIASES))

    def _score(self, image: np.ndarray, prompt: str) -> float:
        by_colour = self.target_counts(prompt)
        if not np.isfinite(image).all():
            return float("nan")
        shapes = find_shapes(image, self.min_area, self.min_saturation)
        targets = np.array([by_colour.get(colour, 0) for colour in COLOURS])
        judged = [self.other_colours == "forbid" or colour in by_colour for colour in COLOURS]
        rss = int(np.square(targets - shapes.counts)[judged].sum())
        soft = float(np.square(targets - shapes.soft)[judged].sum())
        return 0.0 - (rss + self.tie_break * soft / (1.0 + soft))  # never -0.0
