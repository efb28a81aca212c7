"""Networks of images in a local folder of transformers, with their own preparation of pixels.

The folder has config.json, preprocessor_config.json and weights. A folder with code of its own is
refused, as are sizes that its weights cannot have. Every error is a ValueError.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..files.config_sizes import check_config, entries
from ..files.json_files import plain, read_json
from ..files.source import reading
from ..files.weights import Peek, Source, code_in, look
from ..pixels.resize import resizable
from .clip_checkpoint import build_model

if TYPE_CHECKING:
    from transformers import BaseImageProcessor, PreTrainedModel

PREPARATION = "preprocessor_config.json"
SIDE = 2048  # largest side of an image that a preparation may ask for, in pixels
SIDES = {"height", "width", "shortest_edge", "longest_edge", "size", "crop_size"}
LOCAL = {"local_files_only": True, "trust_remote_code": False}  # for transformers


@dataclass(frozen=True)
class Pixels:
    """The preparation of a folder, with a gradient: images (B, H, W, 3) -> (B, 3, h, w)."""

    processor: "BaseImageProcessor"

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Images in [0, 1], float32 -> pixels on their device, float32.

        They are clamped after resizing, as 8-bit images are: the cubic kernel overshoots.
        """
        planes = list(resizable(images).permute(0, 3, 1, 2))
        options = {"do_rescale": False, "do_normalize": False, "return_tensors": "pt"}
        pixels = self.processor(images=planes, **options)["pixel_values"].clamp(0.0, 1.0)
        if self.processor.do_normalize:
            parts = (self.processor.image_mean, self.processor.image_std)
            mean, std = (pixels.new_tensor(values)[:, None, None] for values in parts)
            pixels = (pixels - mean) / std
        return pixels.to(images.device)


def load_pixels(path: Path, source: Source) -> Pixels:
    """The preparation that the folder `path` describes."""
    import transformers

    file = path / PREPARATION
    if not file.is_file():
        raise source.error(path, f"has no {PREPARATION}")
    with reading(file, source):
        settings = read_json(file)
        if not isinstance(settings, dict):
            raise ValueError("it is not a configuration")
    _check_preparation(path, source, settings)
    backends = importlib.util.find_spec("transformers.image_processing_backends")
    fast = {"backend": "torchvision"} if backends else {"use_fast": True}
    with reading(file, source), plain(path) as folder:
        return Pixels(transformers.AutoImageProcessor.from_pretrained(folder, **fast, **LOCAL))


def _check_preparation(path: Path, source: Source, settings: Mapping[str, object]) -> None:
    """Raise ValueError for code of its own, and for sides that are no whole number up to `SIDE`."""
    if code := code_in(settings):
        raise source.error(path, f"asks to run code of its own ({code} in {PREPARATION})")
    for place, number in entries(settings):
        if place.rpartition(".")[2] not in SIDES:
            continue
        for side in number if isinstance(number, list) else [number]:
            if side is not None and not (type(side) is int and 0 < side <= SIDE):
                asks = f"asks for {place} {number!r}, not a whole number from 1 to {SIDE}"
                raise source.error(path / PREPARATION, asks)


def checked_peek(path: Path, source: Source, kinds: Mapping[str, str]) -> Peek:
    """What the folder `path` holds; ValueError unless its type is one of `kinds`.

    Args:
        path: the folder.
        source: what the family loads, for errors.
        kinds: the names of the model classes by `model_type`.
    """
    peek = look(path, source)
    if peek.kind not in kinds:
        raise source.error(path, f"looks like {peek.looks_like()}")
    if peek.config.get("use_pretrained_backbone"):
        raise source.error(path, "lacks part of its weights, which it would have to download")
    check_config(path, peek.config, source, peek)
    return peek


def load_network(path: Path, source: Source, kinds: Mapping[str, str]) -> "PreTrainedModel":
    """The network in a folder: float32, frozen, in evaluation mode.

    Args:
        path: the folder.
        source: what the family loads, for errors.
        kinds: the names of the model classes by `model_type`.
    """
    import transformers

    peek = checked_peek(path, source, kinds)
    with reading(path / "config.json", source):
        model_class = getattr(transformers, kinds[peek.kind])
        config = model_class.config_class.from_dict(peek.config_copy())
    return build_model(model_class, path, source, config, None)
