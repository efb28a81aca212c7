"""Name the colour of each pixel by hue, saturation and value.

The hue in degrees decides the name. An orange darker than `BROWN_VALUE` is brown.

A pixel is *coloured* if its saturation (max - min) / max reaches `min_saturation` and its chroma
max - min reaches `MIN_CHROMA`. A soft edge is cut about half way, by the saturation on a light
background and by the chroma on a dark one. White, grey and black are background and have no name.
"""

from dataclasses import dataclass

import numpy as np

# Upper hue bound of each name, in degrees. Above the last bound a hue is red again.
HUE_BOUNDS = (
    ("red", 16.0), ("orange", 43.0), ("yellow", 70.0), ("green", 165.0),
    ("cyan", 193.0), ("blue", 253.0), ("purple", 312.0), ("pink", 345.0),
)  # fmt: skip
COLOURS = (*(name for name, _ in HUE_BOUNDS), "brown")
ALIASES = {"violet": "purple", "turquoise": "cyan", "teal": "cyan", "aqua": "cyan"}
BROWN_VALUE = 0.6
MIN_CHROMA = 0.2
BLEND = 6.0  # a hue closer to a bound than this, in degrees, is shared between both names

_BOUNDS = np.array([bound for _, bound in HUE_BOUNDS], dtype=np.float32)
_ORANGE, _BROWN = COLOURS.index("orange") + 1, COLOURS.index("brown") + 1


@dataclass(frozen=True)
class NamedPixels:
    """Maps of shape (H, W). Names are 1-based indices into `COLOURS`, 0 for none.

    Args:
        name: the nearest name, whatever the saturation.
        coloured: bool, True if the pixel is saturated enough to be part of a shape.
        second: the name on the other side of the nearest hue bound.
        share: in [0.5, 1], how much of the pixel belongs to `name`; the rest is `second`.
        weight: in [0, 1], 0 at half of `min_saturation`, 1 at `min_saturation`.
    """

    name: np.ndarray
    coloured: np.ndarray
    second: np.ndarray
    share: np.ndarray
    weight: np.ndarray


def name_pixels(image: np.ndarray, min_saturation: float) -> NamedPixels:
    """Name the pixels of `image` (H, W, 3), finite, in [0, 1]; `min_saturation` in (0, 1]."""
    red, green, blue = (np.ascontiguousarray(image[..., c], dtype=np.float32) for c in range(3))
    value = np.maximum(np.maximum(red, green), blue)
    chroma = value - np.minimum(np.minimum(red, green), blue)
    saturation = chroma / np.maximum(value, 1e-6)
    hue = _hue(red, green, blue, value, chroma)
    name, second, share = _name_hues(hue)
    brown = (name == _ORANGE) & (value < BROWN_VALUE)
    name[brown], share[brown] = _BROWN, 1.0
    half = 0.5 * min_saturation
    weight = np.clip(saturation / half - 1.0, 0.0, 1.0)
    weight *= np.clip(chroma / (0.5 * MIN_CHROMA) - 1.0, 0.0, 1.0)
    return NamedPixels(name, weight >= 1.0, second, share, weight)


def _hue(
    red: np.ndarray, green: np.ndarray, blue: np.ndarray, value: np.ndarray, chroma: np.ndarray
) -> np.ndarray:
    """Hue of the HSV hexagon in [0, 360)."""
    sector = np.where(
        value == red,
        (green - blue) / np.maximum(chroma, 1e-6),
        np.where(
            value == green,
            (blue - red) / np.maximum(chroma, 1e-6) + 2.0,
            (red - green) / np.maximum(chroma, 1e-6) + 4.0,
        ),
    )
    return (60.0 * sector) % 360.0


def _name_hues(hue: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hues in degrees -> first name, second name and share of the first."""
    count = len(_BOUNDS)
    above = np.searchsorted(_BOUNDS, hue.ravel(), side="right").reshape(hue.shape) % count
    rising = (_BOUNDS[above] - hue) % 360.0
    falling = (hue - _BOUNDS[above - 1]) % 360.0
    second = np.where(rising < falling, above + 1, above - 1) % count
    share = np.minimum(0.5 + np.minimum(rising, falling) / (2.0 * BLEND), 1.0)
    return above + 1, second + 1, share
