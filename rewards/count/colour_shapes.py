"""Finds the connected shapes of each named colour in a picture.

1. A picture longer than ``READ_SIDE`` is averaged down to it.
2. Pixels are named (see ``colours``). A pixel whose four neighbours, out to ``depth`` = one pixel
   per 128 of the longer side, bear the same name is *core*: this drops the fringe of another name
   that a soft edge leaves between two colours, specks, and bridges two pixels wide.
3. Core pixels connected over their edges (4-connectivity) are a shape, which regains ``depth``
   pixels of rim. It counts if its area reaches ``min_area`` of the picture, unless it touches all
   four sides: then it is the ground.
4. Beside the counts there are *soft* counts, real numbers to rank pictures that count the same.
   With A the median area of the counted shapes (1 % of the picture if none), a shape of area a
   weighs a / 1.8A above 1.8A (two merged), a / 0.4A below 0.4A (a half), else 1; within 6 degrees
   of hue of another name its weight is shared with that name. Uncounted colour, faint or in
   specks, away from the rims of counted shapes, adds its weighted area over A.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .colours import COLOURS, NamedPixels, name_pixels

READ_SIDE = 256
MERGED, HALF = 1.8, 0.4
MIN_AREA, MIN_SATURATION = 0.0015, 0.35


@dataclass(frozen=True)
class Shapes:
    """Per colour, in the order of ``COLOURS``: whole counts (int) and soft counts (float)."""

    counts: np.ndarray
    soft: np.ndarray


def colour_counts(
    image: np.ndarray | torch.Tensor,
    min_area: float = MIN_AREA,
    min_saturation: float = MIN_SATURATION,
) -> dict[str, int]:
    """Count the shapes of each colour in ``image`` (H, W, 3), floats in [0, 1] or bytes.

    Every known colour is a key, 0 where there is none. Non-finite pixels: ValueError.
    """
    shapes = find_shapes(_as_floats(image), min_area, min_saturation)
    return {colour: int(count) for colour, count in zip(COLOURS, shapes.counts, strict=True)}


@dataclass(frozen=True)
class Labelled:
    """The connected shapes of an image, as maps (H, W) and as columns, one row a label.

    Label 0 is no shape. A shape is `counted` unless it is too small or the ground.
    """

    pixels: NamedPixels
    depth: int  # pixels of rim
    labels: np.ndarray  # map
    core: np.ndarray  # map
    names: np.ndarray  # column: index of the colour, from 1
    areas: np.ndarray  # column
    counted: np.ndarray  # column
    ground: np.ndarray  # column

    @property
    def typical(self) -> float:
        """Area of a thing: the median of the counted ones, 1 % of the image if there is none."""
        known = self.areas[self.counted]
        return float(np.median(known)) if len(known) else 0.01 * self.labels.size

    @property
    def weights(self) -> np.ndarray:
        """What each shape is worth in soft counts, (labels,)."""
        return np.where(self.counted, _shape_weight(self.areas / self.typical), 0.0)


def label_shapes(image: np.ndarray, min_area: float, min_saturation: float) -> Labelled:
    """The shapes in ``image`` (H, W, 3), finite floats in [0, 1]."""
    image = _shrink(image)
    pixels = name_pixels(image, min_saturation)
    depth = max(1, round(max(image.shape[:2]) / 128))
    named = np.where(pixels.coloured, pixels.name, 0)
    labels, shape_names, core = _label(named, depth)
    areas = np.bincount(labels.ravel(), minlength=len(shape_names))
    ground = _touching_all_sides(labels, len(shape_names))
    counted = (areas >= min_area * labels.size) & ~ground
    counted[0] = False
    return Labelled(pixels, depth, labels, core, shape_names, areas, counted, ground)


def find_shapes(image: np.ndarray, min_area: float, min_saturation: float) -> Shapes:
    """Whole and soft counts of ``image`` (H, W, 3), finite floats in [0, 1]."""
    found = label_shapes(image, min_area, min_saturation)
    counts = np.bincount(found.names[found.counted], minlength=len(COLOURS) + 1)
    soft = _soft_shapes(found.pixels, np.where(found.core, found.labels, 0), found.weights)
    soft += loose_colour(found) / found.typical
    return Shapes(counts[1:], soft[1:].round(6))  # whole where they are meant to be


def loose_colour(found: Labelled) -> np.ndarray:
    """Weighted area of each colour, none first, that is outside of all counted shapes."""
    counted, ground = found.counted[found.labels], found.ground[found.labels]
    return _soft_rest(found.pixels, counted, ground, found.depth)


def _as_floats(image: np.ndarray | torch.Tensor) -> np.ndarray:
    array = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if array.ndim != 3 or array.shape[-1] != 3:
        raise ValueError(f"an image of shape {array.shape}: (height, width, 3) wanted")
    if array.dtype == np.uint8:
        return array.astype(np.float32) / 255.0
    if not np.isfinite(array).all():
        raise ValueError("an image with non-finite pixels cannot be read: floats in [0, 1] wanted")
    return array.astype(np.float32)


def _shrink(image: np.ndarray) -> np.ndarray:
    """Average ``image`` down so that its longer side is at most ``READ_SIDE``."""
    height, width = image.shape[:2]
    scale = READ_SIDE / max(height, width)
    if scale >= 1.0:
        return image
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(planes, size, mode="area")[0].permute(1, 2, 0).numpy()


def _neighbours(grid: np.ndarray) -> list[np.ndarray]:
    """The four shifted copies of ``grid``; beyond its sides it repeats itself."""
    padded = np.pad(grid, 1, mode="edge")
    return [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]


def _label(named: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label map with 0 for none, the name of each label (0 first), and the core mask."""
    from scipy import ndimage  # slow to import

    core = named
    for _ in range(depth):
        same = core > 0
        for shifted in _neighbours(core):
            same &= shifted == core
        core = np.where(same, core, 0)
    # Two cores of different names are never adjacent, so one labelling serves all colours.
    labels, count = ndimage.label(core > 0)
    shape_names = np.zeros(count + 1, dtype=np.int64)
    shape_names[labels.ravel()] = core.ravel()
    for _ in range(depth):
        grown = labels
        for shifted in _neighbours(labels):
            take = (grown == 0) & (shifted > 0) & (shape_names[shifted] == named)
            grown = np.where(take, shifted, grown)
        labels = grown
    return labels, shape_names, core > 0


