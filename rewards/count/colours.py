"""Names the colour of every pixel by hue, saturation and value.

Hue in degrees decides the name; an orange darker than ``BROWN_VALUE`` is brown. A pixel is
*coloured* when its saturation (max - min) / max reaches ``min_saturation`` and its chroma
max - min reaches ``MIN_CHROMA``: on a light ground the first, on a dark ground the second cuts a
soft edge about half way. White, grey and black are ground and have no name.
"""

from dataclasses import dataclass

import numpy as np

# Upper hue bound of each name, in degrees; beyond the last it is red again.
HUE_BOUNDS = (
    ("red", 16.0), ("orange", 43.0), ("yellow", 70.0), ("green", 165.0),
    ("cyan", 193.0), ("blue", 253.0), ("purple", 312.0), ("pink", 345.0),
)  # fmt: skip
COLOURS = (*(name for name, _ in HUE_BOUNDS), "brown")
ALIASES = {"violet": "purple", "turquoise": "cyan", "teal": "cyan", "aqua": "cyan"}
BROWN_VALUE = 0.6
MIN_CHROMA = 0.2
BLEND = 6.0  # degrees from a bound over which a hue is shared between its two names

_BOUNDS = np.array([bound for _, bound in HUE_BOUNDS], dtype=np.float32)
_ORANGE, _BROWN = COLOURS.index("orange") + 1, COLOURS.index("brown") + 1


@dataclass(frozen=True)
class NamedPixels:
    """Maps of shape (H, W). Names are 1-based indices into ``COLOURS``, 0 for none."""

    name: np.ndarray  # nearest name whatever the saturation
    coloured: np.ndarray  # bool: saturated enough to be part of a shape
    second: np.ndarray  # the name on the other side of the nearest hue bound
    share: np.ndarray  # in [0.5, 1]: how far the pixel is ``name`` rather than ``second``
    weight: np.ndarray  # in [0, 1]: 0 at half of ``min_saturation``, 1 at ``min_saturation``


def name_pixels(image: np.ndarray, min_saturation: float) -> NamedPixels:
    """Name the pixels of ``image`` (H, W, 3), finite, in [0, 1]."""
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
    """Hues in degrees -> name, second name and share of the first."""
    count = len(_BOUNDS)
    above = np.searchsorted(_BOUNDS, hue.ravel(), side="right").reshape(hue.shape) % count
    rising = (_BOUNDS[above] - hue) % 360.0
    falling = (hue - _BOUNDS[above - 1]) % 360.0
    second = np.where(rising < falling, above + 1, above - 1) % count
    share = np.minimum(0.5 + np.minimum(rising, falling) / (2.0 * BLEND), 1.0)
    return above + 1, second + 1, share
