"""Weights on disk: what a file or folder holds, told without loading it, and its tensors.

Nothing is ever downloaded and no code of a checkpoint is run: weights are safetensors, or pickles
read with ``weights_only``. A folder is a Hugging Face one: config.json beside its weights. Every
error is a ValueError of one sentence that says what the file looks like and what is wanted.
"""

import functools
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import torch

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
WRAPPERS = ("state_dict", "model")
PREFIXES = ("", "model.", "module.", "clip.", "module.model.")
# A key that gives away what holds it, most telling first.
LOOKS_LIKE = {
    "rm_head.0.weight": "HPSv3",
    "blip.text_encoder.embeddings.word_embeddings.weight": "ImageReward",
    "mm_projector.0.weight": "CLIP-FlanT5",
    "scoring_head.0.weight": "the head of Aesthetic Predictor V2.5",
    "layers.7.weight": "the head of the LAION aesthetic predictor",
    "visual.conv1.weight": "CLIP in open_clip layout",
    "vision_model.head.probe": "SigLIP",
    "logit_scale": "CLIP in Hugging Face layout",
    "text_model.embeddings.token_embedding.weight": "a CLIP text encoder alone",
    "vision_model.embeddings.patch_embedding.weight": "a CLIP vision encoder alone",
    "double_blocks.0.img_attn.qkv.weight": "a FLUX diffusion model",
    "encoder.block.0.layer.0.SelfAttention.q.weight": "a T5 text encoder",
}


class Wanted(NamedTuple):
    """What a family loads, for its errors: a noun phrase, and the page to get it from."""

    what: str
    page: str

    def error(self, path: Path, problem: str) -> ValueError:
        """``path`` has a ``problem`` ("looks like SigLIP", "cannot be read")."""
        return ValueError(f"{path} {problem}: {self.what} is wanted, to be had at {self.page}.")


@dataclass(frozen=True)
class Peek:
    """What a file or folder holds: ``config`` is a folder's config.json, {} of a file.

    ``shapes`` are the shapes of its tensors by key; None of a file that cannot be told without
    reading it whole (an old pickle), and of a folder's pickles.
    """

    path: Path
    config: Mapping[str, object] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] | None = None

    @property
    def kind(self) -> str:
        """The folder's ``model_type``, "" of a file."""
        return str(self.config.get("model_type", ""))

    def prefix(self, *keys: str) -> str | None:
        """The prefix under which all ``keys`` are found, None if under none."""
        shapes = self.shapes or {}
        return next((p for p in PREFIXES if all(p + key in shapes for key in keys)), None)

    def has(self, *keys: str) -> bool:
        """Whether all ``keys`` are there, behind one of the known prefixes."""
        return self.prefix(*keys) is not None

    @property
    def unknown(self) -> bool:
        """True of a file whose keys cannot be told: any family may try."""
        return self.shapes is None and not self.config

    def looks_like(self) -> str:
        """A noun phrase."""
        found = next((name for key, name in LOOKS_LIKE.items() if self.has(key)), None)
        if found or not self.kind:
            first = next(iter(self.shapes or {}), None)
            return found or f"something else (first key {first})"
        return f'a model of type "{self.kind}"'


def peek(path: Path) -> Peek:
    """Look at a file or folder; ValueError if it is neither weights nor a folder of weights."""
    marker = path / "config.json" if path.is_dir() else path
    if not marker.is_file():
        raise ValueError(f"{path} is neither a weights file nor a folder with a config.json.")
    stat = marker.stat()
    return _peek(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=4096)
def _peek(path: Path, changed: int, size: int) -> Peek:
    try:
        if path.is_dir():
            config = json.loads((path / "config.json").read_text(encoding="utf-8"))
            return Peek(path, config, _folder_shapes(path))
        return Peek(path, {}, _file_shapes(path))
    except Exception as error:  # a file of any kind may lie there
        raise ValueError(f"{path} cannot be read as weights ({type(error).__name__}).") from error


def _folder_shapes(path: Path) -> dict[str, tuple[int, ...]] | None:
    files = sorted(path.glob("*.safetensors"))
    return {k: s for file in files for k, s in _header(file).items()} if files else None


def _file_shapes(path: Path) -> dict[str, tuple[int, ...]] | None:
    if path.suffix == ".safetensors":
        return _header(path)
    with open(path, "rb") as file:
        if file.read(2) != b"PK":  # torch.save before 1.6: must be read whole
            return None
    state = _unwrapped(torch.load(path, map_location="meta", weights_only=True))
    return {key: tuple(value.shape) for key, value in state.items()}


def _header(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes by key of a safetensors file, from its first bytes."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if length > min(path.stat().st_size, 100_000_000):
            raise ValueError("not a safetensors header")
        head = json.loads(file.read(length))
    return {k: tuple(v["shape"]) for k, v in head.items() if k != "__metadata__"}


def _unwrapped(found: object) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint, out of a trainer's wrapper."""
    for name in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict):
        raise ValueError("no tensors by name")
    return {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}


def read_state(path: Path, wanted: Wanted, *keys: str) -> dict[str, torch.Tensor]:
    """All tensors of the file ``path``, without the prefix under which ``keys`` are found."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = _unwrapped(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise wanted.error(path, f"cannot be read as weights ({type(error).__name__})") from error
    seen = Peek(path, {}, {key: tuple(value.shape) for key, value in state.items()})
    prefix = seen.prefix(*keys)
    if prefix is None:
        raise wanted.error(path, f"looks like {seen.looks_like()}")
    return {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}


def check_complete(path: Path, missing: object, wanted: Wanted) -> None:
    """Raise if keys are ``missing``; buffers of positions may be."""
    lost = sorted(key for key in missing if not key.endswith("position_ids"))
    if lost:
        raise wanted.error(path, f"lacks {len(lost)} tensors, {lost[0]} among them")
