"""Images as bytes: whole, or small for the page of a search. Knows nothing of the host."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

SIZE = 512  # pixels of the longer side of a small image, and of its file
VIDEO_SIZE = 256  # the same for a video
FRAMES, FRAME_MS = 16, 125  # frames kept of a video, and milliseconds that each is shown


def shrink(image: Tensor) -> Tensor:
    """A small copy as bytes (1,h,w,3), at most SIZE a side.

    A video becomes (n,h,w,3): at most FRAMES frames from first to last, VIDEO_SIZE a side.

    Args:
        image: (H,W,3) in [0,1], or a video (T,H,W,3).
    """
    is_video = image.ndim == 4
    chosen = torch.linspace(0, len(image) - 1, min(FRAMES, len(image))).round().long()
    frames = image[chosen] if is_video else image[None]
    height, width = frames.shape[1:3]
    scale = (VIDEO_SIZE if is_video else SIZE) / max(height, width)
    if scale < 1:
        size = max(1, round(height * scale)), max(1, round(width * scale))
        rows = frames.movedim(-1, 1).float().cpu()  # MPS averages over equal parts only
        frames = interpolate(rows, size, mode="area").movedim(1, -1)
    return (frames.clamp(0, 1) * 255).round().to("cpu", torch.uint8)


def pil_image(image: Tensor) -> Image.Image:
    """One image (H,W,3) in [0,1] as a PIL image."""
    return Image.fromarray((image.clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy())
