"""Demo Flow Model Loader: a tiny trained FLUX that comes with the pack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.sd
import comfy.utils
import torch
from comfy_api.latest import io

from ..demo.taesd import narrow_weights
from ..demo.text import WordTableCLIP
from .schema import CATEGORY

FOLDER = Path(__file__).resolve().parent.parent / "demo"
# FLUX's latent statistics. TAESD works in model space; ComfyUI's VAE converts with these.
VAE_SCALE, VAE_SHIFT = 0.3611, 0.1159


def weights(name: str) -> Path:
    """The file of the demo weights `name`; ValueError if it is missing."""
    path = FOLDER / f"{name}.safetensors"
    if not path.is_file():
        raise ValueError(
            f"The demo weights are missing: got no file {path}, expected one. Reinstall Flow "
            "Search."
        )
    return path


def load_vae() -> comfy.sd.VAE:
    """The demo autoencoder, built as ComfyUI's Load VAE builds `taef1`.

    Its decoder lacks the channels that are zero. The images are the same, several times sooner.
    """
    state = {"vae_scale": torch.tensor(VAE_SCALE), "vae_shift": torch.tensor(VAE_SHIFT)}
    for half in ("encoder", "decoder"):
        for key, value in comfy.utils.load_torch_file(str(weights(f"taef1_{half}"))).items():
            state[f"taesd_{half}.{key}"] = value
    vae = comfy.sd.VAE(sd=state)
    decoder = vae.first_stage_model.taesd_decoder
    for key, value in narrow_weights(decoder.state_dict()).items():
        comfy.utils.set_attr_param(decoder, key, value)
    return vae


class DemoFlowModelLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchDemoLoader",
            display_name="Demo Flow Model Loader",
            category=CATEGORY,
            description="A tiny FLUX that draws coloured shapes at 128×128. Try a search in "
            "seconds, on a CPU, without any download.",
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=["fast", "base"],
                    default="fast",
                    tooltip="fast needs 4 steps, like FLUX.1-schnell. base needs about 20, like "
                    "FLUX.1-dev.",
                )
            ],
            outputs=[io.Model.Output(), io.Clip.Output(), io.Vae.Output()],
        )

    @classmethod
    def execute(cls, checkpoint: str, **unknown: Any) -> io.NodeOutput:
        model = comfy.sd.load_diffusion_model(str(weights(f"flux_{checkpoint}")))
        return io.NodeOutput(model, WordTableCLIP(), load_vae())
