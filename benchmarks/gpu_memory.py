"""GPU memory of a search at 1024x1024: python benchmarks/gpu_memory.py --write

Calculated, not measured. The parameters are counted on ComfyUI's classes in their published sizes,
without weights. The memory of a call on one particle is ComfyUI's estimate, that of a TAESD is this
pack's. `--write` puts the table into docs/troubleshooting.md. Needs COMFYUI_PATH and the
environment of `python dev.py test`.
"""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from pathlib import Path
from typing import NamedTuple

import torch

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.tools.sections import put

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--write", action="store_true", help="put the table into the page")
write, sys.argv = parser.parse_args().write, [sys.argv[0], "--cpu"]
sys.path.insert(0, os.environ["COMFYUI_PATH"])
import comfy.options

comfy.options.enable_args_parsing()
import comfy.ops
import comfy.supported_models as supported
from comfy.ldm.flux.model import Flux
from comfy.ldm.modules.diffusionmodules.mmdit import MMDiT
from comfy.ldm.qwen_image.model import QwenImageTransformer2DModel

GIB = 1 << 30
SIDE = 1024
TAESD = 256 * SIDE**2 * 2  # decode.taesd_bytes in bfloat16
TAEW = (
    50 * (SIDE // 8) ** 2 * 1024 * 2
)  # Qwen-Image's lighttaew2_1 (comfy/sd.py, memory_used_decode)
KEPT_FREE = 1.0  # GiB that ComfyUI keeps free
REWARDS = {  # GiB, docs/reward_costs.md
    "a weightless reward": 0.0, "`object_count` (base)": 0.9, "PickScore": 1.8,
    "`vqascore` (xl)": 5.9,
}  # fmt: skip
META = {"device": "meta", "dtype": torch.bfloat16, "operations": comfy.ops.disable_weight_init}


class Model(NamedTuple):
    """A row of the table.

    Args:
        name: what the table calls it.
        network: the network, without weights.
        config: ComfyUI's class with its memory factor.
        bytes: of one weight.
        decoder: bytes that decoding one image takes.
    """

    name: str
    network: torch.nn.Module
    config: type
    bytes: float
    decoder: int = TAESD


def networks() -> list[Model]:
    flux = Flux(
        in_channels=16, out_channels=16, vec_in_dim=768, context_in_dim=4096, hidden_size=3072,
        mlp_ratio=4.0, num_heads=24, depth=19, depth_single_blocks=38, axes_dim=[16, 56, 56],
        theta=10_000, patch_size=2, qkv_bias=True, guidance_embed=True, txt_ids_dims=[], **META,
    )  # fmt: skip
    qwen = QwenImageTransformer2DModel(
        in_channels=64, num_layers=60, num_attention_heads=24, joint_attention_dim=3584, **META
    )
    text = {"in_features": 4096, "out_features": 2432}
    mmdit = MMDiT(
        input_size=None, patch_size=2, in_channels=16, depth=38, adm_in_channels=2048,
        context_embedder_config={"target": "torch.nn.Linear", "params": text},
        num_patches=192**2, pos_embed_max_size=192, pos_embed_scaling_factor=None, qk_norm="rms",
        **META,
    )  # fmt: skip
    return [
        Model("FLUX.1, Q4 GGUF", flux, supported.Flux, 4.5 / 8),
        Model("FLUX.1, fp8", flux, supported.Flux, 1),
        Model("FLUX.1, bf16", flux, supported.Flux, 2),
        Model("SD3.5 Large, fp8", mmdit, supported.SD3, 1),
        Model("Qwen-Image, fp8", qwen, supported.QwenImage, 1, TAEW),
    ]


def row(model: Model) -> tuple[float, float]:
    """GiB of the weights, and of a call on one particle in bfloat16 (comfy/model_base.py)."""
    weights = sum(p.numel() for p in model.network.parameters()) * model.bytes / GIB
    call = (SIDE // 8) ** 2 * 2 * 0.01 * model.config.memory_usage_factor / 1024
    return weights, call


def table() -> str:
    heads = ["model", "weights", "a call", *REWARDS]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for model in networks():
        weights, call = row(model)
        network = weights + call
        decoder = model.decoder / GIB + KEPT_FREE
        sums = (network + reward + decoder for reward in REWARDS.values())
        cells = [f"{weights:.1f}", f"{call:.1f}", *(f"{total:.0f}" for total in sums)]
        lines.append(f"| {model.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    text = table()
    print(text)
    if write:
        put(ROOT / "docs" / "troubleshooting.md", "memory", text)
