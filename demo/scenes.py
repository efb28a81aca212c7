"""Procedural scenes: coloured shapes on a light background, and their captions.

A scene has one to three kinds of shapes. A kind is (count, colour, shape) with a count of 1 to 6;
all counts add up to at most 12. A colour appears only once, so a count per colour is well defined.
Shapes lie in random cells of a loose 4 x 4 grid of 32-pixel cells. Place, size, angle and colour
vary a little. There are at least 4 pixels between two shapes.

`kinds` is an integer tensor (n, 3, 3) with rows (count, colour index, shape index); count 0 means
"no kind". Images are (n, 3, 128, 128) in [0, 1]. Randomness comes from the `generator` argument.
`HELD_OUT` holds the triples (count, colour, shape) that no training scene contains, about 15 %.
"""

import math
import random

import torch
from torch import Tensor

COLOURS = {
    "red": (0.87, 0.10, 0.12),
    "orange": (0.97, 0.55, 0.06),
    "yellow": (0.96, 0.88, 0.10),
    "green": (0.10, 0.64, 0.20),
    "blue": (0.10, 0.28, 0.86),
    "purple": (0.56, 0.13, 0.70),
}
SHAPES = {"circle": 0, "square": 4, "triangle": 3}  # name -> corners
NUMBERS = ("one", "two", "three", "four", "five", "six")
KINDS, MOST, CELL, GRID = 3, 12, 32, 4

Triple = tuple[int, int, int]


def _held_out() -> frozenset[Triple]:
    triples = [
        (n, c, s) for n in range(1, 7) for c in range(len(COLOURS)) for s in range(len(SHAPES))
    ]
    return frozenset(random.Random(2503).sample(triples, round(0.15 * len(triples))))


HELD_OUT = _held_out()


def held_out_mask(kinds: Tensor) -> Tensor:
    """Mask (n,) of the scenes that contain a held-out triple."""
    table = torch.zeros(7, len(COLOURS), len(SHAPES), dtype=torch.bool, device=kinds.device)
    for triple in HELD_OUT:
        table[triple] = True
    return table[kinds[..., 0], kinds[..., 1], kinds[..., 2]].any(1)


def draw_kinds(n: int, generator: torch.Generator, held_out: bool = False) -> Tensor:
    """Draw the kinds of scenes: 35 % have one kind, 40 % two and 25 % three.

    Args:
        n: number of scenes.
        generator: source of randomness.
        held_out: whether each scene has a held-out triple; otherwise none has.

    Returns: kinds (n, 3, 3).
    """
    number = 1 + torch.multinomial(torch.tensor([0.35, 0.4, 0.25]), n, True, generator=generator)
    used = (torch.arange(KINDS) < number[:, None])[..., None]
    kinds, missing = torch.zeros(n, KINDS, 3, dtype=torch.long), torch.ones(n, dtype=torch.bool)
    while missing.any():
        count = torch.randint(1, 7, (n, KINDS), generator=generator)
        colour = torch.rand(n, len(COLOURS), generator=generator).argsort(1)[:, :KINDS]
        shape = torch.randint(0, len(SHAPES), (n, KINDS), generator=generator)
        drawn = torch.stack((count, colour, shape), -1) * used
        fits = (drawn[..., 0].sum(1) <= MOST) & (held_out_mask(drawn) == held_out)
        kinds[missing & fits] = drawn[missing & fits]
        missing &= ~fits
    return kinds


def held_out_prompts(n: int, seed: int) -> list[str]:
    """`n` evaluation captions. Each has a triple (count, colour, shape) absent from training."""
    generator = torch.Generator().manual_seed(seed)
    return [caption(kinds) for kinds in draw_kinds(n, generator, held_out=True).tolist()]


def caption(kinds: list[Triple]) -> str:
    """[(3, 0, 0), (2, 4, 1)] -> "three red circles and two blue squares"."""
    colours, shapes = list(COLOURS), list(SHAPES)
    parts = [
        f"{NUMBERS[n - 1]} {colours[c]} {shapes[s]}{'s' if n > 1 else ''}" for n, c, s in kinds if n
    ]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def draw_images(kinds: Tensor, generator: torch.Generator) -> Tensor:
    """One antialiased image (n, 3, 128, 128) per row of `kinds`, on the generator's device."""
    n, device = len(kinds), generator.device
    kinds, cells = kinds.to(device), GRID * GRID

    def uniform(low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *size, generator=generator, device=device)

    ends = kinds[..., 0].cumsum(1)
    rank = torch.rand(n, cells, generator=generator, device=device).argsort(1)
    kind = (rank[..., None] >= ends[:, None]).sum(-1)  # the cell's kind: 0, 1, 2, or 3 for none
    row = kinds.gather(1, kind.clamp(max=KINDS - 1)[..., None].expand(-1, -1, 3))
    radius = uniform(7.5, 9.5, cells)
    centre = CELL / 2 + (13 - 1.3 * radius)[..., None] * uniform(-1, 1, cells, 2)
    alpha = _coverage(centre, radius, uniform(-0.25, 0.25, cells), row[..., 2])
    alpha = (alpha * (kind < KINDS)[..., None, None])[:, :, None]

    palette = torch.tensor(list(COLOURS.values()), device=device)
    colour = (palette[row[..., 1]] + uniform(-0.04, 0.04, cells, 3)).clamp(0, 1)[..., None, None]
    background = (uniform(0.93, 0.95, 1) + uniform(-0.006, 0.006, 3))[:, None, :, None, None]
    tiles = background + alpha * (colour - background)
    tiles = tiles.view(n, GRID, GRID, 3, CELL, CELL).permute(0, 3, 1, 4, 2, 5)
    return tiles.reshape(n, 3, GRID * CELL, GRID * CELL)


def _coverage(centre: Tensor, radius: Tensor, angle: Tensor, shape: Tensor) -> Tensor:
    """Antialiased masks (n, cells, 32, 32), from signed distances; shapes have similar areas."""
    at = torch.arange(CELL, device=radius.device) + 0.5
    x = (at - centre[..., :1])[..., None, :]
    y = (at - centre[..., 1:])[..., :, None]
    radius, angle, shape = (v[..., None, None] for v in (radius, angle, shape))
    distance = torch.hypot(x, y) - radius
    for index, corners in enumerate(SHAPES.values()):
        if corners:
            inner = radius * (0.65 if corners == 3 else 0.88)  # triangle: circumradius 1.3 x radius
            sides = [angle + math.pi / 2 + 2 * math.pi * k / corners for k in range(corners)]
            sides = [x * a.cos() + y * a.sin() for a in sides]
            polygon = torch.stack(sides).amax(0) - inner
            distance = torch.where(shape == index, polygon, distance)
    return (0.5 - distance).clamp(0, 1)
