"""The panel at work as an animated WebP, from screenshots that were taken while a search ran."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageChops

WIDTH, MARGIN = 378, 10  # pixels
STEP, START, END = 250, 600, 4000  # ms: a frame, the first, the last
FRAMES = 40  # at most


def trimmed(shot: Image.Image) -> Image.Image:
    """A screenshot without the even area below the panel, which is as wide as the page."""
    plain = Image.new("RGB", shot.size, shot.getpixel((0, shot.height - 1)))
    box = ImageChops.difference(shot, plain).getbbox()
    bottom = min(box[3] + MARGIN, shot.height) if box else shot.height
    return shot.crop((0, 0, shot.width, bottom))


def padded(shot: Image.Image, height: int) -> Image.Image:
    """A screenshot with an even area below it, up to a height in pixels."""
    page = Image.new("RGB", (shot.width, height), shot.getpixel((0, 0)))
    page.paste(shot)
    return page


def scaled(shot: Image.Image) -> Image.Image:
    """A screenshot at the width of the page."""
    size = WIDTH, round(shot.height * WIDTH / shot.width)
    return shot.resize(size, Image.Resampling.LANCZOS)


def film(shots: Sequence[Image.Image]) -> list[Image.Image]:
    """Frames of one size, without those that show what the frame before shows."""
    height = max(trimmed(shot).height for shot in shots)
    frames = [scaled(padded(trimmed(shot), height)) for shot in shots]
    changed = [
        frame
        for before, frame in zip([None, *frames], frames, strict=False)
        if before is None or ImageChops.difference(before, frame).getbbox()
    ]
    stride = -(-len(changed) // FRAMES)
    return [*changed[:-1:stride], changed[-1]]


def save(frames: Sequence[Image.Image], path: Path) -> None:
    """Write an animated WebP that repeats for ever and stays longest on the result."""
    times = [STEP] * len(frames)
    times[0], times[-1] = START, END
    first, *rest = frames
    first.save(path, save_all=True, append_images=rest, duration=times, loop=0, quality=70,
               method=6)  # fmt: skip
