"""Weights on disk: what a file or folder holds, without loading it, and its tensors.

Nothing is downloaded and no code of a checkpoint runs: weights are safetensors, or pickles read
with `weights_only`. A folder has the Hugging Face layout: config.json beside its weights. Every
error is a ValueError that says what the file looks like and what is expected.
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
from .known_keys import LOOKS_LIKE
from .quantisation import quantised
from .safetensors_header import incomplete, read_header
from .source import Source, Unreadable

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
WRAPPERS = ("state_dict", "model")
PREFIXES = ("", "model.", "module.", "clip.", "mlp.", "mps.", "module.model.")


class NeedsPyTorch26(RuntimeError):
    """Before PyTorch 2.6, `weights_only` could be tricked into running code (CVE-2025-32434)."""


@dataclass(frozen=True)
class Peek:
    """What a file or folder holds.

    Args:
        path: the file or folder.
        config: the folder's config.json, {} for a file.
        shapes: shapes of the tensors by key. None for an old pickle, which must be read whole, and
            for a folder's pickles.
        dtypes: dtypes of the tensors by key, named as torch names them; {} without `shapes`.
        truncated: the problem if a file ends too early, "" if all files are whole.
    """

    path: Path
    config: Mapping[str, object] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] | None = None
    dtypes: Mapping[str, str] = field(default_factory=dict)
    truncated: str = ""

    @property
    def kind(self) -> str:
        """The `model_type` of the folder's config.json, "" for a file."""
        return str(self.config.get("model_type", ""))

    def prefix(self, *keys: str) -> str | None:
        """The known prefix that all `keys` have in the file, None if there is none."""
        shapes = self.shapes or {}
        return next((p for p in PREFIXES if all(p + key in shapes for key in keys)), None)

    def has(self, *keys: str) -> bool:
        """Whether the file has all `keys`, behind one of the known prefixes."""
        return self.prefix(*keys) is not None

    @property
    def unknown(self) -> bool:
        """Whether the keys cannot be read without loading the file: any family may try to."""
        return self.shapes is None and not self.config

    @property
    def code(self) -> str:
        """The entry of config.json that asks to run code, "" if there is none."""
        return code_in(self.config)

    @property
    def no_weights(self) -> bool:
        """Whether this is a folder without weights."""
        return self.path.is_dir() and not any(map(is_weights, self.path.iterdir()))

    def config_copy(self) -> dict[str, object]:
        """A copy of `config` for transformers, which in version 4 removes what it reads."""
        return copy.deepcopy(dict(self.config))

    @property
    def quantised(self) -> str:
        """How the tensors are quantised, "" if they are not; fp8 without scales is not."""
        return quantised(self.config, self.shapes or {}, self.dtypes)

    def looks_like(self) -> str:
        """What this seems to be, a noun phrase."""
        name = next((name for key, name in LOOKS_LIKE.items() if self.has(key)), None)
        if name:
            return name
        if self.kind:
            return f'a model of type "{self.kind}"'
        first = next(iter(self.shapes or {}), None)
        return f"something else (first key {first})" if first else "a file without tensors"


def is_weights(file: Path) -> bool:
    """Whether a file's name ends as weights' names do."""
    return file.suffix.lower() in SUFFIXES


def peek(path: Path) -> Peek:
    """Look into a file or folder; raise Unreadable if it holds no weights."""
    try:
        files = _files(path)
        _check_files(path, files)
        stats = [file.stat() for file in files]
        return _peek(path, tuple((stat.st_mtime_ns, stat.st_size) for stat in stats))
    except OSError as error:
        raise Unreadable(path, f"cannot be read ({reason(path, error)})") from error


def _files(path: Path) -> list[Path]:
    """The files to look into: `path` itself, or a folder's config.json and weights."""
    config = path / "config.json"
    if path.is_dir() and os.path.lexists(config):
        return [config, *_weights(path)]
    if path.is_dir() and is_weights(path):
        return [path]
    if path.is_dir() or not os.path.lexists(path):
        raise Unreadable(path, "is neither a weights file nor a folder with a config.json")
    return [path]


def _check_files(path: Path, files: list[Path]) -> None:
    for file in files:
        trouble = weights_problem(file) if is_weights(file) else problem(file)
        if trouble and file.name == "config.json":
            raise Unreadable(path, f"has a config.json that cannot be read ({trouble})")
        if trouble:
            raise Unreadable(file, f"cannot be read as weights ({trouble})")


