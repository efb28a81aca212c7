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
from comfy.cli_args import LatentPreviewMethod, args
from PIL import Image
from torch import Tensor

from ..host.aside import aside
from ..host.pictures import FRAME_MS, SIZE
from .output import write
from .report import decoded

SUBFOLDER = "flow_search"
THUMBNAIL = 96  # longer side of what goes out with an event and is saved with the workflow
RESULT = 288  # the same for the picture returned
PATHS = 64  # paths whose best candidate is remembered


def previews_on() -> bool:
    """Whether the host's option, or the prompt's own setting, asks for previews.

    They are for clients without the panel: a page that has it does not draw them.
    """
    return args.preview_method != LatentPreviewMethod.NoPreviews


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
