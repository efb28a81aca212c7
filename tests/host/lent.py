"""Run by test_lent.py: searches by weights that have their place on the device for one call.

Arguments: ComfyUI's folder, the pack's. Prints one JSON object.
"""

import contextlib
import itertools
import json
import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parent))
import simulated  # noqa: E402
from simulated import (  # noqa: E402
    DEVICE,
    LARGE,
    mm,
    reward,
    run_search,
    sampler,
)

import comfy.ops  # noqa: E402  isort: skip
import torch  # noqa: E402  isort: skip

LITTLE = {"samples": torch.zeros(1, 16, 8, 8)}
GUIDANCES = ("none", "dps", "x0")
SOFT = reward.RewardModelLoader.execute({"reward": "brightness"}).args[0]


def searches(**more):
    """Of a search without guidance, and of each guidance: its rewards."""
    told = {}
    for kind in GUIDANCES:
        guidance = {"guidance": kind} | ({"strength": 0.5} if kind != "none" else {})
        made = sampler.VPSDEFlowSampler.execute(
            {"interpolant": "vp"}, "square", 1.0, "eta", guidance=guidance
        )
        given = {"latent_image": LITTLE, "reward": SOFT, "sampler": made.args[0]} | more
        told[kind] = run_search(LARGE, simulated.vae, **given)["rewards"]
    return told


class Stream:
    """Of a device that copies weights while it computes."""

    def as_context(self, stream):
        return contextlib.nullcontext()

    def wait_stream(self, stream):
        pass


def in_turn():
    """Every layer's weights come to one of two buffers, as with --novram on a GPU."""
    streams, cast = itertools.cycle([Stream(), Stream()]), comfy.ops.cast_bias_weight
    before = mm.is_device_cpu, mm.vram_state, mm.get_offload_stream

    def on_device(s, input=None, dtype=None, device=None, **kwargs):
        return cast(s, input, dtype, device or DEVICE, **kwargs)

    mm.is_device_cpu, mm.vram_state = (lambda device: device != DEVICE), mm.VRAMState.NO_VRAM
    mm.get_offload_stream, comfy.ops.cast_bias_weight = (lambda device: next(streams)), on_device
    told = searches()
    mm.is_device_cpu, mm.vram_state, mm.get_offload_stream = before
    comfy.ops.cast_bias_weight = cast
    return told | {"buffers": len(mm.STREAM_CAST_BUFFERS)}


with torch.inference_mode():
    told = {"own": searches(), "in turn": in_turn()}
sys.stdout.write(json.dumps(told) + "\n")
