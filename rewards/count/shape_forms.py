"""Tells circles, squares and triangles apart by their moments.

The pixels of a shape, as complex numbers z about their centre, are whitened: stretched until their
spread is the same along all directions, E|z|^2 = 1 and E z^2 = 0. So an ellipse counts as a circle,
a rectangle as a square, and any triangle as one of even sides. The *form* of a shape is then

    f = (|E z^3|, |E z^4|),

which turning does not change: (0, 0) for a disc, (0, .6) for a square, (.8, 0) for a triangle.
A shape has the name of the nearest of the three. Pixels count by their area, so a soft edge hardly
matters; below about 40 pixels the steps of the grid begin to.
"""

from dataclasses import dataclass

import numpy as np

from .shape_prompt import SHAPES

FORMS = {"circle": (0.0, 0.0), "square": (0.0, 0.6), "triangle": (0.8, 0.0)}
NAMES = tuple(SHAPES)
UNSURE = 0.25  # of the distance between two forms, about its middle: shared between their names


@dataclass(frozen=True)
class Form:
    """What a shape looks like.

    Args:
        name: the nearest form.
        second: the next one.
        share: how far it is the nearest, in [0.5, 1].
    """

    name: str
    second: str
    share: float


def form_of(mask: np.ndarray) -> Form:
    """The form of the shape that is True in ``mask`` (H, W)."""
    place = np.array(moments(mask))
    distance = {name: float(np.linalg.norm(place - FORMS[name])) for name in NAMES}
    first, second = sorted(NAMES, key=distance.get)[:2]
    apart = np.linalg.norm(np.subtract(FORMS[first], FORMS[second]))
    margin = (distance[second] - distance[first]) / apart  # 0 in the middle, 1 at a form
    return Form(first, second, float(min(1.0, 0.5 + margin / (2 * UNSURE))))


def moments(mask: np.ndarray) -> tuple[float, float]:
    """|E z^3| and |E z^4| of the whitened pixels; those of a line or a point are 0."""
    rows = np.argwhere(mask).astype(np.float64)
    rows -= rows.sum(0) / len(rows)
    # A pixel is a square of side 1, of variance 1/12 along each axis.
    spread, turn = np.linalg.eigh(rows.T @ rows / len(rows) + np.eye(2) / 12)
    z = rows @ (turn / np.sqrt(2 * spread) @ (1.0, 1j))
    cubes = z * z * z
    return float(abs(cubes.sum())) / len(z), float(abs(cubes @ z)) / len(z)
