"""Small images of the particles that a search accepts, for the panel."""

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

from ..host.guard import guard
from ..host.image_bytes import FRAME_MS, SIZE
from .output import write
from .report import decoded

SUBFOLDER = "flow_search"
THUMBNAIL = 96  # px, longer side of an image in an event and in a saved workflow
RESULT = 288  # px, the same for the result
PATHS = 64  # paths whose best image is kept


def previews_on() -> bool:
    """Whether the host's option, or the prompt's own setting, asks for previews.

    They are for clients without the panel: a page that has it does not draw them.
    """
    return args.preview_method != LatentPreviewMethod.NoPreviews


def jpeg(frames: Tensor, size: int, quality: int) -> bytes:
    """A shrunk image as JPEG. For a video it is the middle frame, as the first may be an input.

    Args:
        frames: (T,h,w,3) bytes; T is 1 for an image.
        size: px, of the longer side at most.
        quality: of the JPEG, 1 to 95.
    """
    image = Image.fromarray(frames[len(frames) // 2].numpy())
    image.thumbnail((size, size))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def webp(frames: Tensor) -> bytes:
    """A shrunk video as a WebP that plays in a loop."""
    first, *rest = (Image.fromarray(frame.numpy()) for frame in frames)
    file, playing = io.BytesIO(), {"duration": FRAME_MS, "loop": 0}
    first.save(file, "WEBP", save_all=True, append_images=rest, quality=80, method=2, **playing)
    return file.getvalue()


def stored(name: str, frames: Tensor) -> dict[str, str]:
    """Write a shrunk image or video into the temp folder. Returns its reference for /view."""
    folder = os.path.join(folder_paths.get_temp_directory(), SUBFOLDER)
    os.makedirs(folder, exist_ok=True)
    moving = len(frames) > 1
    name += ".webp" if moving else ".jpg"
    content = webp(frames) if moving else jpeg(frames, SIZE, 90)
    write(os.path.join(folder, name), content, lasting=False)
    return {"filename": name, "subfolder": SUBFOLDER, "type": "temp"}


@dataclass
class Gallery:
    """Shrunk images by particle id: those of the last round, and the best of each path.

    The best of a path is dropped when the path accepts a particle. Older images are not kept.

    Args:
        node_id: of the search node, for the names of files.
        latest: images of the last round by particle id.
        best: reward, particle id and image of the best particle by path.
        run: random text in the names of files.
        logged: tasks whose failure has been logged.
    """

    node_id: str
    latest: dict[int, Tensor] = field(default_factory=dict)
    best: dict[int, tuple[float, int, Tensor]] = field(default_factory=dict)  # by path
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    logged: set[str] = field(default_factory=set)

    def see(self, rows: list[dict[str, Any]], images: dict[int, Tensor]) -> None:
        """Keep the images of a round.

        Args:
            rows: trace rows of the round.
            images: by place among the decoded rows.
        """
        with_image = decoded(rows)
        self.latest = {with_image[i]["id"]: image for i, image in images.items()}
        for i, image in images.items():
            row = with_image[i]
            if row["path"] not in self.best or row["reward"] > self.best[row["path"]][0]:
                self.best[row["path"]] = row["reward"], row["id"], image
        while len(self.best) > PATHS:
            del self.best[next(iter(self.best))]

    def moved(self, rows: list[dict[str, Any]]) -> list[int]:
        """Ids of the accepted particles that have an image. The best of their paths is dropped."""
        ids = [row["id"] for row in rows if self.find(row["id"]) is not None]
        self.latest |= {i: self.find(i) for i in ids}
        for row in rows:
            self.best.pop(row["path"], None)
        return ids

    def find(self, particle: int) -> Tensor | None:
        """The image of a particle, or None."""
        best = {i: image for _, i, image in self.best.values()}
        return self.latest.get(particle, best.get(particle))

    def message(self, particle: int | str, image: Tensor, size: int = THUMBNAIL) -> dict[str, Any]:
        """The entry of an image in an event: a small JPEG in base64, and a larger file.

        Args:
            particle: id, or a name for what is no particle.
            image: (T,h,w,3) bytes.
            size: px, longer side of the JPEG.
        """
        name = re.sub(r"\W", "_", f"{self.node_id}_{self.run}_{particle}")
        small = base64.b64encode(jpeg(image, size, 75)).decode("ascii")
        file = None
        with guard("store an image for the panel", self.logged):
            file = stored(name, image)
        return {"id": particle, "jpeg": small, "file": file}
