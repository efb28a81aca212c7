"""Pictures as bytes: whole, or small for whoever watches a search. Knows nothing of the host."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

SIZE = 512  # longer side of what is kept of a picture, and of its file
CLIP = 256  # the same for a clip
FRAMES, FRAME_MS = 16, 125  # frames kept of a clip, and how long each of them shows


def shrink(picture: Tensor) -> Tensor:
    """A picture (H,W,3) as bytes (1,h,w,3) of at most SIZE a side; of a clip (T,H,W,3) some frames,
    first to last, of at most CLIP a side."""
    clip = picture.ndim == 4
    chosen = torch.linspace(0, len(picture) - 1, min(FRAMES, len(picture))).round().long()
    frames = picture[chosen] if clip else picture[None]
    height, width = frames.shape[1:3]
    scale = (CLIP if clip else SIZE) / max(height, width)
    if scale < 1:
        size = max(1, round(height * scale)), max(1, round(width * scale))
        rows = frames.movedim(-1, 1).float().cpu()  # MPS averages over parts of one size alone
        frames = interpolate(rows, size, mode="area").movedim(1, -1)
    return (frames.clamp(0, 1) * 255).round().to("cpu", torch.uint8)


def pixels(picture: Tensor) -> Image.Image:
    """One picture (H,W,3) in [0,1]."""
    return Image.fromarray((picture.clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy())
