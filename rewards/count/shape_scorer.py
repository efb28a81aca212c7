"""What Colour Count and Shape Count share: settings, and a score and a map for each image."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Sequence
from typing import ClassVar, TypeVar

import numpy as np
import torch

from ..types import Files, check_batch
from .blame import errors, stacked, with_room
from .colour_shapes import Labelled, label_shapes

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
        """Maps (B, H, W): shapes of a kind that has too many, and room for those that lack."""
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
        labels, kinds = self._kinds(shapes)
        weights = np.zeros(len(shapes.names))
        weights[labels], lacking = errors(kinds, targets, self._scope(targets))
        taken = shapes.counted[shapes.labels]
        return with_room(weights[shapes.labels], taken, shapes.typical, lacking)

    @abstractmethod
    def _read(self, text: str) -> dict[Kind, int]:
        """The counts in a text."""

    @abstractmethod
    def _score(self, array: np.ndarray, prompt: str) -> float:
        """The score of one image (H, W, 3); nan if it is not finite."""

    @abstractmethod
    def _kinds(self, shapes: Labelled) -> tuple[Sequence[int], Sequence[Kind]]:
        """The labels of the counted shapes, and their kinds."""

    @abstractmethod
    def _scope(self, targets: dict[Kind, int]) -> Collection[Kind]:
        """The kinds that count."""
