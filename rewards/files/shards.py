"""The tensors of a checkpoint in several files."""

from pathlib import Path

import torch

from .broken_files import reason
from .json_files import is_plain, read_json
from .source import reading
from .state_dict import read_state, shapes_in
from .weights import Peek, Source, unpickled

WHOLE = ("model.safetensors", "pytorch_model.bin")  # what transformers looks for, or an index


def read_all(path: Path, source: Source) -> dict[str, torch.Tensor]:
    """All tensors of the file ``path``, or of the folder: its safetensors, or else its pickles."""
    files = [path] if path.is_file() else weight_files(path, source)
    return {key: value for file in files for key, value in read_state(file, source).items()}


def weight_files(folder: Path, source: Source) -> list[Path]:
    """The weights of a Hugging Face folder: what its index names, or else all there are."""
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
        if lost := [file.name for file in files if not file.is_file()]:
            raise source.error(folder, f"lacks {lost[0]}")
        if files:
            return files
    return []


def _indexed(index: Path, source: Source) -> list[Path]:
    with reading(index, source):
        names = read_json(index)["weight_map"].values()
        return [index.parent / Path(name).name for name in sorted(set(names))]


def preloaded_state(path: Path, source: Source, seen: Peek) -> dict[str, torch.Tensor] | None:
    """The tensors of the folder ``path`` where transformers would not read them: in fp8, in files
    whose names it does not look for, beside a config.json that it cannot read. None where it does.
    """
    whole = any((path / name).is_file() for name in WHOLE)
    files = [] if whole else _listed(path, source)  # all that an index names, else it says so
    fp8 = any(kind.startswith("float8") for kind in seen.dtypes.values())
    known = whole or any((path / f"{name}.index.json").is_file() for name in WHOLE)
    if (known and not fp8 and is_plain(path / "config.json")) or not (whole or files):
        return None
    return read_all(path, source)


def shapes_of(folder: Path, source: Source, seen: Peek) -> dict[str, tuple[int, ...]]:
    """Shapes by key of a folder's weights, {} if it has none; pickles are read for it, but not
    their values.
    """
    if seen.shapes is not None:
        return dict(seen.shapes)
    shapes = {}
    for file in _listed(folder, source):
        try:
            shapes |= shapes_in(unpickled(file, "meta"))
        except Exception as error:
            why = f"cannot be read as weights ({reason(file, error)})"
            raise source.error(file, why) from error
    return shapes
