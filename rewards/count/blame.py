"""Where an image with wrong counts is wrong, as maps in [0, 1].

With n_k things of kind k and a target of a_k, each thing of k is blamed by max(0, n_k - a_k) / n_k:
any of them may be the one too many. Where things lack, the empty room is blamed. The area of the
things that lack is spread over it, so that each error weighs about as much as one thing.
"""

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence

import numpy as np
import torch

SIDE = 128  # longer side of a map of boxes
TYPICAL = 0.01  # area of a thing as a share of the image, where none is found


def errors(
    kinds: Sequence[Hashable], targets: Mapping[Hashable, int], scope: Collection[Hashable]
) -> tuple[list[float], int]:
    """The blame of each thing, and how many things lack.

    Args:
        kinds: the kind of each thing.
        targets: the target count of each kind.
        scope: the kinds that count.
    """
    counts = Counter(kinds)
    extra = {kind: max(0, counts[kind] - targets.get(kind, 0)) for kind in scope}
    weights = [extra.get(kind, 0) / counts[kind] for kind in kinds]
    return weights, sum(max(0, target - counts[kind]) for kind, target in targets.items())


def with_room(blame: np.ndarray, taken: np.ndarray, area: float, lacking: int) -> np.ndarray:
    """The blame (H, W) of things, and of the room where more could stand.

    Room is at least as far from what is taken as a disc of `area` reaches. Where no pixel is, it is
    all that is not taken.

    Args:
        blame: (H, W) of things.
        taken: (H, W) bool, where things are.
        area: of a thing, in pixels.
        lacking: how many things lack.
    """
    from scipy import ndimage  # slow to import

    if not lacking or taken.all():
        return blame
    far = ndimage.distance_transform_edt(~taken) if taken.any() else np.full(taken.shape, np.inf)
    room = far > (area / np.pi) ** 0.5
    room = room if room.any() else ~taken
    return np.maximum(blame, np.where(room, min(1.0, lacking * area / room.sum()), 0.0))


def box_map(
    boxes: torch.Tensor, weights: Sequence[float], lacking: int, size: tuple[int, int]
) -> np.ndarray:
    """Blame (h, w) of an image, its longer side `SIDE` at most.

    Args:
        boxes: (N, 4) centre and size, as shares of the image's width and height.
        weights: the blame of each box.
        lacking: how many things lack.
        size: height and width of the image.
    """
    scale = min(1.0, SIDE / max(size))
    height, width = (max(1, round(side * scale)) for side in size)
    blame, taken = np.zeros((height, width)), np.zeros((height, width), dtype=bool)
    for (x, y, w, h), weight in zip(boxes.tolist(), weights, strict=True):
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
