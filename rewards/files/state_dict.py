"""The tensors of a weights file, and what a model is built from.

Every error is a ValueError that says what the file looks like and what is expected.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from .broken_files import reason
from .quantisation import widened
from .weights import Peek, Source, look, unpickled

MOST_LAYERS = 512  # or other numbered parts: several times as many as any reward has


def read_state(path: Path, source: Source, *keys: str) -> dict[str, torch.Tensor]:
    """All tensors of the file `path`, without the prefix that its `keys` have."""
    return read_layout(path, source, keys)[1]


def read_layout(
    path: Path, source: Source, *layouts: tuple[str, ...]
) -> tuple[int, dict[str, torch.Tensor]]:
    """(index, tensors) for the first of `layouts` whose keys the file has.

    Args:
        path: the file.
        source: what the family loads, for errors.
        layouts: tuples of keys; the tensors come without the prefix that they have in the file.
    """
    look(path, source)
    try:
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = unpickled(path, "cpu")
    except Exception as error:
        raise source.error(path, f"cannot be read as weights ({reason(path, error)})") from error
    kinds = {key: str(value.dtype).removeprefix("torch.") for key, value in state.items()}
    shapes = shapes_in(state)
    peek = Peek(path, {}, shapes, kinds)
    if (count := numbered(shapes)) > MOST_LAYERS:
        raise source.error(path, f"numbers {count:,} layers, more than {MOST_LAYERS}")
    if peek.quantised:  # an old pickle does not show it before
        raise source.error(path, f"is quantised ({peek.quantised})")
    for number, keys in enumerate(layouts):
        prefix = peek.prefix(*keys)
        if prefix is not None:
            return number, {key: widened(value) for key, value in below(state, prefix).items()}
    raise source.error(path, f"looks like {peek.looks_like()}")


@contextmanager
def building(path: Path, source: Source) -> Iterator[None]:
    """Turn any failure inside into the error that the tensors in `path` do not make the model."""
    try:
        yield
    except Exception as error:  # transformers reports wrong shapes in many lines
        raise source.error(path, f"cannot be loaded ({type(error).__name__})") from error


def below(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose keys begin with `prefix`; the result's keys come without it."""
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def layers(state: Mapping[str, object], start: str) -> int:
    """How many different numbers follow `start` in the keys."""
    return len({key[len(start) :].split(".")[0] for key in state if key.startswith(start)})


def numbered(shapes: Mapping[str, object]) -> int:
    """The largest number of parts that are numbered at one place in the keys."""
    places: dict[str, set[str]] = {}
    for key in shapes:
        parts = key.split(".")
        for i, part in enumerate(parts):
            if part.isdigit():
                places.setdefault(".".join(parts[:i]), set()).add(part)
    return max(map(len, places.values()), default=0)


def shapes_in(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes by key."""
    return {key: tuple(value.shape) for key, value in state.items()}


def check_complete(path: Path, missing: object, source: Source) -> None:
    """Raise ValueError if tensors are missing; buffers of positions may be.

    Args:
        path: the file or folder, for the error.
        missing: keys of tensors that the model needs and the file does not have.
        source: what the family loads, for the error.
    """
    keys = sorted(key for key in missing if not key.endswith("position_ids"))
    if keys:
        raise source.error(path, f"lacks {len(keys)} tensors, {keys[0]} among them")
