"""Find the connected shapes of each named colour in an image.

1. An image longer than `READ_SIDE` is averaged down to it.
2. Pixels are named (see `colours`). A pixel is *core* if its four neighbours, out to `depth`, have
   the same name; `depth` is one pixel per 128 of the longer side. This removes specks, bridges two
   pixels wide, and the fringe of a third colour that a soft edge leaves between two colours.
3. Core pixels that share an edge (4-connectivity) form a shape. The shape gets `depth` pixels of
   rim back. It counts if its area reaches `min_area` of the image. A shape that touches all four
   sides is the background and does not count.
4. *Soft* counts are real numbers that rank images with equal counts. A is the median area of the
   counted shapes, or 1 % of the image without any. The weight of a shape of area a is:
   a / 1.8A above 1.8A (two merged shapes), a / 0.4A below 0.4A (half a shape), else 1.
   Within 6 degrees of hue of another name, the weight is shared with that name. Colour outside
   counted shapes and their rims (faint or in specks) adds its weighted area divided by A.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from .colours import COLOURS, NamedPixels, name_pixels

READ_SIDE = 256
MERGED, HALF = 1.8, 0.4
MIN_AREA, MIN_SATURATION = 0.0015, 0.35


@dataclass(frozen=True)
class Shapes:
    """Whole counts (int) and soft counts (float) per colour, in the order of `COLOURS`."""

    counts: np.ndarray
    soft: np.ndarray


def colour_counts(
    image: np.ndarray | torch.Tensor,
    min_area: float = MIN_AREA,
    min_saturation: float = MIN_SATURATION,
) -> dict[str, int]:
    """Count the shapes of each colour in an image.

    Args:
        image: (H, W, 3), floats in [0, 1] or bytes.
        min_area: the smallest shape that counts, as a fraction of the image's area.
        min_saturation: saturation from which a pixel is part of a shape, in (0, 1].

    Returns: a count for each colour of `COLOURS`, 0 where there is no shape.
    Raises: ValueError for another shape of `image`, or for pixels that are not finite.
    """
    shapes = find_shapes(_as_floats(image), min_area, min_saturation)
    return {colour: int(count) for colour, count in zip(COLOURS, shapes.counts, strict=True)}


@dataclass(frozen=True)
class Labelled:
    """The connected shapes of an image, numbered from 1; label 0 is no shape.

    Args:
        pixels: the colour of each pixel.
        depth: width of a shape's rim in pixels.
        labels: (H, W), the shape of each pixel.
        core: (H, W) bool, pixels inside a rim.
        names: (labels,), index of each shape's colour, from 1.
        areas: (labels,), in pixels.
        counted: (labels,) bool, shapes that are neither too small nor the background.
        background: (labels,) bool, shapes that touch all four sides.
    """

    pixels: NamedPixels
    depth: int
    labels: np.ndarray
    core: np.ndarray
    names: np.ndarray
    areas: np.ndarray
    counted: np.ndarray
    background: np.ndarray

    @cached_property
    def typical(self) -> float:
        """Area of a thing: the median of the counted ones, 1 % of the image if there is none."""
        areas = self.areas[self.counted]
        return float(np.median(areas)) if len(areas) else 0.01 * self.labels.size

    @cached_property
    def weights(self) -> np.ndarray:
        """What each shape is worth in soft counts, (labels,)."""
        return np.where(self.counted, _shape_weight(self.areas / self.typical), 0.0)

    @cached_property
    def wholeness(self) -> np.ndarray:
        """How surely each counted shape is one, (labels,) in [0, 1]: less for halves and twos."""
        return np.minimum(self.weights, 1.0 / np.maximum(self.weights, 1.0))


def label_shapes(image: np.ndarray, min_area: float, min_saturation: float) -> Labelled:
    """Find the shapes of an image.

    Args:
        image: (H, W, 3), finite floats in [0, 1].
        min_area: the smallest shape that counts, as a fraction of the image's area.
        min_saturation: saturation from which a pixel is part of a shape, in (0, 1].
    """
    image = _shrink(image)
    pixels = name_pixels(image, min_saturation)
    depth = max(1, round(max(image.shape[:2]) / 128))
    names = np.where(pixels.coloured, pixels.name, 0)
    labels, shape_names, core = _label(names, depth)
    areas = np.bincount(labels.ravel(), minlength=len(shape_names))
    background = _touching_all_sides(labels, len(shape_names))
    counted = (areas >= min_area * labels.size) & ~background
    counted[0] = False
    return Labelled(pixels, depth, labels, core, shape_names, areas, counted, background)


def find_shapes(image: np.ndarray, min_area: float, min_saturation: float) -> Shapes:
    """Whole and soft counts of the shapes in an image.

    Args:
        image, min_area, min_saturation: as for `label_shapes`.
    """
    shapes = label_shapes(image, min_area, min_saturation)
    counts = np.bincount(shapes.names[shapes.counted], minlength=len(COLOURS) + 1)
    soft = _soft_shapes(shapes.pixels, np.where(shapes.core, shapes.labels, 0), shapes.weights)
    soft += loose_colour(shapes) / shapes.typical
    return Shapes(counts[1:], soft[1:].round(6))  # rounded, so that whole numbers come out whole


def loose_colour(shapes: Labelled) -> np.ndarray:
    """Weighted area of each colour, no colour first, that is outside of all counted shapes."""
    return np.bincount(
        shapes.pixels.name.ravel(), loose_pixels(shapes).ravel(), minlength=len(COLOURS) + 1
    )


def loose_pixels(shapes: Labelled) -> np.ndarray:
    """(H, W) weights in [0, 1] of colour outside counted shapes, their rims and the background."""
    from scipy import ndimage  # slow to import

    taken = (shapes.counted | shapes.background)[shapes.labels].astype(np.uint8)
    rest = shapes.pixels.weight > 0.0
    rest &= ndimage.maximum_filter(taken, size=4 * shapes.depth + 1) == 0
    labels, count = ndimage.label(rest)
    rest &= ~_touching_all_sides(labels, count + 1)[labels]
    return np.where(rest, shapes.pixels.weight, 0.0)


def _as_floats(image: np.ndarray | torch.Tensor) -> np.ndarray:
    array = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if array.ndim != 3 or array.shape[-1] != 3:
        raise ValueError(
            f"The image has the wrong shape: got {array.shape}, expected (height, width, 3)."
        )
    if array.dtype == np.uint8:
        return array.astype(np.float32) / 255.0
    if not np.isfinite(array).all():
        raise ValueError(
            "The image cannot be read: got non-finite pixels, expected floats in [0, 1]."
        )
    return array.astype(np.float32)


def _shrink(image: np.ndarray) -> np.ndarray:
    """Average `image` down so that its longer side is at most `READ_SIDE`."""
    height, width = image.shape[:2]
    scale = READ_SIDE / max(height, width)
    if scale >= 1.0:
        return image
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    planes = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(planes, size, mode="area")[0].permute(1, 2, 0).numpy()


def _neighbours(grid: np.ndarray) -> list[np.ndarray]:
    """The four copies of `grid` shifted by one pixel; its border pixels are repeated."""
    padded = np.pad(grid, 1, mode="edge")
    return [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]


def _label(names: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Label map (H, W) with 0 for none, the name of each label (index 0 is none), the core mask."""
    from scipy import ndimage  # slow to import

    core = _core(names, depth)
    # Two cores of different names are never adjacent, so one labelling serves all colours.
    labels, count = ndimage.label(core > 0)
    shape_names = np.zeros(count + 1, dtype=np.int64)
    shape_names[labels.ravel()] = core.ravel()
    return _regrown(labels, shape_names, names, depth), shape_names, core > 0