def _touching_all_sides(labels: np.ndarray, count: int) -> np.ndarray:
    """Mask (count,) of the labels present on each of the four sides."""
    sides = np.ones(count, dtype=bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        sides &= np.bincount(side, minlength=count) > 0
    sides[0] = False
    return sides


def _shape_weight(ratio: np.ndarray) -> np.ndarray:
    return np.where(ratio > MERGED, ratio / MERGED, np.minimum(ratio / HALF, 1.0))


def _soft_shapes(pixels: NamedPixels, core: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weight of the counted shapes per name, shared between names by hue over their core."""
    core_areas = np.maximum(np.bincount(core.ravel(), minlength=len(weights)), 1)
    per_pixel = (weights / core_areas)[core].ravel()
    size = len(COLOURS) + 1
    share = pixels.share.ravel()
    first = np.bincount(pixels.name.ravel(), per_pixel * share, minlength=size)
    return first + np.bincount(pixels.second.ravel(), per_pixel * (1.0 - share), minlength=size)


def _soft_rest(
    pixels: NamedPixels, counted: np.ndarray, ground: np.ndarray, depth: int
) -> np.ndarray:
    """Weighted area per name of the colour outside counted shapes, their rims and the ground."""
    from scipy import ndimage  # slow to import

    near = ndimage.maximum_filter((counted | ground).astype(np.uint8), size=4 * depth + 1)
    rest = (pixels.weight > 0.0) & (near == 0)
    labels, count = ndimage.label(rest)
    rest &= ~_touching_all_sides(labels, count + 1)[labels]
    return np.bincount(pixels.name[rest], pixels.weight[rest], minlength=len(COLOURS) + 1)
