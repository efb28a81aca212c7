"""Step caches on a model, known by what they leave there.

EasyCache, LazyCache, TeaCache, MagCache, First Block Cache and their like skip a call of the
network when it seems close to the one before, and answer from what they kept of that. In a search
the calls before belong to other particles and other times. No interface is common to them, but
names are: of options, of wrappers, of the functions that wrap and of what these close over.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

SIGNS = ("cache", "rel_l1_thresh")  # the other is ComfyUI-TeaCache's only option
CLOSURES = 4  # wrappers around wrappers that are looked into


def step_cache(patcher: Any, options: dict[str, Any]) -> str | None:
    """What on a MODEL says that it skips calls, None if nothing does."""
    inner = getattr(patcher.get_model_object("diffusion_model"), "model", None)
    if getattr(inner, "residual_diff_threshold_multi", 0) > 0:  # of the loader's cache_threshold
        return "nunchaku's First Block Cache"
    named = (name for name in _names(patcher, options) if any(s in name.lower() for s in SIGNS))
    return next(named, None)


def _names(patcher: Any, options: dict[str, Any]) -> Iterator[str]:
    own = options.get("transformer_options", {})
    yield from (name for name in own if isinstance(name, str))
    for wrappers in (own.get("wrappers", {}), patcher.wrappers):
        for key, functions in (entry for kind in wrappers.values() for entry in kind.items()):
            yield str(key)
            for function in functions:
                yield from _of_function(function)
    for name in ("model_function_wrapper", "sampler_calc_cond_batch_function"):
        yield from _of_function(options.get(name))
    for patch in patcher.object_patches.values():
        yield from _of_function(patch)


def _of_function(value: Any, depth: int = CLOSURES) -> Iterator[str]:
    """Names of a function or an object's class, of its module, and of functions it closes over."""
    if value is None or not depth:
        return
    own = value if hasattr(value, "__qualname__") else type(value)
    yield own.__qualname__
    # The host names a pack's modules by its whole path; folders above the pack tell nothing.
    yield (own.__module__ or "").replace("\\", "/").rsplit("/", 1)[-1]
    for cell in getattr(value, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # an empty cell
            if callable(cell.cell_contents):
                yield from _of_function(cell.cell_contents, depth - 1)
