"""Small pictures of the candidates that a search moves to, for whoever watches it."""

from __future__ import annotations

import base64
import io
import logging
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

from .report import decoded

log = logging.getLogger("flow_search")
SUBFOLDER = "flow_search"
SIZE = 512  # longer side of what is kept of a candidate, and of its file
THUMBNAIL = 96  # longer side of what goes out with an event and is saved with the workflow
RESULT = 288  # the same for the picture returned
PATHS = 64  # paths whose best candidate is remembered


def shrink(picture: Tensor) -> Tensor:
    """A picture (H,W,3), or a clip's (T,H,W,3) first frame, as bytes of at most SIZE a side."""
    frame = picture[0] if picture.ndim == 4 else picture
    height, width = frame.shape[:2]
    scale = SIZE / max(height, width)
    if scale < 1:
        size = max(1, round(height * scale)), max(1, round(width * scale))
        rows = frame.movedim(-1, 0)[None].float()
        frame = interpolate(rows, size, mode="area")[0].movedim(0, -1)
    return (frame.clamp(0, 1) * 255).round().to("cpu", torch.uint8)


def jpeg(picture: Tensor, size: int, quality: int) -> bytes:
    """A shrunk picture as JPEG of at most `size` a side."""
    image = Image.fromarray(picture.numpy())
    image.thumbnail((size, size))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def stored(name: str, picture: Tensor) -> dict[str, str]:
    """Write a shrunk picture into the temp folder; the reference that the host's /view takes."""
    folder = os.path.join(folder_paths.get_temp_directory(), SUBFOLDER)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(jpeg(picture, SIZE, 90))
    return {"filename": name, "subfolder": SUBFOLDER, "type": "temp"}


@dataclass
class Gallery:
    """Shrunk pictures by particle id: those of the last round, and the best of each path since it
    last moved. Older ones are gone."""

    node_id: str
    latest: dict[int, Tensor] = field(default_factory=dict)
    best: dict[int, tuple[float, int, Tensor]] = field(default_factory=dict)  # by path
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

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
        name = re.sub(r"\W", "_", f"{self.node_id}_{self.run}_{particle}") + ".jpg"
        small = base64.b64encode(jpeg(picture, size, 75)).decode("ascii")
        try:
            file = stored(name, picture)
        except OSError as error:  # who only watches must not end the search
            log.warning("A picture for the panel could not be stored: %s", error)
            file = None
        return {"id": particle, "jpeg": small, "file": file}
