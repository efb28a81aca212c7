"""Searches of compiled networks and on two devices, for scripts/swapping.py."""

import collections
import importlib.util

import comfy.samplers
from pack.nodes.host import devices as devices_of_host
from pack.samplers.search.smc import SMC

import nodes

from .simulated import LARGE, LITTLE, anything, mm, model, run_search, stock, text, vae


def compiled():
    """A search as TorchCompileModel makes it, but by a backend that runs the graph as it is."""
    from comfy_api.torch_helpers import set_torch_compile_wrapper
    from comfy_extras.nodes_torch_compile import skip_torch_compile_dict

    own, ran = model.clone(), []

    def backend(graph, inputs, **options):
        return lambda *args: ran.append(graph) or graph.forward(*args)

    set_torch_compile_wrapper(own, backend, options={"guard_filter_fn": skip_torch_compile_dict})
    basic = stock.Guider_Basic(own)
    basic.set_conds(text)
    found = run_search(LARGE, anything, guider=basic, latent_image=LITTLE)
    return found | {"graphs": len(set(ran)), "ran": len(ran)}


MULTI = importlib.util.find_spec("comfy_extras.nodes_multigpu")  # None in older hosts


def run_on(devices):
    """A search with CFG, its two conditions on as many of the devices as there are."""
    from comfy_extras.nodes_multigpu import MultiGPUCFGSplitNode

    mm.get_all_torch_devices = lambda exclude_current=False: devices
    both = comfy.samplers.CFGGuider(MultiGPUCFGSplitNode.execute(model, 2).args[0])
    both.set_conds(text, nodes.ConditioningZeroOut().zero_out(text)[0])
    both.set_cfg(2.0)
    return run_search(LARGE, vae, guider=both, budget=40, latent_image=LITTLE)


def rows_on(devices, size):
    """A search without CFG, whose rows are shared by as many of the devices as there are."""
    from comfy.multigpu import MultiGPUThreadPool
    from comfy_extras.nodes_multigpu import MultiGPUCFGSplitNode

    mm.get_all_torch_devices = lambda exclude_current=False: devices
    basic = stock.Guider_Basic(MultiGPUCFGSplitNode.execute(model, 2).args[0])
    basic.set_conds(text)
    submit, rows = MultiGPUThreadPool.submit, collections.Counter()

    def counted(self, device, call, *args):
        if call is devices_of_host._inferring:  # a single row is split by the host
            rows[str(device)] += len(args[4])
        return submit(self, device, call, *args)

    MultiGPUThreadPool.submit = counted
    small = {"latent_image": LITTLE, "budget": 38, "lookahead": 0, "method": SMC()}
    found = run_search(LARGE, vae, guider=basic, micro_batch=size, **small)
    MultiGPUThreadPool.submit = submit
    return found | {"rows": rows}
