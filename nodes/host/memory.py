"""Loading what is not there; when memory runs out fewer rows at once, then one with it all free."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import comfy.model_management as mm
import torch
from torch import Tensor

from ...samplers.batching import OutOfMemory

log = logging.getLogger("flow_search")
# Backends without an exception of their own: MPS, HIP; the CPU's allocator, here and on Windows.
SAID = ("out of memory", "can't allocate memory", "not enough memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether the error says that the device or the machine ran out of memory."""
    if isinstance(error, (OutOfMemory, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in SAID)


def load(patcher: Any) -> None:
    """Have a model of no host layers on its device, whole: a part left behind could not be used.

    A dynamic patcher would copy it there anew at each call (comfy/model_patcher.py:1839).
    """
    there = patcher.is_dynamic() and patcher in mm.loaded_models()
    if not (there and patcher.loaded_size() >= patcher.model_size()):
        mm.load_models_gpu([patcher], force_full_load=True)  # --novram leaves it whole on the CPU


def make_room() -> None:
    """Unload every model. What a sampling run needs has to be loaded again."""
    mm.unload_all_models()
    mm.soft_empty_cache()


def let_go(error: BaseException) -> None:
    """Free what the call held that it ended, as soon as the error is handled.

    An error that is not CUDA's own the host raises once more from a frame that holds it
    (comfy/model_management.py:393): a cycle, and in it all that the decoder had allocated.
    """
    error.with_traceback(None)


def fitted(ask: Callable[[slice], Tensor], count: int, size: int) -> Tensor:
    """`ask` over the parts of `count` rows, in order, at most `size` rows each.

    Halved when memory runs out; a single row is asked for once more with every model unloaded.
    """
    done: list[Tensor] = []
    first, last_chance = 0, False
    while first < count:
        part = slice(first, min(first + size, count))
        found = _unless_full(ask, part, last_chance)
        if found is None:  # here the error no longer holds what was allocated
            size = max(1, (part.stop - first) // 2)
            last_chance = part.stop - first == 1
            make_room() if last_chance else mm.soft_empty_cache()
        else:
            done.append(found)
            first, last_chance = part.stop, False
    return torch.cat(done)


def _unless_full(ask: Callable[[slice], Tensor], part: slice, last_chance: bool) -> Tensor | None:
    """What `ask` gives, None when memory runs out."""
    try:
        return ask(part)
    except Exception as error:
        if last_chance or not out_of_memory(error):
            raise
        log.warning("Out of memory with %d at once: %s", part.stop - part.start, error)
        let_go(error)
        return None
