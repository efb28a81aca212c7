"""Weights on disk: what a file or folder holds, told without loading it, and its tensors.

Nothing is ever downloaded and no code of a checkpoint is run: weights are safetensors, or pickles
read with ``weights_only``. A folder is a Hugging Face one: config.json beside its weights. Every
error is a ValueError of one sentence that says what the file looks like and what is wanted.
"""

import copy
import functools
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from .broken_files import BrokenFile, problem, reason, weights_problem
from .json_files import read_json
from .quantisation import quantised
from .safetensors_header import incomplete, read_header
from .source import Source, Unreadable

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
WRAPPERS = ("state_dict", "model")
PREFIXES = ("", "model.", "module.", "clip.", "mlp.", "mps.", "module.model.")
# A key that gives away what holds it, most telling first.
LOOKS_LIKE = {
    "rm_head.0.weight": "HPSv3",
    "visual.patch_embed.proj.weight": "a vision-language model of Qwen",
    "blip.text_encoder.embeddings.word_embeddings.weight": "ImageReward",
    "mm_projector.0.weight": "CLIP-FlanT5",
    "qformer.embeddings.word_embeddings.weight": "InstructBLIP",
    "cross_model.layers.0.0.fn.to_q.weight": "MPS",
    "mlp.layers.7.weight": "the LAION aesthetic predictor with its CLIP",
    "scoring_head.0.weight": "the head of Aesthetic Predictor V2.5",
    "layers.7.weight": "the head of the LAION aesthetic predictor",
    "encoder.layers.0.fusion_layer.vision_param": "Grounding DINO",
    "transformer.encoder.fusion_layers.0.gamma_v": "Grounding DINO in its authors' layout",
    "objectness_head.dense0.weight": "OWLv2",
    "visual.conv1.weight": "CLIP in open_clip layout",
    "text_model.head.weight": "SigLIP",
    "vision_model.head.probe": "a SigLIP vision encoder alone",
    "logit_scale": "CLIP in Hugging Face layout",
    "text_model.embeddings.token_embedding.weight": "a CLIP text encoder alone",
    "vision_model.embeddings.patch_embedding.weight": "a CLIP vision encoder alone",
    "double_blocks.0.img_attn.qkv.weight": "a FLUX diffusion model",
    "encoder.block.0.layer.0.SelfAttention.q.weight": "a T5 text encoder",
}


class NeedsPyTorch26(RuntimeError):
    """Before it, ``weights_only`` could be tricked into running code (CVE-2025-32434)."""


@dataclass(frozen=True)
class Peek:
    """What a file or folder holds: ``config`` is a folder's config.json, {} of a file.

    ``shapes`` are the shapes of its tensors by key, ``dtypes`` their kinds of numbers, as torch
    calls them; None and {} of a file that cannot be told without reading it whole (an old pickle),
    and of a folder's pickles. ``short`` is said of files that end too early, "" if all are whole.
    """

    path: Path
    config: Mapping[str, object] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] | None = None
    dtypes: Mapping[str, str] = field(default_factory=dict)
    short: str = ""

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

    @property
    def code(self) -> str:
        """The entry by which a folder asks to run code, "" if none does: never loaded."""
        return code_in(self.config)

    @property
    def bare(self) -> bool:
        """Whether a folder has no weights."""
        return self.path.is_dir() and not any(map(is_weights, self.path.iterdir()))

    def config_copy(self) -> dict[str, object]:
        """``config`` to make a configuration of: transformers 4 takes out what it reads."""
        return copy.deepcopy(dict(self.config))

    @property
    def quantised(self) -> str:
        """How its numbers are packed, "" if they are plain or fp8 without scales."""
        return quantised(self.config, self.shapes or {}, self.dtypes)

    def looks_like(self) -> str:
        """A noun phrase."""
        found = next((name for key, name in LOOKS_LIKE.items() if self.has(key)), None)
        if found or not self.kind:
            first = next(iter(self.shapes or {}), None)
            other = f"something else (first key {first})" if first else "a file without tensors"
            return found or other
        return f'a model of type "{self.kind}"'


def is_weights(file: Path) -> bool:
    """Whether a file is called as weights are."""
    return file.suffix.lower() in SUFFIXES


def peek(path: Path) -> Peek:
    """Look at a file or folder; Unreadable if it is neither weights nor a folder of weights."""
    try:
        files = _files(path)
        _check_sound(path, files)
        stats = [file.stat() for file in files]
        return _peek(path, tuple((stat.st_mtime_ns, stat.st_size) for stat in stats))
    except OSError as error:
        raise Unreadable(path, f"cannot be read ({reason(path, error)})") from error


def _files(path: Path) -> list[Path]:
    """What is looked at: the file, or a folder's config.json and its weights."""
    config = path / "config.json"
    if path.is_dir() and os.path.lexists(config):
        return [config, *_weights(path)]
    if path.is_dir() and is_weights(path):
        return [path]
    if path.is_dir() or not os.path.lexists(path):
        raise Unreadable(path, "is neither a weights file nor a folder with a config.json")
    return [path]


def _check_sound(path: Path, files: list[Path]) -> None:
    for file in files:
        found = weights_problem(file) if is_weights(file) else problem(file)
        if found and file.name == "config.json":
            raise Unreadable(path, f"has a config.json that cannot be read ({found})")
        if found:
            raise Unreadable(file, f"cannot be read as weights ({found})")


