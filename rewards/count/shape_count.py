"""Shape Count: compares the circles, squares and triangles of each colour with the target counts.

    RSS = sum_k max over n in {clear_k, clear_k + unclear_k} of (target_k - n)^2,
    S = sum_k (target_k - soft_k)^2 + sum_c loose_c^2,
    reward = -(RSS + tie_break * S / (1 + S)),        RSS = floor(-reward) exactly.

k is a pair of colour and shape: six red squares are not six red circles. A shape is unclear if its
share of its pair is below `CLEAR`: it lies between two forms or colours, or it is half a shape or
two in one. Unclear shapes count in the way that is worse: none can take the place of a clear one.
S uses soft counts and ranks images of equal RSS. `colour_shapes` says how shapes are found, and
what soft counts and loose colour are. `shape_forms` names the shapes. A shape between two forms
shares its soft count between them. The reward is at most 0, and 0 for a clear image with the right
counts. k runs over the pairs that have a target. With `other_shapes` "forbid" it also runs over all
other pairs, with target 0. Not differentiable.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import product

import numpy as np

from .colour_shapes import MIN_AREA, MIN_SATURATION, Labelled, label_shapes, loose_colour
from .colours import COLOURS, NamedPixels
from .shape_forms import form_of
from .shape_prompt import SHAPES, Pair, shape_counts
from .shape_scorer import (
    COUNTS_TOOLTIP,
    MIN_AREA_INPUT,
    MIN_SATURATION_INPUT,
    TIE_BREAK,
    ShapeScorer,
    Thing,
)

CLEAR = 0.75  # least clarity of a shape that counts as one whatever is asked


@dataclass(frozen=True)
class Shape(Thing):
    """A counted shape of a colour and a form.

    Args:
        shares: of all pairs that it may be, summing to 1.
    """

    shares: dict[Pair, float]


@dataclass(frozen=True)
class ShapeCount(ShapeScorer):
    """Settings of Shape Count. A kind is a pair of colour and shape."""

    counts: str = field(
        default="",
        metadata={"tooltip": COUNTS_TOOLTIP, "placeholder": "red circles: 3, blue squares: 2"},
    )
    other_shapes: str = field(
        default="forbid",
        metadata={
            "tooltip": "What to do with other coloured shapes: forbid counts them as errors, "
            "ignore does not.",
            "choices": ("forbid", "ignore"),
        },
    )
    tie_break: float = field(default=0.25, metadata=TIE_BREAK)
    min_area: float = field(default=MIN_AREA, metadata=MIN_AREA_INPUT)
    min_saturation: float = field(default=MIN_SATURATION, metadata=MIN_SATURATION_INPUT)

    @cached_property
    def _read(self) -> Callable[[str], dict[Pair, int]]:
        """Reads each text once, not once per image."""
        return lru_cache(maxsize=16)(shape_counts)

    def _scope(self, targets: dict[Pair, int]) -> Collection[Pair]:
        return list(product(COLOURS, SHAPES)) if self.other_shapes == "forbid" else targets

    def _colours(self, scope: Collection[Pair]) -> Collection[str]:
        return {colour for colour, _ in scope}

    def _things(self, shapes: Labelled) -> list[Shape]:
        return list(shapes_in(shapes))

    def _score(self, array: np.ndarray, prompt: str) -> float:
        targets = self.target_counts(prompt)
        if not np.isfinite(array).all():
            return float("nan")
        shapes = label_shapes(array, self.min_area, self.min_saturation)
        scope, things = self._scope(targets), self._things(shapes)
        most, soft = Counter(thing.kind for thing in things), soft_counts(shapes, things)
        least = Counter(thing.kind for thing in things if thing.clarity >= CLEAR)
        lacking = {pair: targets.get(pair, 0) - least[pair] for pair in scope}
        excess = {pair: most[pair] - targets.get(pair, 0) for pair in scope}
        rss = sum(max(lacking[pair], excess[pair]) ** 2 for pair in scope)
        rest = sum((targets.get(pair, 0) - soft.get(pair, 0.0)) ** 2 for pair in scope)
        colours = sorted(COLOURS.index(colour) + 1 for colour in self._colours(scope))
        loose = (loose_colour(shapes)[colours] / shapes.typical).round(6)
        rest += float(np.square(loose).sum())
        return 0.0 - (rss + self.tie_break * rest / (1.0 + rest))  # never -0.0


def shapes_in(shapes: Labelled) -> Iterator[Shape]:
    """The counted shapes with their pairs."""
    from scipy import ndimage  # slow to import

    places = ndimage.find_objects(shapes.labels)
    for label in shapes.counted.nonzero()[0].tolist():
        where = places[label - 1]
        mask = shapes.labels[where] == label
        form = form_of(mask)
        names = {form.name: form.share, form.second: 1.0 - form.share}
        colours = _colour_shares(shapes.pixels, where, mask & shapes.core[where])
        shares = {(c, n): p * q for (c, p), (n, q) in product(colours.items(), names.items())}
        pair = (COLOURS[shapes.names[label] - 1], form.name)
        yield Shape(label, pair, shares[pair] * float(shapes.wholeness[label]), shares)


def soft_counts(shapes: Labelled, things: Sequence[Shape]) -> dict[Pair, float]:
    """Soft counts by pair, rounded so that whole numbers come out whole."""
    soft: dict[Pair, float] = {}
    for thing in things:
        for pair, share in thing.shares.items():
            soft[pair] = soft.get(pair, 0.0) + share * float(shapes.weights[thing.label])
    return {pair: round(count, 6) for pair, count in soft.items()}


def _colour_shares(
    pixels: NamedPixels, where: tuple[slice, slice], core: np.ndarray
) -> dict[str, float]:
    """The share of each colour in the core of a shape, by its hues; they sum to 1."""
    size, share = len(COLOURS) + 1, pixels.share[where][core]
    parts = np.bincount(pixels.name[where][core], share, minlength=size)
    parts += np.bincount(pixels.second[where][core], 1.0 - share, minlength=size)
    return {COLOURS[i - 1]: parts[i] / parts.sum() for i in parts.nonzero()[0].tolist()}
