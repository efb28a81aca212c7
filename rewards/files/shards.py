"""The tensors of a checkpoint that consists of several files."""

from pathlib import Path

import torch

from .broken_files import reason
from .json_files import is_plain, read_json
from .source import reading
from .state_dict import read_state, shapes_in
from .weights import Peek, Source, unpickled

WHOLE = ("model.safetensors", "pytorch_model.bin")  # transformers looks for these or their index


def read_all(path: Path, source: Source) -> dict[str, torch.Tensor]:
    """All tensors of a file, or of a folder: its safetensors, or its pickles if it has none."""
    files = [path] if path.is_file() else weight_files(path, source)
    return {key: value for file in files for key, value in read_state(file, source).items()}


def weight_files(folder: Path, source: Source) -> list[Path]:
    """The weights files of a folder: those that its index names, or all if it has no index."""
    files = _listed(folder, source)
    if not files:
        raise source.error(folder, "has no weights (*.safetensors or pytorch_model*.bin)")
    return files


def _listed(folder: Path, source: Source) -> list[Path]:
    for start, end in (("model", ".safetensors"), ("", ".safetensors"), ("pytorch_model", ".bin")):
        named = [file for file in sorted(folder.iterdir()) if file.name.lower().startswith(start)]
        indices = [file for file in named if file.name.lower().endswith(f"{end}.index.json")]
        files = [file for file in named if file.suffix.lower() == end]
        files = (indices and _indexed(indices[0], source)) or files
        if missing := [file.name for file in files if not file.is_file()]:
            raise source.error(folder, f"lacks {missing[0]}")
        if files:
            return files
    return []


def _indexed(index: Path, source: Source) -> list[Path]:
    with reading(index, source):
        names = read_json(index)["weight_map"].values()
        return [index.parent / Path(name).name for name in sorted(set(names))]


def preloaded_state(path: Path, source: Source, peek: Peek) -> dict[str, torch.Tensor] | None:
    """The tensors of a folder, if transformers cannot read them itself; else None.

    It cannot if they are in fp8, or if it does not know the names of their files. Nor can it if it
    cannot read the config.json.

    Args:
        path: the folder.
        source: what the family loads, for errors.
        peek: what the folder holds.
    """
    whole = any((path / name).is_file() for name in WHOLE)
    files = [] if whole else _listed(path, source)  # raises if a file of the index is missing
    fp8 = any(kind.startswith("float8") for kind in peek.dtypes.values())
    named = whole or any((path / f"{name}.index.json").is_file() for name in WHOLE)
    if (named and not fp8 and is_plain(path / "config.json")) or not (whole or files):
        return None
    return read_all(path, source)


def shapes_of(folder: Path, source: Source, peek: Peek) -> dict[str, tuple[int, ...]]:
    """Shapes by key of a folder's weights, {} if it has none. Pickles are opened without values.

    Args:
        folder: the folder.
        source: what the family loads, for errors.
        peek: what the folder holds.
    """
    if peek.shapes is not None:
        return dict(peek.shapes)
    shapes = {}
    for file in _listed(folder, source):
        try:
            shapes |= shapes_in(unpickled(file, "meta"))
        except Exception as error:
            problem = f"cannot be read as weights ({reason(file, error)})"
            raise source.error(file, problem) from error
    return shapes
