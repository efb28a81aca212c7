"""What Colour Count and Shape Count share: settings, and a score and a map for each image."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import torch

from ..types import Files, check_batch
from .blame import errors, stacked, with_room
from .colour_shapes import COLOURS, Labelled, label_shapes, loose_pixels

Kind = TypeVar("Kind", bound=Hashable)
COUNTS_TOOLTIP = (
    "Counts to use instead of those in the prompt. If empty, they are read from the prompt, in "
    "English."
)
TIE_BREAK = {
    "tooltip": "Largest deduction that ranks images with equal counts: faint, merged or partial "
    "shapes cost a little. 0 gives whole numbers.",
    "min": 0.0,
    "max": 0.49,
    "step": 0.01,
}
MIN_AREA_INPUT = {
    "tooltip": "Smallest shape that counts, as a fraction of the image's area.",
    "min": 0.0,
    "max": 0.1,
    "step": 0.0005,
    "advanced": True,
}
MIN_SATURATION_INPUT = {
    "tooltip": "Saturation from which a pixel is part of a shape. Lower it for pale images.",
    "min": 0.05,
    "max": 0.95,
    "step": 0.01,
    "advanced": True,
}


@dataclass(frozen=True)
class Thing:
    """A counted shape.

    Args:
        label: its row in `Labelled`.
        kind: the kind that it is counted as.
        clarity: how clearly it is one of that kind, in [0, 1].
    """

    label: int
    kind: Hashable
    clarity: float


class ShapeScorer(ABC):
    """A reward that counts shapes of some kinds. It has no weights, so it is also its scorer.

    A subclass is a frozen dataclass of settings. It says what the kinds are.

    Args:
        counts: a text to use instead of the prompt; empty: the prompt.
        min_area: smallest shape that counts, as a fraction of the image's area.
        min_saturation: saturation from which a pixel is part of a shape, in (0, 1].
    """

    gradient: ClassVar[bool] = False
    maximum: ClassVar[float] = 0.0
    module: ClassVar[None] = None
    blames: ClassVar[bool] = True

    counts: str
    min_area: float
    min_saturation: float

    def load(self, files: Files | None = None) -> "ShapeScorer":
        return self

    def check(self, prompt: str) -> None:
        self.target_counts(prompt)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        arrays = images.detach().float().cpu().numpy()
        scores = [self._score(*pair) for pair in zip(arrays, prompts, strict=True)]
        return torch.tensor(scores, dtype=torch.float32, device=images.device)

    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Maps (B, H, W): shapes of a kind that has too many, unclear ones, room for what lacks."""
        check_batch(images, prompts)
        arrays = images.detach().float().cpu().numpy()
        maps = [self._blame(*pair) for pair in zip(arrays, prompts, strict=True)]
        return stacked(maps, images)

    def target_counts(self, prompt: str) -> dict[Kind, int]:
        """Target count of each kind, from the `counts` setting, or from `prompt` if it is empty."""
        return self._read(self.counts if self.counts.strip() else prompt)

    def _blame(self, array: np.ndarray, prompt: str) -> np.ndarray:
        targets = self.target_counts(prompt)
        if not np.isfinite(array).all():
            return np.zeros(array.shape[:2])
        shapes = label_shapes(array, self.min_area, self.min_saturation)
        scope, things = self._scope(targets), self._things(shapes)
        weights = np.zeros(len(shapes.names))
        shares, lacking = errors([thing.kind for thing in things], targets, scope)
        for thing, share in zip(things, shares, strict=True):
            weights[thing.label] = max(share, 1.0 - thing.clarity) if thing.kind in scope else 0.0
        blame = np.maximum(weights[shapes.labels], self._loose(shapes, scope))
        return with_room(blame, shapes.counted[shapes.labels], shapes.typical, lacking)

    def _loose(self, shapes: Labelled, scope: Collection[Kind]) -> np.ndarray:
        """The blame (H, W) of colour outside of all shapes: faint shapes and specks."""
        counts = np.isin(shapes.pixels.name, [COLOURS.index(c) + 1 for c in self._colours(scope)])
        return np.where(counts, loose_pixels(shapes), 0.0)

    @abstractmethod
    def _read(self, text: str) -> dict[Kind, int]:
        """The counts in a text."""

    @abstractmethod
    def _score(self, array: np.ndarray, prompt: str) -> float:
        """The score of one image (H, W, 3); nan if it is not finite."""

    @abstractmethod
    def _things(self, shapes: Labelled) -> Sequence[Thing]:
        """The counted shapes."""

    @abstractmethod
    def _scope(self, targets: dict[Kind, int]) -> Collection[Kind]:
        """The kinds that count."""

    @abstractmethod
    def _colours(self, scope: Collection[Kind]) -> Collection[str]:
        """The colours of some kinds."""
