"""Run by test_lent.py: searches by weights that have their place on the device for one call.

Argument: ComfyUI's folder. Prints one JSON object.
"""

import contextlib
import importlib.util
import itertools
import json
import logging
import sys
from types import SimpleNamespace

import host_in_process  # noqa: F401  isort: skip

from pack.tools.probing import simulated
from pack.tools.probing.simulated import (
    DEVICE,
    LARGE,
    LITTLE,
    MB,
    SMALL,
    TINY,
    Shortage,
    demo,
    mm,
    patched,
    reward,
    run_search,
    sampler,
    stock,
)

import comfy.hooks  # isort: skip
import comfy.memory_management  # isort: skip
import comfy.ops  # isort: skip
import torch  # isort: skip
from pack.nodes.host import reward as hosting  # isort: skip

DYNAMIC = importlib.util.find_spec("comfy.model_prefetch")  # None in older hosts
if DYNAMIC:
    from pack.tests.host.helpers import vram_pages as pages

GUIDANCES = ("none", "dps", "x0")
SOFT = reward.RewardModelLoader.execute({"reward": "brightness"}).args[0]


def searches(kinds=GUIDANCES):
    """Of a search by each guidance: its rewards."""
    told = {}
    for kind in kinds:
        guidance = {"guidance": kind} | ({"strength": 0.5} if kind != "none" else {})
        made = sampler.VPSDEFlowSampler.execute(
            interpolant={"interpolant": "vp"}, diffusion_norm=1.0, kernel="eta", guidance=guidance
        )
        given = {"latent_image": LITTLE, "reward": SOFT, "sampler": made.args[0]}
        told[kind] = run_search(LARGE, simulated.vae, **given)["rewards"]
    return told


class Stream:
    """Of a device that copies weights while it computes."""

    def as_context(self, stream):
        return contextlib.nullcontext()

    def synchronize(self):
        pass

    def wait_stream(self, stream):
        pass


def in_turn():
    """Every layer's weights come to one of two buffers, as with --novram on a GPU."""
    streams, cast = itertools.cycle([Stream(), Stream()]), comfy.ops.cast_bias_weight
    before, buffers = (mm.is_device_cpu, mm.vram_state, mm.get_offload_stream), set()

    def on_device(s, input=None, dtype=None, device=None, **kwargs):
        lent = cast(s, input, dtype, device or DEVICE, **kwargs)
        buffers.update(id(stream) for stream in mm.STREAM_CAST_BUFFERS)  # older hosts forget them
        return lent

    mm.is_device_cpu, mm.vram_state = (lambda device: device != DEVICE), mm.VRAMState.NO_VRAM
    mm.get_offload_stream, comfy.ops.cast_bias_weight = (lambda device: next(streams)), on_device
    told = searches()
    mm.is_device_cpu, mm.vram_state, mm.get_offload_stream = before
    comfy.ops.cast_bias_weight = cast
    return told | {"buffers": len(buffers)}


def hooked():
    """A search by a LoRA that is a hook: the host then takes a model that is not dynamic."""
    layer = simulated.model.model.diffusion_model.double_blocks[0].img_attn.qkv
    lora = torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(3)) / 50
    lora = {"diffusion_model.double_blocks.0.img_attn.qkv.diff": lora}
    text = comfy.hooks.set_hooks_for_conditioning(
        simulated.text, comfy.hooks.create_hook_lora(lora, 1.0, 0.0)
    )
    basic = stock.Guider_Basic(simulated.model)
    basic.set_conds(text)
    return run_search(LARGE, simulated.vae, guider=basic, latent_image=LITTLE)["rewards"]


class Weighing:
    """A reward of weights that are no layers of the host's."""

    def __init__(self):
        self.module = torch.nn.Linear(3, 1)

    def check(self, prompt):
        pass

    def score(self, images, prompts):
        return self.module(images).mean((1, 2, 3))


def dynamic():
    """On models that the host has made dynamic."""
    plain_vae = SimpleNamespace(decode=simulated.vae.decode)
    own_hooked = hooked()
    pages.simulate(DEVICE)
    model, _, simulated.vae = demo.DemoFlowModelLoader.execute("fast").args
    simulated.model = patched(model)
    simulated.guider = stock.Guider_Basic(simulated.model)
    simulated.guider.set_conds(simulated.text)
    full = SimpleNamespace(decode=simulated.vae.decode)
    classes = [type(p).__name__ for p in (simulated.model, simulated.vae.patcher)]
    told = {"whole": searches(), "classes": classes}
    pages.Pages.kept = False
    told["taken"] = searches()
    pages.Pages.refused = 0.5
    told["refused"] = searches(("dps",))["dps"]
    pages.Pages.refused = 0.0
    told["full"] = run_search(SMALL, full, latent_image=LITTLE)["rewards"]
    told["plain decoder"] = run_search(SMALL, plain_vae, latent_image=LITTLE)["rewards"]
    with Shortage(0.5, 0) as shortage:
        told["exhausted"] = run_search(40 * MB, simulated.vae, latent_image=LITTLE)["rewards"]
    told |= {"raised": shortage.raised, "weighed": weighed(plain_vae), "own hooked": own_hooked}
    # Else its layers keep the file's fp16, in which a CPU's network does not compute.
    comfy.memory_management.aimdo_enabled = False
    told["hooked"] = hooked()
    return told | {"lent": pages.Pages.lent, "refusals": pages.Pages.refusals}


def weighed(plain_vae):
    """How often the reward's weights were copied to the device, and lines in the host's log.

    In three searches: the last one's decoder takes the room of what is dynamic in each round.
    """
    scorer = Weighing()
    with torch.inference_mode(False):
        hosted = hosting.hosted(scorer, {})
    copies, lines = [], []
    own = type(hosted.scorer.patcher).load

    def load(self, *args, **kwargs):
        copies.append(self is hosted.scorer.patcher)
        return own(self, *args, **kwargs)

    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    type(hosted.scorer.patcher).load = load
    rewards, copied = [], []
    for memory, vae in ((LARGE, simulated.vae), (LARGE, simulated.vae), (TINY, plain_vae)):
        before = sum(copies)
        found = run_search(memory, vae, latent_image=LITTLE, reward=hosted)
        rewards.append(found["rewards"])
        copied.append(sum(copies) - before)
    type(hosted.scorer.patcher).load = own
    logging.getLogger().removeHandler(handler)
    return {
        "copies": copied, "loads": len(copies), "rewards": rewards, "rounds": len(found["rounds"]),
        "lines": sum("prepared for dynamic" in line for line in lines),
    }  # fmt: skip


with torch.inference_mode():
    full = SimpleNamespace(decode=simulated.vae.decode)
    told = {
        "own": searches(),
        "own full": run_search(LARGE, full, latent_image=LITTLE)["rewards"],
        "own counts": run_search(LARGE, simulated.vae, latent_image=LITTLE)["rewards"],
        "in turn": in_turn(),
    }
    if DYNAMIC:
        told["dynamic"] = dynamic()
sys.stdout.write(json.dumps(told) + "\n")
