"""The tensors of a weights file, and the parts that a model is built of.

Every error is a ValueError of one sentence that says what the file looks like and what is wanted.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from .broken_files import reason
from .quantisation import widened
from .weights import Peek, Source, look, unpickled

MOST_LAYERS = 512  # or other numbered parts: several times what any reward has


def read_state(path: Path, source: Source, *keys: str) -> dict[str, torch.Tensor]:
    """All tensors of the file ``path``, without the prefix under which ``keys`` are found."""
    return read_layout(path, source, keys)[1]


def read_layout(
    path: Path, source: Source, *layouts: tuple[str, ...]
) -> tuple[int, dict[str, torch.Tensor]]:
    """As `read_state`, of the first of ``layouts`` whose keys are found, and its number."""
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
    seen = Peek(path, {}, shapes, kinds)
    if (count := numbered(shapes)) > MOST_LAYERS:
        raise source.error(path, f"numbers {count:,} layers, expected at most {MOST_LAYERS}")
    if seen.quantised:  # an old pickle tells so only now
        raise source.error(path, f"is quantised ({seen.quantised})")
    for number, keys in enumerate(layouts):
        prefix = seen.prefix(*keys)
        if prefix is not None:
            found = {k[len(prefix) :]: widened(v) for k, v in state.items() if k.startswith(prefix)}
            return number, found
    raise source.error(path, f"looks like {seen.looks_like()}")


@contextmanager
def building(path: Path, source: Source) -> Iterator[None]:
    """Whatever fails inside is that the tensors in ``path`` do not make the model."""
    try:
        yield
    except Exception as error:  # transformers tells of wrong shapes in many lines
        raise source.error(path, f"cannot be loaded ({type(error).__name__})") from error


def below(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose keys begin with ``prefix``, without it."""
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def layers(state: Mapping[str, object], start: str) -> int:
    """How many numbered parts follow ``start`` in the keys."""
    return len({key[len(start) :].split(".")[0] for key in state if key.startswith(start)})


def numbered(shapes: Mapping[str, object]) -> int:
    """The most parts that are numbered at one place in the keys."""
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
    """Raise if keys are ``missing``; buffers of positions may be."""
    lost = sorted(key for key in missing if not key.endswith("position_ids"))
    if lost:
        raise source.error(path, f"lacks {len(lost)} tensors, {lost[0]} among them")
