"""Draws scenes of coloured shapes whose counts are known."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

PALETTE = {
    "red": (217, 45, 45),
    "orange": (240, 140, 30),
    "yellow": (240, 210, 40),
    "green": (40, 160, 70),
    "blue": (45, 90, 220),
    "purple": (140, 60, 190),
}
GROUND = (248, 246, 240)
SAMPLES = 4  # antialiasing


def draw(shapes, size=128, blur=0.0, ground=GROUND):
    """Shapes (colour, kind, x, y, radius) in pixels -> float32 (size, size, 3) in [0, 1]."""
    image = Image.new("RGB", (size * SAMPLES, size * SAMPLES), ground)
    pen = ImageDraw.Draw(image)
    for colour, kind, *place in shapes:
        x, y, r = (value * SAMPLES for value in place)
        fill = PALETTE.get(colour, colour)
        if kind == "circle":
            pen.ellipse((x - r, y - r, x + r, y + r), fill=fill)
        elif kind == "square":
            pen.rectangle((x - 0.75 * r, y - 0.75 * r, x + 0.75 * r, y + 0.75 * r), fill=fill)
        else:
            pen.polygon([(x, y - r), (x - 0.87 * r, y + r / 2), (x + 0.87 * r, y + r / 2)], fill)
    image = image.resize((size, size), Image.Resampling.BOX)
    image = image.filter(ImageFilter.GaussianBlur(blur))
    return np.asarray(image, dtype=np.float32) / 255.0


def random_scene(rng, size=128, blur=0.7, noise=0.0, gap=3.0):
    """One to three kinds, one to six of each, apart by ``gap`` -> image, counts per colour."""
    unit = size / 128
    shapes, counts = [], {}
    for colour in rng.choice(list(PALETTE), rng.integers(1, 4), replace=False):
        kind = rng.choice(["circle", "square", "triangle"])
        for _ in range(rng.integers(1, 7)):
            place = _free_place(rng, shapes, size, gap * unit)
            if place is not None:
                shapes.append((str(colour), kind, *place))
                counts[str(colour)] = counts.get(str(colour), 0) + 1
    image = draw(shapes, size, blur * unit)
    return image + rng.normal(0, noise, image.shape).astype(np.float32), counts


def _free_place(rng, shapes, size, gap):
    for _ in range(200):
        r = rng.uniform(7, 12) * size / 128
        x, y = rng.uniform(r, size - r, 2)
        if all(np.hypot(x - a, y - b) > r + q + gap for _, _, a, b, q in shapes):
            return x, y, r
    return None
