"""Counts connected shapes of each colour against the counts asked for.

RSS = sum_c (asked_c - found_c)^2 is the reward's whole part, as in counting rewards for diffusion
search (arXiv 2503.19385); S = sum_c (asked_c - soft_c)^2, over real-valued soft counts, ranks
pictures of equal RSS:

    reward = -(RSS + tie_break * S / (1 + S)),        RSS = floor(-reward) exactly.

The reward is at most 0; a clear, right picture of even shapes has exactly 0. How shapes are found
and what soft counts are: see ``colour_shapes``. c runs over the colours asked, and with
``other_colours`` "forbid" over all other known colours too, asked 0. Not differentiable.
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
    """Settings; it has no weights, so it is its own scorer."""

    title: ClassVar[str] = "Colour Count"
    description: ClassVar[str] = (
        "Counts the connected shapes of each colour in the picture against the counts asked in the "
        "prompt: minus the sum of squared errors, 0 when every count is right. Needs no weights."
    )
    gradient: ClassVar[bool] = False
    maximum: ClassVar[float] = 0.0
    module: ClassVar[None] = None
    blames: ClassVar[bool] = True

    counts: str = field(
        default="",
        metadata={
            "tooltip": "Counts to ask for instead of those in the prompt. Empty: read the prompt, "
            "in English.",
            "placeholder": "red: 3, blue: 2",
        },
    )
    other_colours: str = field(
        default="forbid",
        metadata={
            "tooltip": "Shapes of colours nobody asked for: forbid counts them as errors.",
            "choices": ("forbid", "ignore"),
        },
    )
    tie_break: float = field(
        default=0.25,
        metadata={
            "tooltip": "At most this much is taken off to rank pictures with equal counts: faint, "
            "merged, half or ambiguously coloured shapes cost a little. 0 gives whole numbers.",
            "min": 0.0,
            "max": 0.49,
            "step": 0.01,
        },
    )
    min_area: float = field(
        default=MIN_AREA,
        metadata={
            "tooltip": "Smallest shape that counts, as a fraction of the picture's area.",
            "min": 0.0,
            "max": 0.1,
            "step": 0.0005,
            "advanced": True,
        },
    )
    min_saturation: float = field(
        default=MIN_SATURATION,
        metadata={
            "tooltip": "Saturation from which a pixel is part of a shape; lower for pale pictures.",
            "min": 0.05,
            "max": 0.95,
            "step": 0.01,
            "advanced": True,
        },
    )

    def load(self, files: Files | None = None) -> "ColourCount":
        return self

    def check(self, prompt: str) -> None:
        self.asked(prompt)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        pictures = images.detach().float().cpu().numpy()
        scores = [self._score(*pair) for pair in zip(pictures, prompts, strict=True)]
        return torch.tensor(scores, dtype=torch.float32, device=images.device)

    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Maps (B, H, W) in [0, 1]: shapes of a colour that has too many, and room for those that
        lack."""
        check_batch(images, prompts)
        pictures = images.detach().float().cpu().numpy()
        maps = [self._blame(*pair) for pair in zip(pictures, prompts, strict=True)]
        return stacked(maps, images)

    def _blame(self, picture: np.ndarray, prompt: str) -> np.ndarray:
        asked = self.asked(prompt)
        if not np.isfinite(picture).all():
            return np.zeros(picture.shape[:2])
        shapes = label_shapes(picture, self.min_area, self.min_saturation)
        things = shapes.counted.nonzero()[0]
        kinds = [COLOURS[shapes.names[i] - 1] for i in things]
        judged = COLOURS if self.other_colours == "forbid" else asked
        weights = np.zeros(len(shapes.names))
        weights[things], lacking = errors(kinds, asked, judged)
        taken = shapes.counted[shapes.labels]
        return with_room(weights[shapes.labels], taken, shapes.typical, lacking)

    def asked(self, prompt: str) -> dict[str, int]:
        """Counts per colour asked in the ``counts`` setting or, if that is empty, in ``prompt``."""
        return self._read(self.counts if self.counts.strip() else prompt)

    @cached_property
    def _read(self) -> Callable[[str], dict[str, int]]:
        """Reads a text once, and not for each picture."""
        return lru_cache(maxsize=16)(lambda text: counts_by_colour(text, COLOURS, ALIASES))

    def _score(self, picture: np.ndarray, prompt: str) -> float:
        asked = self.asked(prompt)
        if not np.isfinite(picture).all():
            return float("nan")
        shapes = find_shapes(picture, self.min_area, self.min_saturation)
        wanted = np.array([asked.get(colour, 0) for colour in COLOURS])
        judged = [self.other_colours == "forbid" or colour in asked for colour in COLOURS]
        rss = int(np.square(wanted - shapes.counts)[judged].sum())
        soft = float(np.square(wanted - shapes.soft)[judged].sum())
        return 0.0 - (rss + self.tie_break * soft / (1.0 + soft))  # never -0.0
