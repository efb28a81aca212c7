"""What on a model keeps something from earlier calls: step caches, and momentum of guidance.

A step cache (EasyCache, TeaCache, MagCache, First Block Cache, TaylorSeer, Spectrum) skips a call
of the network and answers from an earlier one. In a search that branches, the earlier call belongs
to another particle. Packs share no interface, so a cache is found by what it does. Blocks of the
network do not run (`BlockWatch`). A wrapper or a guider answers alone (network.py). Or the same
call gets another answer later (guider_check.py). A cache that skips nothing may stay on.

Two caches are found by what they leave on the model. ComfyUI's own fail with a TypeError in the
order of a search that branches (guiders.py). nunchaku runs its blocks where PyTorch cannot see
them.

Where another sampler walks whole trajectories, one after the other, a cache may skip: each
trajectory begins anew (own_run.py).

HiDream-O1 keeps what it computed of the text, in the host itself. That is right but for rounding,
and would make a result depend on the calls before it. So it is dropped before each call.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import Module, ModuleList

# Methods that walk one trajectory at a time with another sampler than ours.
WALKERS = ("auto", "best_of_n", "zero_order", "regional")


class Mixed(ValueError):
    """The answer does not have one row for each row of the call."""


class StepCache(ValueError):
    """A step cache is on the model; `sign` says what shows it."""

    def __init__(self, sign: str) -> None:
        super().__init__(
            f"A step cache is on this model: got {sign}, expected none. Turn it off, or use "
            f"{', '.join(WALKERS[:-1])} or {WALKERS[-1]} with a sampler such as dpmpp_2m. Other "
            "searches would reuse one particle's prediction for another."
        )


def has_nunchaku_cache(patcher: Any) -> bool:
    """Whether nunchaku's loader has set a `cache_threshold` above 0."""
    inner = getattr(patcher.get_model_object("diffusion_model"), "model", None)
    return getattr(inner, "residual_diff_threshold_multi", 0) > 0


def forget_text(network: Module) -> None:
    """Drop the keys and values of the text that HiDream-O1 has from earlier calls.

    Source: comfy/ldm/hidream_o1/model.py. Its `clear_kv_cache` would also drop its reference
    images, which come out the same.
    """
    if hasattr(network, "_kv_cache_entries"):
        network._kv_cache_entries = []


def apg_momentum(options: dict[str, Any]) -> float:
    """The share of earlier guidance that the host's APG adds to each call."""
    for function in options.get("sampler_pre_cfg_function", ()):
        share = closure_of(function).get("momentum")
        if isinstance(share, float | int):
            return float(share)
    return 0.0


def closure_of(function: Any) -> dict[str, Any]:
    """The variables that a function closes over, by name."""
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    variables = {}
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        with contextlib.suppress(ValueError):  # an empty cell
            variables[name] = cell.cell_contents
    return variables


class BlockWatch:
    """Watches each call of a network. A call is skipped if less than half of its blocks run.

    A block counts as run when its heaviest layer runs. Blocks that run unseen (fused, compiled) do
    so in every call, so the measure is the most blocks seen in one call. Guidance that skips a few
    layers stays above half.

    Args:
        may_skip: whether calls may be skipped. If not, StepCache is raised.
    """

    def __init__(self, may_skip: bool = False) -> None:
        self.may_skip = may_skip
        self.layers: dict[Module, list[Module]] = {}
        self.most = self.skips = 0

    @contextlib.contextmanager
    def __call__(self, network: Module) -> Iterator[set[Module]]:
        """Watch one call. Yields the layers that have run so far."""
        if network not in self.layers:
            self.layers[network] = list(block_layers(network))
        ran: set[Module] = set()

        def see(layer: Module, inputs: Any) -> None:
            if not torch.compiler.is_compiling():
                ran.add(layer)

        hooks = [layer.register_forward_pre_hook(see) for layer in self.layers[network]]
        try:
            yield ran
        finally:
            for hook in hooks:
                hook.remove()
        self.most = max(self.most, len(ran))
        if self.skipped(ran):
            self.skips += 1
            if not self.may_skip:
                raise StepCache(f"a call that ran {len(ran)} of {self.most} blocks")

    def skipped(self, ran: set[Module]) -> bool:
        """Whether a call in which these layers ran was skipped."""
        return 2 * len(ran) < self.most


def block_layers(module: Module) -> Iterator[Module]:
    """The heaviest layer of each block in the outermost lists of a network.

    A list of one entry is looked into: First Block Cache puts all blocks into one such entry.
    """
    for child in module.children():
        if not isinstance(child, ModuleList):
            yield from block_layers(child)
        elif len(child) == 1 and (inside := list(block_layers(child[0]))):
            yield from inside
        else:
            yield from (max(block.modules(), key=weight_count) for block in child)


def weight_count(layer: Module) -> int:
    """Weights of the layer itself, without its children."""
    return sum(weight.numel() for weight in layer.parameters(recurse=False))
