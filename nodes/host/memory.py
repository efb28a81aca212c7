"""Models on the device, and what happens when memory runs out.

First fewer rows at once, then a single row with every model unloaded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import comfy.model_management as mm
import torch
from torch import Tensor

from ...samplers.batching import OutOfMemory

log = logging.getLogger("flow_search")
# What backends without an exception of their own say: MPS, HIP, and the CPU's allocator on Linux
# and on Windows.
MESSAGES = ("out of memory", "can't allocate memory", "not enough memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether the error says that the device or the machine ran out of memory."""
    if isinstance(error, (OutOfMemory, MemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(message in text for message in MESSAGES)


def load(patcher: Any) -> None:
    """Load a model without host layers whole: it could not use a part that stays behind.

    A dynamic patcher would copy the model anew at each call (comfy/model_patcher.py:1839).
    """
    loaded = patcher.is_dynamic() and patcher in mm.loaded_models()
    if not (loaded and patcher.loaded_size() >= patcher.model_size()):
        mm.load_models_gpu([patcher], force_full_load=True)  # --novram leaves it whole on the CPU


def models_in_use() -> list[Any]:
    """The models loaded for this sampling, without those on the CPU beside a GPU.

    Such a text encoder would make the host give up the memory of all that it loads as it goes. The
    host lists None for a model whose patcher is gone, as after a search that failed.
    """
    loaded = [patcher for patcher in mm.loaded_models(only_currently_used=True) if patcher]
    on_device = [patcher for patcher in loaded if not mm.is_device_cpu(patcher.load_device)]
    return on_device or loaded


@dataclass
class Turn:
    """Which of the networks of a search was loaded last.

    Args:
        name: of that network; empty if it may be gone.
        patchers: of the networks so far.
        called: the network that was called last.
    """

    name: str = ""
    patchers: list[Any] = field(default_factory=list)
    called: str = ""

    def take(self, name: str, patcher: Any) -> list[Any]:
        """Note a network that the host has just loaded. Returns what is loaded for its calls."""
        earlier = [before for before in self.patchers if before is not patcher]
        self.name = name
        self.patchers.append(patcher)
        return [loaded for loaded in models_in_use() if loaded not in earlier]


def make_room() -> None:
    """Unload every model. A sampling run then has to load its models again."""
    mm.unload_all_models()
    mm.soft_empty_cache()


def free_frames(error: BaseException) -> None:
    """Free what the failed call holds, as soon as the error is handled.

    The host raises an error that is not CUDA's own once more, from a frame that holds it
    (comfy/model_management.py:393). That is a cycle, and it keeps all that the decoder allocated.
    """
    error.with_traceback(None)


def run_in_parts(call: Callable[[slice], Tensor], count: int, size: int) -> Tensor:
    """The results of `call` over `count` rows, in order.

    When memory runs out, the parts are halved. A single row is tried once more with every model
    unloaded.

    Args:
        call: takes a slice of the rows; returns (rows,...).
        count: rows in all.
        size: most rows a call.
    """
    done: list[Tensor] = []
    first, last_chance = 0, False
    while first < count:
        part = slice(first, min(first + size, count))
        result = _try_part(call, part, last_chance)
        if result is None:  # by now the error no longer holds what was allocated
            size = max(1, (part.stop - first) // 2)
            last_chance = part.stop - first == 1
            make_room() if last_chance else mm.soft_empty_cache()
        else:
            done.append(result)
            first, last_chance = part.stop, False
    return torch.cat(done)


def _try_part(call: Callable[[slice], Tensor], part: slice, last_chance: bool) -> Tensor | None:
    """The result of the call; None if memory ran out and there is another chance."""
    try:
        return call(part)
    except Exception as error:
        if last_chance or not out_of_memory(error):
            raise
        log.warning("Out of memory with %d at once: %s", part.stop - part.start, error)
        free_frames(error)
        return None