def _core(names: np.ndarray, depth: int) -> np.ndarray:
    """The names of core pixels, 0 elsewhere."""
    core = names
    for _ in range(depth):
        same = core > 0
        for shifted in _neighbours(core):
            same &= shifted == core
        core = np.where(same, core, 0)
    return core


def _regrown(
    labels: np.ndarray, shape_names: np.ndarray, names: np.ndarray, depth: int
) -> np.ndarray:
    """The label map with `depth` pixels of rim given back to each shape."""
    for _ in range(depth):
        grown = labels
        for shifted in _neighbours(labels):
            take = (grown == 0) & (shifted > 0) & (shape_names[shifted] == names)
            grown = np.where(take, shifted, grown)
        labels = grown
    return labels


def _touching_all_sides(labels: np.ndarray, count: int) -> np.ndarray:
    """Mask (count,) of the labels that touch all four sides."""
    sides = np.ones(count, dtype=bool)
    for side in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        sides &= np.bincount(side, minlength=count) > 0
    sides[0] = False
    return sides


def _shape_weight(ratio: np.ndarray) -> np.ndarray:
    """Weight of a shape by its area over the typical one."""
    return np.where(ratio > MERGED, ratio / MERGED, np.minimum(ratio / HALF, 1.0))


def _soft_shapes(pixels: NamedPixels, core: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weight of the counted shapes per name. The hue of core pixels shares it between names."""
    core_areas = np.maximum(np.bincount(core.ravel(), minlength=len(weights)), 1)
    per_pixel = (weights / core_areas)[core].ravel()
    size = len(COLOURS) + 1
    share = pixels.share.ravel()
    first = np.bincount(pixels.name.ravel(), per_pixel * share, minlength=size)
    return first + np.bincount(pixels.second.ravel(), per_pixel * (1.0 - share), minlength=size)
