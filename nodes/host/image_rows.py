"""Images as the host gives them to a node: a batch, or a list whose images differ in size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...rewards import rgb
from ...rewards.types import Group
from .channels import to_rgb


def listed(name: str, value: Any) -> list[Any]:
    """The values of an input. The host gives a list of them, a script the value alone.

    Raises:
        ValueError: the list is empty.
    """
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError(f"{name} has no value: got an empty list, expected at least one.")
    return values


def single(name: str, value: Any) -> Any:
    """The value of an input that takes one.

    Raises:
        ValueError: the list has none or several.
    """
    values = listed(name, value)
    if len(values) > 1:
        raise ValueError(f"{name} takes one value: got a list of {len(values)}, expected one.")
    return values[0]


def check_images(batch: Tensor) -> None:
    """Refuse what is no batch of images (B,H,W,C), before any is scored.

    Raises:
        ValueError: the shape is another one, or no reward takes that many channels.
    """
    if batch.ndim != 4 or 0 in batch.shape:
        raise ValueError(
            f"The images have the wrong shape: got {tuple(batch.shape)}, expected (batch, height, "
            "width, channels), each at least 1."
        )
    rgb(batch[:0])


def clips_of(images: Tensor, length: int) -> Tensor:
    """Images (B,H,W,C) as videos (B / length, length, H, W, C); as they are if `length` is 1."""
    if length < 0:
        raise ValueError(f"clip_length is negative: got {length}, expected 0 or more.")
    if length == 1:
        return images
    length = length or len(images)
    if len(images) % length:
        raise ValueError(
            f"The images do not fill whole videos: got {len(images)} images, expected a multiple "
            f"of clip_length {length}."
        )
    return images.unflatten(0, (-1, length))


@dataclass(frozen=True)
class ImageRows:
    """The images or videos of a batch or of a list, in order; each is a row.

    Args:
        items: one batch, or a list of batches: images (B,H,W,C) or videos (B,T,H,W,C).
        prompts: of each row.
    """

    items: list[Tensor]
    prompts: list[str]

    @classmethod
    def of(cls, images: list[Tensor], prompts: list[str], clip_length: int) -> ImageRows:
        """The rows of a node's inputs.

        Args:
            images: batches (B,H,W,C), not empty.
            prompts: one for all, or one for each batch.
            clip_length: images of a video; 1: each image is a row, 0: each batch is a video.

        Raises:
            ValueError: the shape of an image, or the number of prompts or images does not fit.
        """
        for batch in images:
            check_images(batch)
        if len(prompts) not in (1, len(images)):
            numbers = "1" if len(images) == 1 else f"1 or {len(images)}"
            raise ValueError(
                f"The prompts do not fit the list of images: got {len(prompts)}, expected "
                f"{numbers}."
            )
        items = [clips_of(batch, clip_length) for batch in images]
        spread = prompts * len(items) if len(prompts) == 1 else prompts
        pairs = zip(items, spread, strict=True)
        return cls(items, [prompt for item, prompt in pairs for _ in item])

    @property
    def is_batch(self) -> bool:
        return len(self.items) == 1

    @property
    def are_videos(self) -> bool:
        return self.items[0].ndim == 5

    @property
    def rows(self) -> list[Tensor]:
        """Images (H,W,C) or videos (T,H,W,C)."""
        return [row for item in self.items for row in item]

    def picked(self, positions: list[int]) -> list[Tensor]:
        """These rows as an output of the host: of a batch a batch, of a list a list.

        The frames of videos follow one after the other.
        """
        rows = self.rows
        chosen = [rows[i] if self.are_videos else rows[i][None] for i in positions]
        return [torch.cat(chosen)] if self.is_batch else chosen


class SizeGroups(Sequence[Group]):
    """Rows as groups of one size, in RGB. A batch is one group.

    A group of a list has at most `at_once` rows. It is stacked when it is read, so that no second
    copy of all images is needed.
    """

    def __init__(self, images: ImageRows, at_once: int) -> None:
        self.images, self.rows = images, images.rows
        by_size: dict[tuple[int, ...], list[int]] = {}
        for position, row in enumerate(self.rows):
            by_size.setdefault(tuple(row.shape), []).append(position)
        size = len(self.rows) if images.is_batch else at_once
        self.parts = [
            alike[start : start + size]
            for alike in by_size.values()
            for start in range(0, len(alike), size)
        ]

    @property
    def positions(self) -> list[int]:
        """Which row each image of the groups is."""
        return [position for part in self.parts for position in part]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> Group:
        part, images = self.parts[index], self.images
        batch = images.items[0] if images.is_batch else torch.stack([self.rows[i] for i in part])
        prompts = [images.prompts[i] for i in part]
        return to_rgb(batch, "Score Images: the images have"), prompts
