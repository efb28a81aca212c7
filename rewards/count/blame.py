"""Where an image with wrong counts is wrong, as maps in [0, 1].

With n_k things of kind k found and a_k asked, each thing of k is blamed by max(0, n_k - a_k) / n_k:
any of them may be the one too many. Where things lack, the empty room is blamed, by as much as
spreads the area of the lacking ones over it: an error weighs about as much as one thing.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence

import numpy as np
import torch

SIDE = 128  # longer side of a map of boxes
TYPICAL = 0.01  # area of a thing as a share of the image, where none is found


def errors(
    found: Sequence[Hashable], asked: Mapping[Hashable, int], judged: Collection[Hashable]
) -> tuple[list[float], int]:
    """The blame of each thing found, by its kind, and how many things lack.

    Args:
        found: the kind of each thing.
        judged: the kinds that count.
    """
    counts = {kind: found.count(kind) for kind in set(found)}
    blamed = [
        max(0, counts[kind] - asked.get(kind, 0)) / counts[kind] if kind in judged else 0.0
        for kind in found
    ]
    return blamed, sum(max(0, n - counts.get(kind, 0)) for kind, n in asked.items())


def with_room(blame: np.ndarray, taken: np.ndarray, area: float, lacking: int) -> np.ndarray:
    """`blame` (H, W) of things, and that of the room where `lacking` more could stand.

    Room is as far from what is `taken` (H, W) as a disc of `area` pixels reaches, or what is not
    taken where there is none.
    """
    from scipy import ndimage  # slow to import

    if not lacking or taken.all():
        return blame
    far = ndimage.distance_transform_edt(~taken) if taken.any() else np.full(taken.shape, np.inf)
    room = far > (area / np.pi) ** 0.5
    room = room if room.any() else ~taken
    return np.maximum(blame, np.where(room, min(1.0, lacking * area / room.sum()), 0.0))


def box_map(
    boxes: torch.Tensor, blamed: Sequence[float], lacking: int, size: tuple[int, int]
) -> np.ndarray:
    """Blame (h, w) of an image of height and width `size`, its longer side `SIDE` at most.

    Args:
        boxes: (N, 4) centre and size, as shares of the image's width and height.
        blamed: of each box.
    """
    scale = min(1.0, SIDE / max(size))
    height, width = (max(1, round(side * scale)) for side in size)
    blame, taken = np.zeros((height, width)), np.zeros((height, width), dtype=bool)
    for (x, y, w, h), weight in zip(boxes.tolist(), blamed, strict=True):
        rows = slice(max(0, round((y - h / 2) * height)), max(0, round((y + h / 2) * height)))
        columns = slice(max(0, round((x - w / 2) * width)), max(0, round((x + w / 2) * width)))
        taken[rows, columns] = True
        blame[rows, columns] = np.maximum(blame[rows, columns], weight)
    share = float(boxes[:, 2:].prod(1).median()) if len(boxes) else TYPICAL
    return with_room(blame, taken, share * height * width, lacking)


def stacked(maps: Sequence[np.ndarray], images: torch.Tensor) -> torch.Tensor:
    """Maps (h, w) of images (B, H, W, 3) as one (B, H, W) float32 where those are."""
    size = images.shape[1:3]
    rows = [torch.from_numpy(np.ascontiguousarray(m, dtype=np.float32))[None, None] for m in maps]
    whole = [torch.nn.functional.interpolate(row, size, mode="nearest")[0, 0] for row in rows]
    return torch.stack(whole).clamp(0.0, 1.0).to(images.device)
