"""What on a model remembers the calls before: step caches, momentum of guidance.

EasyCache, LazyCache, TeaCache, MagCache, First Block Cache, TaylorSeer, Spectrum and their like
skip a call of the network when it seems close to the one before, and answer from what they kept of
that. In a search the calls before belong to other particles and other times. No interface is common
to them, but names are: of options, of wrappers, of the functions that wrap and of what these close
over. One of another name is found by what it does: the network's blocks do not run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import Module, ModuleList

# ComfyUI-TeaCache's only option; packs that extrapolate.
SIGNS = ("cache", "rel_l1_thresh", "taylorseer", "spectrum")
CLOSURES = 4  # wrappers around wrappers that are looked into


class Mixed(ValueError):
    """Of an answer to other candidates than those asked about."""


class StepCache(ValueError):
    """Of a model that skips calls, by what shows it."""

    def __init__(self, sign: str) -> None:
        super().__init__(
            f"A step cache ({sign}) is on this model, wanted it off for a search: it would reuse "
            "one candidate's prediction for another."
        )


def step_cache(patcher: Any, options: dict[str, Any]) -> str | None:
    """What on a MODEL says that it skips calls, None if nothing does."""
    inner = getattr(patcher.get_model_object("diffusion_model"), "model", None)
    if getattr(inner, "residual_diff_threshold_multi", 0) > 0:  # of the loader's cache_threshold
        return "nunchaku's First Block Cache"
    named = (name for name in _names(patcher, options) if any(s in name.lower() for s in SIGNS))
    return next(named, None)


def momentum(options: dict[str, Any]) -> float:
    """Of the host's APG: the share of the guidance before that it adds to a call's own."""
    for function in options.get("sampler_pre_cfg_function", ()):
        share = closed(function).get("momentum")
        if isinstance(share, float | int):
            return float(share)
    return 0.0


def closed(function: Any) -> dict[str, Any]:
    """What a function closes over, by name."""
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    found = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        with contextlib.suppress(ValueError):  # an empty cell
            found[name] = cell.cell_contents
    return found


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


class BlockWatch:
    """Around each call of a network: StepCache if less than half of its blocks have run.

    They are seen at the heaviest layer of each; blocks that run unseen (fused, compiled) do so in
    every call, and the most that ran in one is the measure.
    """

    def __init__(self) -> None:
        self.layers: dict[Module, list[Module]] = {}
        self.most = 0

    @contextlib.contextmanager
    def __call__(self, network: Module) -> Iterator[None]:
        if network not in self.layers:
            self.layers[network] = list(heaviest(network))
        ran = set()

        def see(layer: Module, inputs: Any) -> None:
            if not torch.compiler.is_compiling():
                ran.add(layer)

        hooks = [layer.register_forward_pre_hook(see) for layer in self.layers[network]]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
        self.most = max(self.most, len(ran))
        if 2 * len(ran) < self.most:
            raise StepCache(f"{len(ran)} of {self.most} blocks ran in a call")


def heaviest(module: Module) -> Iterator[Module]:
    """Of each block in the outermost lists the layer with most weights."""
    for child in module.children():
        if isinstance(child, ModuleList):
            yield from (max(block.modules(), key=weights) for block in child)
        else:
            yield from heaviest(child)


def weights(layer: Module) -> int:
    return sum(weight.numel() for weight in layer.parameters(recurse=False))
