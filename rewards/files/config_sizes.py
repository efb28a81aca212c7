"""The sizes in a config.json against the weights beside it, before anything is built of them.

A number that asks for much is one that the weights know: a dimension of one of their tensors, or at
most as many layers as they number. A model of such numbers is built on no device first: it may not
hold more than the weights do.
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

FREE = 4096  # what any number may be
LAYERS = 64  # how many layers any model may have
SLACK = 2**22  # numbers of a model that its weights need not hold: tables of places
# Numbers that build nothing, or one table, which `check_size` sees: some folders repeat them for
# the whole where a part has its own.
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
    """Has `torch.linspace` make real numbers: transformers before 5 reads some as it builds."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        return func(*args, **({"device": "cpu"} | kwargs if func is torch.linspace else kwargs))


def check_config(path: Path, config: Mapping[str, object], source: Source, seen: Peek) -> None:
    """Raise ValueError if ``config`` asks for sizes that the weights in ``path`` cannot have."""
    shapes = shapes_of(path, source, seen)
    if not shapes:  # whoever loads them says so
        return
    known = {number for shape in shapes.values() for number in shape}
    layers = min(max(LAYERS, numbered(shapes)), MOST_LAYERS)
    for place, value in entries(config):
        name = place.rpartition(".")[2]
        asked = f"has a config.json that asks for {place} {_brief(value)}"
        if WHOLE.search(name) and value is not None and not _is_whole(value):
            raise source.error(path, f"{asked}, expected a whole number above 0")
        if EPS.search(name) and not (_is_real(value) and 0.0 < value < 1.0):
            raise source.error(path, f"{asked}, expected a number between 0 and 1")
        share = value is None or (_is_real(value) and 0.0 <= value <= 1.0)
        if name.endswith("dropout") and not share:
            raise source.error(path, f"{asked}, expected a number from 0 to 1")
        for number in () if NAMES.search(name) else _numbers(value):
            if COUNTS.search(name) and abs(number) > layers:
                raise source.error(path, f"{asked}, where its weights have at most {layers} layers")
            if abs(number) > FREE and number not in known:
                raise source.error(path, f"{asked}, a size that none of its weights has")


def check_size(
    path: Path,
    source: Source,
    build: Callable[[], torch.nn.Module],
    shapes: Mapping[str, tuple[int, ...]],
) -> None:
    """Raise ValueError unless the model that ``build`` makes holds no more than tensors of
    ``shapes`` do, of which two parts may share one.
    """
    if not shapes:
        return
    with building(path, source), torch.device("meta"), _RealSteps():
        model = build()
    sizes = [math.prod(shape) for shape in shapes.values()]
    most = sum(sizes) + max(sizes, default=0) + SLACK
    asked = sum(each.numel() for part in (model.parameters(), model.buffers()) for each in part)
    if asked > most:
        told = f"tells of a model of {asked:,} numbers, where its weights hold {sum(sizes):,}"
        raise source.error(path, told)


def check_all_used(path: Path, source: Source, model: torch.nn.Module, unused: list[str]) -> None:
    """Raise ValueError if some of the ``unused`` tensors are of layers that ``model`` lacks."""
    held = model.state_dict().keys()
    for key in unused:
        first = re.sub(r"\.\d+\.", ".0.", key, count=1)
        if first != key and first in held:
            told = f"has a config.json that leaves out {len(unused)} tensors, {key} among them"
            raise source.error(path, told)


def entries(config: object, before: str = "") -> Iterator[tuple[str, object]]:
    """Plain values and lists in ``config`` at any depth, with where they are."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from entries(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


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