@functools.lru_cache(maxsize=4096)
def _peek(path: Path, stamps: tuple[tuple[int, int], ...]) -> Peek:
    """As `peek`, cached. `stamps`, the time and size of each file, change when a file does."""
    if path.is_file():
        return Peek(path, {}, *_tensors([path]))
    try:
        config = read_config(path)
    except ValueError as error:
        why = f"has a config.json that cannot be read ({reason(path / 'config.json', error)})"
        raise Unreadable(path, why) from error
    return Peek(path, config, *_tensors(_safetensors(path)))


def _tensors(files: list[Path]) -> tuple[dict[str, tuple[int, ...]] | None, dict[str, str], str]:
    """`shapes`, `dtypes` and `truncated` of a Peek, for all `files` together."""
    shapes, dtypes, truncated = {}, {}, ""
    for file in files:
        prefix = f"{file.name}: " if len(files) > 1 else ""
        try:
            if file.suffix.lower() == ".safetensors":
                head = read_header(file)
                size = file.stat().st_size
                if size < head.length:
                    truncated = f"{prefix}{incomplete(size, head.length)}"
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
    return (shapes if files else None), dtypes, truncated


def look(path: Path, source: Source) -> Peek:
    """As `peek`, but its errors name the `source`, and it refuses all that no family loads."""
    if not os.path.lexists(path):
        raise source.error(path, "does not exist")
    try:
        contents = peek(path)
    except Unreadable as error:
        raise source.error(error.path, error.problem) from error
    if contents.code:
        raise source.error(path, f"asks to run code of its own ({contents.code} in config.json)")
    if contents.truncated:
        raise source.error(path, f"cannot be read as weights ({contents.truncated})")
    if contents.quantised:
        raise source.error(path, f"is quantised ({contents.quantised})")
    return contents


def code_in(config: Mapping[str, object]) -> str:
    """The entry of a configuration that would run code, "" if there is none.

    That is `auto_map`. At any depth it is also an implementation of attention that names a
    repository: transformers would download a kernel from there.
    """
    if "auto_map" in config:
        return "auto_map"
    for key, value in config.items():
        if key.endswith("_implementation") and "/" in json.dumps(value):
            return key
        if isinstance(value, Mapping) and (entry := code_in(value)):
            return entry
    return ""


def read_config(path: Path) -> dict[str, object]:
    """The config.json of a folder, {} if there is none; ValueError if it is not a configuration."""
    file = path / "config.json"
    config = read_json(file) if file.is_file() else {}
    if not isinstance(config, dict):
        raise BrokenFile("it is not a configuration")
    return config


def _weights(path: Path) -> list[Path]:
    """A folder's weights, by name: weights of a head or another model may lie beside them."""
    files = [file for file in sorted(path.iterdir()) if is_weights(file)]
    safetensors = [file for file in files if file.suffix.lower() == ".safetensors"]
    named = [file for file in safetensors if file.name.lower().startswith("model")]
    pickles = [file for file in files if file.name.lower().startswith("pytorch_model")]
    return named or pickles or safetensors


def _safetensors(path: Path) -> list[Path]:
    return [file for file in _weights(path) if file.suffix.lower() == ".safetensors"]


def has_safetensors(path: Path) -> bool:
    """Whether a folder has safetensors; NeedsPyTorch26 if its pickles are not safe to read."""
    if not _safetensors(path):
        _check_pickles()
        return False
    return True


def _check_pickles() -> None:
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 6):
        raise NeedsPyTorch26


def unpickled(path: Path, device: str) -> dict[str, torch.Tensor]:
    """The tensors of a pickle by key, also if a trainer wrapped them."""
    _check_pickles()
    state = torch.load(path, map_location=device, weights_only=True)
    for name in WRAPPERS * 2:  # one in the other, in either order
        if isinstance(state, dict) and isinstance(state.get(name), dict):
            state = state[name]
    if not isinstance(state, dict):
        raise ValueError("no tensors by name")
    return {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}


def single_file(path: Path, source: Source) -> Path | None:
    """The one weights file that `path` is or holds; None for a folder with a `model_type`.

    Some publish a file beside a config.json that does not describe it: then the file counts alone.
    """
    if path.is_file():
        return path
    without_config = path.is_dir() and not os.path.lexists(path / "config.json")
    if not without_config and look(path, source).kind:
        return None
    files = _safetensors(path)
    if len(files) != 1:
        raise source.error(path, f"has no config.json of a model and {len(files)} weights files")
    return files[0]


def weights_file(path: Path, source: Source) -> Path:
    """As `single_file`, for a family that is never a folder with a `model_type`."""
    file = single_file(path, source)
    if file is None:
        raise source.error(path, f"looks like {peek(path).looks_like()}")
    return file
