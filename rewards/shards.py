"""The tensors of a checkpoint in several files."""

import json
from pathlib import Path

import torch

from .state_dict import read_state
from .weights import Wanted, reading


def read_all(path: Path, wanted: Wanted) -> dict[str, torch.Tensor]:
    """All tensors of the file ``path``, or of the folder: its safetensors, or else its pickles."""
    files = [path] if path.is_file() else weight_files(path, wanted)
    return {key: value for file in files for key, value in read_state(file, wanted).items()}


def weight_files(folder: Path, wanted: Wanted) -> list[Path]:
    """The weights of a Hugging Face folder: what its index names, or else all there are."""
    for name in ("model*.safetensors", "*.safetensors", "pytorch_model*.bin"):
        indices = sorted(folder.glob(f"{name}.index.json"))
        files = indices and _indexed(indices[0], wanted) or sorted(folder.glob(name))
        if lost := [file.name for file in files if not file.is_file()]:
            raise wanted.error(folder, f"lacks {lost[0]}")
        if files:
            return files
    raise wanted.error(folder, "has no weights (*.safetensors or pytorch_model*.bin)")


def _indexed(index: Path, wanted: Wanted) -> list[Path]:
    with reading(index, wanted):
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return [index.parent / Path(name).name for name in sorted(set(names))]