@functools.lru_cache(maxsize=4096)
def _peek(path: Path, stamps: tuple[tuple[int, int], ...]) -> Peek:
    """``stamps`` tell a file that was changed from one that was seen."""
    if path.is_file():
        return Peek(path, {}, *_told([path]))
    try:
        config = read_config(path)
    except ValueError as error:
        why = f"has a config.json that cannot be read ({reason(path / 'config.json', error)})"
        raise Unreadable(path, why) from error
    return Peek(path, config, *_told(_safetensors(path)))


def _told(files: list[Path]) -> tuple[dict[str, tuple[int, ...]] | None, dict[str, str], str]:
    """The last three of a Peek, of all ``files`` together."""
    shapes, dtypes, short = {}, {}, ""
    for file in files:
        prefix = f"{file.name}: " if len(files) > 1 else ""
        try:
            if file.suffix.lower() == ".safetensors":
                head = read_header(file)
                size = file.stat().st_size
                if size < head.length:
                    short = f"{prefix}{incomplete(size, head.length)}"
                shapes, dtypes = shapes | head.shapes, dtypes | head.dtypes
            elif not zipfile.is_zipfile(file):  # torch.save before 1.6: must be read whole
                return None, {}, ""
            else:
                state = unpickled(file, "meta")
                shapes |= {key: tuple(value.shape) for key, value in state.items()}
                dtypes |= {k: str(v.dtype).removeprefix("torch.") for k, v in state.items()}
        except Exception as error:  # a file of any kind may lie there
            why = f"cannot be read as weights ({reason(file, error)})"
            raise Unreadable(file, why) from error
    return (shapes if files else None), dtypes, short


def look(path: Path, source: Source) -> Peek:
    """As `peek`, of what is about to be loaded: its errors say what is ``wanted``, and a folder
    that asks to run code of its own is refused.
    """
    if not os.path.lexists(path):
        raise source.error(path, "does not exist")
    try:
        seen = peek(path)
    except Unreadable as error:
        raise source.error(error.path, error.problem) from error
    if seen.code:
        raise source.error(path, f"asks to run code of its own ({seen.code} in config.json)")
    if seen.short:
        raise source.error(path, f"cannot be read as weights ({seen.short})")
    if seen.quantised:
        raise source.error(path, f"is quantised ({seen.quantised})")
    return seen


def code_in(config: Mapping[str, object]) -> str:
    """What would run code in a configuration: `auto_map`, or, at any depth, an implementation of
    attention that names a repository, from which transformers gets a kernel where it can."""
    if "auto_map" in config:
        return "auto_map"
    for key, value in config.items():
        if key.endswith("_implementation") and "/" in json.dumps(value):
            return key
        if isinstance(value, Mapping) and (found := code_in(value)):
            return found
    return ""


def read_config(path: Path) -> dict[str, object]:
    """The config.json of the folder ``path``, {} if there is none; ValueError if it is none."""
    file = path / "config.json"
    config = read_json(file) if file.is_file() else {}
    if not isinstance(config, dict):
        raise BrokenFile("it is no configuration")
    return config


def _weights(path: Path) -> list[Path]:
    """A folder's weights: beside those of a model other files may lie, a head's or another's."""
    found = [file for file in sorted(path.iterdir()) if is_weights(file)]
    every = [file for file in found if file.suffix.lower() == ".safetensors"]
    named = [file for file in every if file.name.lower().startswith("model")]
    pickles = [file for file in found if file.name.lower().startswith("pytorch_model")]
    return named or pickles or every


def _safetensors(path: Path) -> list[Path]:
    return [file for file in _weights(path) if file.suffix.lower() == ".safetensors"]


def has_safetensors(path: Path) -> bool:
    """Whether a folder's weights are; pickles in their place must be safe to read."""
    if not _safetensors(path):
        _check_pickles()
        return False
    return True


def _check_pickles() -> None:
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 6):
        raise NeedsPyTorch26


def unpickled(path: Path, device: str) -> dict[str, torch.Tensor]:
    """The tensors of a pickle, out of a trainer's wrapper."""
    _check_pickles()
    found = torch.load(path, map_location=device, weights_only=True)
    for name in WRAPPERS * 2:  # one in the other, in either order
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict):
        raise ValueError("no tensors by name")
    return {k: v for k, v in found.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}


def single_file(path: Path, source: Source) -> Path | None:
    """The one weights file that ``path`` is or holds; None of a folder of a known ``model_type``.

    Some publish a file beside a config.json that tells nothing of it: the file speaks for itself.
    """
    if path.is_file():
        return path
    bare = path.is_dir() and not os.path.lexists(path / "config.json")
    if not bare and look(path, source).kind:
        return None
    files = _safetensors(path)
    if len(files) != 1:
        raise source.error(path, f"has no config.json of a model and {len(files)} weights files")
    return files[0]


def weights_file(path: Path, source: Source) -> Path:
    """As `single_file`, for a model that is never a folder with a configuration of its own."""
    file = single_file(path, source)
    if file is None:
        raise source.error(path, f"looks like {peek(path).looks_like()}")
    return file
