"""Checks the sizes in a config.json against the weights beside it, before a model is built.

A config.json with huge numbers could fill the memory. So a large number must be a dimension of one
of the weights' tensors, and the number of layers at most that of the weights. Then the model is
built without memory (on the device "meta"): it may not hold more numbers than the weights do.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch.overrides import TorchFunctionMode

from .shards import shapes_of
from .state_dict import MOST_LAYERS, building, numbered
from .weights import Peek, Source

FREE = 4096  # any number may be as large
LAYERS = 64  # any model may have as many layers
SLACK = 2**22  # numbers that a model may hold beyond its weights: tables of positions
# Entries that build nothing, or a single table, which `check_size` counts. Some folders repeat them
# for the whole model although a part has its own.
NAMES = re.compile(
    r"token|(^|_)ids?$|_index$|theta|(sliding|max)_window|max_position_embeddings|length$|vocab_size"
)
COUNTS = re.compile(r"(^|_)(layers|depths?|blocks)$")
EPS = re.compile(r"_(eps|epsilon)$")
WHOLE = re.compile(
    r"^(num_hidden_layers|num_layers|num_decoder_layers|(en|de)coder_layers|depths?|vocab_size|"
    r"num_(attention_|key_value_)?heads|(en|de)coder_attention_heads|(encoder_)?hidden_size|"
    r"(en|de)coder_ffn_dim|intermediate_size|image_size|patch_size|num_channels|num_queries|"
    r"max_position_embeddings|projection_dim|embed_dim|d_model|d_ff|d_kv|num_query_tokens|"
    r"max_text_len|positional_embedding_temperature|spatial_merge_size|temporal_patch_size|relative_attention_num_buckets)$"
)


class _RealSteps(TorchFunctionMode):
    """Makes `torch.linspace` compute on the CPU: transformers 4 reads its values as it builds."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        return func(*args, **({"device": "cpu"} | kwargs if func is torch.linspace else kwargs))


def check_config(path: Path, config: Mapping[str, object], source: Source, peek: Peek) -> None:
    """Raise ValueError if `config` asks for sizes that the weights cannot have.

    Args:
        path: the folder of the weights.
        config: its config.json, or a part of it.
        source: what the family loads, for the error.
        peek: what the folder holds.
    """
    shapes = shapes_of(path, source, peek)
    if not shapes:  # loading them raises the error
        return
    dimensions = {number for shape in shapes.values() for number in shape}
    layers = min(max(LAYERS, numbered(shapes)), MOST_LAYERS)
    for place, value in entries(config):
        name = place.rpartition(".")[2]
        entry = f"has a config.json that asks for {place} {_brief(value)}"
        if WHOLE.search(name) and value is not None and not _is_whole(value):
            raise source.error(path, f"{entry}, not a whole number above 0")
        if EPS.search(name) and not (_is_real(value) and 0.0 < value < 1.0):
            raise source.error(path, f"{entry}, not a number between 0 and 1")
        share = value is None or (_is_real(value) and 0.0 <= value <= 1.0)
        if name.endswith("dropout") and not share:
            raise source.error(path, f"{entry}, not a number from 0 to 1")
        for number in () if NAMES.search(name) else _numbers(value):
            if COUNTS.search(name) and abs(number) > layers:
                raise source.error(
                    path, f"{entry}, more than the {layers} layers that its weights allow"
                )
            if abs(number) > FREE and number not in dimensions:
                raise source.error(path, f"{entry}, a size that none of its weights has")


def check_size(
    path: Path,
    source: Source,
    build: Callable[[], torch.nn.Module],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Raise ValueError if a model holds more numbers than its weights; it may use one tensor twice.

    Args:
        path: the file or folder of the weights, for the error.
        source: what the family loads, for the error.
        build: makes the model.
        shapes: shapes of the weights by key.
    """
    if not shapes:
        return
    with building(path, source), torch.device("meta"), _RealSteps():
        model = build()
    sizes = [math.prod(shape) for shape in shapes.values()]
    most = sum(sizes) + max(sizes, default=0) + SLACK
    count = sum(each.numel() for part in (model.parameters(), model.buffers()) for each in part)
    if count > most:
        problem = f"describes a model of {count:,} numbers, but its weights hold {sum(sizes):,}"
        raise source.error(path, problem)


def check_all_used(path: Path, source: Source, model: torch.nn.Module, unused: list[str]) -> None:
    """Raise ValueError if some weights belong to layers that the model does not have.

    Args:
        path: the file or folder of the weights, for the error.
        source: what the family loads, for the error.
        model: the loaded model.
        unused: keys of the weights that it did not take.
    """
    held = model.state_dict().keys()
    for key in unused:
        first = re.sub(r"\.\d+\.", ".0.", key, count=1)
        if first != key and first in held:
            problem = f"has a config.json that leaves out {len(unused)} tensors, such as {key}"
            raise source.error(path, problem)


def entries(config: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """(place, value) of all plain values and lists in `config`; place as "vision_config.depth"."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from entries(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _numbers(value: object) -> list[float]:
    if not isinstance(value, list):
        return [value] if _is_real(value) else []
    return [len(value), *filter(_is_real, value)]


def _is_real(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    rows = value if isinstance(value, list) else [value]
    return bool(rows) and all(type(number) is int and number > 0 for number in rows)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) < 40 else f"{text[:40]}…"
