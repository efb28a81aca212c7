"""Counts the circles, squares and triangles of each colour against the counts asked for.

With k = (colour, shape), the whole and the soft errors are

    RSS = sum_k (asked_k - found_k)^2,    S = sum_k (asked_k - soft_k)^2 + sum_c loose_c^2,

    reward = -(RSS + tie_break * S / (1 + S)),        RSS = floor(-reward) exactly.

The reward is at most 0; a clear, right image of even shapes has 0. Six red squares are not six red
circles, as for ``colour_count`` they are. How shapes are found, their soft weights and loose colour
are told in ``colour_shapes``, their names in ``shape_forms``: a shape between two forms shares its
soft weight, as one between two hues does. k runs over the pairs asked, and with ``others`` "forbid"
over all other pairs too, asked 0. Not differentiable.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import product
from typing import ClassVar

import numpy as np
import torch

from ..types import Files, check_batch
from .blame import errors, stacked, with_room
from .colour_shapes import MIN_AREA, MIN_SATURATION, Labelled, label_shapes, loose_colour
from .colours import COLOURS
from .shape_forms import Form, form_of
from .shape_prompt import SHAPES, Pair, shape_counts


@dataclass(frozen=True)
class Thing:
    """A counted shape: its label, its name, and the shares of all names that it may have."""

    label: int
    pair: Pair
    shares: dict[Pair, float]


@dataclass(frozen=True)
class ShapeCount:
    """Settings; it has no weights, so it is its own scorer."""

    title: ClassVar[str] = "Shape Count"
    description: ClassVar[str] = (
        "Counts the circles, squares and triangles of each colour against the counts asked in the "
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
            "placeholder": "red circles: 3, blue squares: 2",
        },
    )
    others: str = field(
        default="forbid",
        metadata={
            "tooltip": "Coloured shapes nobody asked for: forbid counts them as errors.",
            "choices": ("forbid", "ignore"),
        },
    )
    tie_break: float = field(
        default=0.25,
        metadata={
            "tooltip": "At most this much is taken off to rank images with equal counts: faint, "
            "merged, half or ambiguous shapes cost a little. 0 gives whole numbers.",
            "min": 0.0,
            "max": 0.49,
            "step": 0.01,
        },
    )
    min_area: float = field(
        default=MIN_AREA,
        metadata={
            "tooltip": "Smallest shape that counts, as a share of the image's area.",
            "min": 0.0,
            "max": 0.1,
            "step": 0.0005,
            "advanced": True,
        },
    )
    min_saturation: float = field(
        default=MIN_SATURATION,
        metadata={
            "tooltip": "Saturation from which a pixel is part of a shape; lower for pale images.",
            "min": 0.05,
            "max": 0.95,
            "step": 0.01,
            "advanced": True,
        },
    )

    def load(self, files: Files | None = None) -> "ShapeCount":
        return self

    def check(self, prompt: str) -> None:
        self.asked(prompt)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        pictures = images.detach().float().cpu().numpy()
        scores = [self._score(*pair) for pair in zip(pictures, prompts, strict=True)]
        return torch.tensor(scores, dtype=torch.float32, device=images.device)

    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Maps (B, H, W) in [0, 1]: shapes of a kind that has too many, and room for those that
        lack."""
        check_batch(images, prompts)
        pictures = images.detach().float().cpu().numpy()
        maps = [self._blame(*pair) for pair in zip(pictures, prompts, strict=True)]
        return stacked(maps, images)

    def asked(self, prompt: str) -> dict[Pair, int]:
        """Counts by (colour, shape) in ``counts`` or, if that is empty, in ``prompt``."""
        return self._read(self.counts if self.counts.strip() else prompt)

    @cached_property
    def _read(self) -> Callable[[str], dict[Pair, int]]:
        """Reads a text once, and not for each image."""
        return lru_cache(maxsize=16)(shape_counts)

    def _judged(self, asked: dict[Pair, int]) -> list[Pair]:
        return list(product(COLOURS, SHAPES)) if self.others == "forbid" else list(asked)

    def _score(self, picture: np.ndarray, prompt: str) -> float:
        asked = self.asked(prompt)
        if not np.isfinite(picture).all():
            return float("nan")
        found = label_shapes(picture, self.min_area, self.min_saturation)
        whole: dict[Pair, int] = defaultdict(int)
        soft: dict[Pair, float] = defaultdict(float)
        for thing in things_in(found):
            whole[thing.pair] += 1
            for pair, share in thing.shares.items():
                soft[pair] += share * found.weights[thing.label]
        judged = self._judged(asked)
        colours = {COLOURS.index(colour) + 1 for colour, _ in judged}
        loose = loose_colour(found)[sorted(colours)] / found.typical
        rss = sum((asked.get(pair, 0) - whole[pair]) ** 2 for pair in judged)
        rest = sum((asked.get(pair, 0) - round(soft[pair], 6)) ** 2 for pair in judged)
        rest += float(np.square(loose.round(6)).sum())
        return 0.0 - (rss + self.tie_break * rest / (1.0 + rest))  # never -0.0

    def _blame(self, picture: np.ndarray, prompt: str) -> np.ndarray:
        asked = self.asked(prompt)
        if not np.isfinite(picture).all():
            return np.zeros(picture.shape[:2])
        found = label_shapes(picture, self.min_area, self.min_saturation)
        things = list(things_in(found))
        pairs = [thing.pair for thing in things]
        weights = np.zeros(len(found.names))
        blamed, lacking = errors(pairs, asked, self._judged(asked))
        weights[[thing.label for thing in things]] = blamed
        return with_room(weights[found.labels], found.counted[found.labels], found.typical, lacking)


def things_in(found: Labelled) -> Iterator[Thing]:
    """The counted shapes with their names."""
    from scipy import ndimage  # slow to import

    places = ndimage.find_objects(found.labels)
    for label in found.counted.nonzero()[0].tolist():
        where = places[label - 1]
        form = form_of(found.labels[where] == label)
        core = (found.labels[where] == label) & found.core[where]
        colours = _colours(found, where, core)
        shares: dict[Pair, float] = defaultdict(float)
        for colour, part in colours.items():
            for name, share in _names(form).items():
                shares[colour, name] += part * share
        yield Thing(label, (COLOURS[found.names[label] - 1], form.name), dict(shares))


def _names(form: Form) -> dict[str, float]:
    return {form.name: form.share, form.second: 1.0 - form.share}


def _colours(found: Labelled, where: tuple[slice, slice], core: np.ndarray) -> dict[str, float]:
    """The share of each colour in the core of a shape, by its hues; they sum to 1."""
    size, pixels = len(COLOURS) + 1, found.pixels
    share = pixels.share[where][core]
    parts = np.bincount(pixels.name[where][core], share, minlength=size)
    parts += np.bincount(pixels.second[where][core], 1.0 - share, minlength=size)
    return {COLOURS[i - 1]: parts[i] / parts.sum() for i in parts.nonzero()[0].tolist()}
