"""From CRAFT's maps to the lines of text in an image, as boxes along its sides.

A word is a connected area of region or affinity above 0.4, with at least one letter above 0.7.
Words of one height that stand side by side, less than half a height apart, are one line. The
thresholds are EasyOCR's. It also turns slanted lines upright; here a box is never turned, so a line
that climbs more than about a letter over its width is read badly.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

TEXT, LOW, LINK = 0.7, 0.4, 0.4
SMALLEST = 10  # pixels of a word in the maps
MARGIN = 0.1  # of a line's height
MOST = 64  # lines


class Box(NamedTuple):
    """A box along the sides of the image, in pixels.

    Args:
        left, top, right, bottom: its sides.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2


def words_in(region: np.ndarray, affinity: np.ndarray) -> list[Box]:
    """The words in the two maps (h, w), in pixels of these.

    CRAFT's regions are smaller than the letters. So a word grows by half the width of the square
    that has its share of the box.
    """
    from scipy import ndimage  # slow to import

    letters, links = region > LOW, affinity > LINK
    labels, _ = ndimage.label(letters | links)
    words = []
    for label, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        inside = labels[rows, columns] == label
        size = int(inside.sum())
        if size < SMALLEST or region[rows, columns][inside].max() < TEXT:
            continue
        high, wide = inside.shape
        grown = int((size * min(high, wide) / (high * wide)) ** 0.5 * 2) / 2
        inside &= letters[rows, columns]
        across, down = inside.any(0).nonzero()[0], inside.any(1).nonzero()[0]
        left, top = columns.start + across[0] - grown, rows.start + down[0] - grown
        right, bottom = columns.start + across[-1] + grown, rows.start + down[-1] + grown
        words.append(Box(left, top, right, bottom))
    return words


def lines_of(words: Sequence[Box], size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Words joined to lines, in reading order: left, top, right, bottom in whole pixels.

    Args:
        words: in pixels of the image.
        size: height and width of the image.
    """
    rows: list[list[Box]] = []
    for word in sorted(words, key=lambda word: word.middle):
        if rows and _beside(rows[-1], word):
            rows[-1].append(word)
        else:
            rows.append([word])
    lines = [_whole(line, size) for row in rows for line in _split(row)]
    return [line for line in lines if line[2] - line[0] > 2 and line[3] - line[1] > 2][:MOST]


def _beside(row: list[Box], word: Box) -> bool:
    middle = sum(each.middle for each in row) / len(row)
    return abs(middle - word.middle) < 0.5 * sum(each.height for each in row) / len(row)


def _split(row: list[Box]) -> list[list[Box]]:
    """The lines of one row, from left to right: they part at gaps and where the height changes."""
    lines: list[list[Box]] = []
    for word in sorted(row):
        height = sum(each.height for each in lines[-1]) / len(lines[-1]) if lines else 0.0
        near = lines and word.left - lines[-1][-1].right < 0.5 * word.height
        if near and abs(height - word.height) < 0.5 * height:
            lines[-1].append(word)
        else:
            lines.append([word])
    return lines


def _whole(line: list[Box], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box around a line, with a margin, inside the image."""
    left, top = (min(word[side] for word in line) for side in (0, 1))
    right, bottom = (max(word[side] for word in line) for side in (2, 3))
    margin = int(MARGIN * min(right - left, bottom - top))
    return (
        max(0, int(left) - margin),
        max(0, int(top) - margin),
        min(size[1], int(right) + margin),
        min(size[0], int(bottom) + margin),
    )
