"""Small pictures of the candidates that a search moves to, for whoever watches it."""

from __future__ import annotations

import base64
import io
import os
import re
import uuid
from dataclasses import dataclass, field
from typing import Any

import folder_paths
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from .aside import aside
from .output import write
from .report import decoded

SUBFOLDER = "flow_search"
SIZE = 512  # longer side of what is kept of a picture, and of its file
CLIP = 256  # the same for a clip
FRAMES, FRAME_MS = 16, 125  # frames kept of a clip, and how long each of them shows
THUMBNAIL = 96  # longer side of what goes out with an event and is saved with the workflow
RESULT = 288  # the same for the picture returned
PATHS = 64  # paths whose best candidate is remembered


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


def frames(pictures: Tensor) -> Tensor:
    """Pictures (N,H,W,3); those of clips (K,T,H,W,3) one after the other."""
    return pictures.flatten(0, 1) if pictures.ndim == 5 else pictures


def jpeg(frames: Tensor, size: int, quality: int) -> bytes:
    """A shrunk picture as JPEG of at most `size` a side; of a clip, whose first frame may have been
    given, the middle one."""
    image = Image.fromarray(frames[len(frames) // 2].numpy())
    image.thumbnail((size, size))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def webp(frames: Tensor) -> bytes:
    """A shrunk clip as a WebP that plays again and again."""
    first, *others = (Image.fromarray(frame.numpy()) for frame in frames)
    file, shown = io.BytesIO(), {"duration": FRAME_MS, "loop": 0}
    first.save(file, "WEBP", save_all=True, append_images=others, quality=80, method=2, **shown)
    return file.getvalue()


def stored(name: str, frames: Tensor) -> dict[str, str]:
    """Write a shrunk picture into the temp folder; the reference that the host's /view takes."""
    folder = os.path.join(folder_paths.get_temp_directory(), SUBFOLDER)
    os.makedirs(folder, exist_ok=True)
    moving = len(frames) > 1
    name += ".webp" if moving else ".jpg"
    content = webp(frames) if moving else jpeg(frames, SIZE, 90)
    write(os.path.join(folder, name), content, lasting=False)
    return {"filename": name, "subfolder": SUBFOLDER, "type": "temp"}


@dataclass
class Gallery:
    """Shrunk pictures by particle id: those of the last round, and the best of each path since it
    last moved. Older ones are gone."""

    node_id: str
    latest: dict[int, Tensor] = field(default_factory=dict)
    best: dict[int, tuple[float, int, Tensor]] = field(default_factory=dict)  # by path
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    logged: set[str] = field(default_factory=set)

    def see(self, rows: list[dict[str, Any]], pictures: dict[int, Tensor]) -> None:
        """A round's trace rows, and its shrunk pictures by the row's place among those decoded."""
        came = decoded(rows)
        self.latest = {came[place]["id"]: picture for place, picture in pictures.items()}
        for place, picture in pictures.items():
            row = came[place]
            if row["path"] not in self.best or row["reward"] > self.best[row["path"]][0]:
                self.best[row["path"]] = row["reward"], row["id"], picture
        while len(self.best) > PATHS:
            del self.best[next(iter(self.best))]

    def moved(self, rows: list[dict[str, Any]]) -> list[int]:
        """Ids of those of `rows` whose picture is known; their paths begin anew."""
        ids = [row["id"] for row in rows if self.find(row["id"]) is not None]
        self.latest |= {i: self.find(i) for i in ids}
        for row in rows:
            self.best.pop(row["path"], None)
        return ids

    def find(self, particle: int) -> Tensor | None:
        remembered = {i: picture for _, i, picture in self.best.values()}
        return self.latest.get(particle, remembered.get(particle))

    def message(self, particle: int, picture: Tensor, size: int = THUMBNAIL) -> dict[str, Any]:
        """What an event tells of a picture: a small JPEG in base64, and where a larger one is."""
        name = re.sub(r"\W", "_", f"{self.node_id}_{self.run}_{particle}")
        small = base64.b64encode(jpeg(picture, size, 75)).decode("ascii")
        file = None
        with aside("store a picture for the panel", self.logged):
            file = stored(name, picture)
        return {"id": particle, "jpeg": small, "file": file}
