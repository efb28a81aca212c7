"""Searches of compiled networks and on two devices, on a device of known memory."""

from __future__ import annotations

import collections
import importlib.util
from collections.abc import Callable
from typing import Any

import comfy.samplers
import torch
from pack.nodes.host import devices as devices_of_host
from pack.samplers.search.smc import SMC

import nodes

from .simulated import (
    DEVICE,
    LARGE,
    LITTLE,
    SMALL,
    TINY,
    anything,
    begin,
    mm,
    model,
    run_in,
    run_search,
    stock,
    text,
    vae,
)


def compiled() -> dict:
    """A search as TorchCompileModel makes it, but by a backend that runs the graph as it is."""
    from comfy_api.torch_helpers import set_torch_compile_wrapper
    from comfy_extras.nodes_torch_compile import skip_torch_compile_dict

    copy, ran = model.clone(), []

    def backend(graph: Any, inputs: list, **options: Any) -> Callable:
        return lambda *args: ran.append(graph) or graph.forward(*args)

    set_torch_compile_wrapper(copy, backend, options={"guard_filter_fn": skip_torch_compile_dict})
    basic = stock.Guider_Basic(copy)
    basic.set_conds(text)
    result = run_search(LARGE, anything, guider=basic, latent_image=LITTLE)
    return result | {"graphs": len(set(ran)), "ran": len(ran)}


MULTI = importlib.util.find_spec("comfy_extras.nodes_multigpu")  # None in older hosts


def run_on(devices: list[torch.device]) -> dict:
    """A search with CFG, its two conditions on as many of the devices as there are."""
    from comfy_extras.nodes_multigpu import MultiGPUCFGSplitNode

    mm.get_all_torch_devices = lambda exclude_current=False: devices
    both = comfy.samplers.CFGGuider(MultiGPUCFGSplitNode.execute(model, 2).args[0])
    both.set_conds(text, nodes.ConditioningZeroOut().zero_out(text)[0])
    both.set_cfg(2.0)
    return run_search(LARGE, vae, guider=both, budget=40, latent_image=LITTLE)


def rows_on(devices: list[torch.device], size: int) -> dict:
    """A search without CFG, whose rows are shared by as many of the devices as there are."""
    from comfy.multigpu import MultiGPUThreadPool
    from comfy_extras.nodes_multigpu import MultiGPUCFGSplitNode

    mm.get_all_torch_devices = lambda exclude_current=False: devices
    basic = stock.Guider_Basic(MultiGPUCFGSplitNode.execute(model, 2).args[0])
    basic.set_conds(text)
    submit, rows = MultiGPUThreadPool.submit, collections.Counter()

    def counted(self: Any, device: torch.device, call: Callable, *args: Any) -> Any:
        if call is devices_of_host._inferring:  # a single row is split by the host
            rows[str(device)] += len(args[4])
        return submit(self, device, call, *args)

    MultiGPUThreadPool.submit = counted
    small = {"latent_image": LITTLE, "budget": 38, "lookahead": 0, "method": SMC()}
    result = run_search(LARGE, vae, guider=basic, micro_batch=size, **small)
    MultiGPUThreadPool.submit = submit
    return result | {"rows": rows}


def results() -> dict[str, dict | None]:
    """All of these searches, and one without any of it, `little`; None in older hosts."""
    begin(SMALL)
    both = [DEVICE, torch.device("cpu")]
    return {
        "little": run_search(LARGE, anything, latent_image=LITTLE),
        "low VRAM": run_in(mm.VRAMState.LOW_VRAM, TINY, anything),
        "no VRAM": run_in(mm.VRAMState.NO_VRAM, LARGE, anything),
        "compiled": compiled(),
        "one device": run_on(both[:1]) if MULTI else None,
        "two devices": run_on(both) if MULTI else None,
        "rows of one": rows_on(both[:1], 2) if MULTI else None,
        "rows of two": rows_on(both, 4) if MULTI else None,
    }
