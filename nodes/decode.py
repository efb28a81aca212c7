"""Latents -> pictures, a TAESD in its own small memory."""

from __future__ import annotations

from typing import Any

import comfy.model_management as mm
import torch
from comfy.taesd.taesd import TAESD
from PIL import Image
from torch import Tensor

from .flow import out_of_memory

# Floats alive per pixel inside TAESD's last blocks: 64 channels of input, convolution, activation.
TAESD_FLOATS = 4 * 64


def decode(vae: Any, base: Any, x0: Tensor) -> Tensor:
    """Model-space latents (K,C,H,W) or (K,C,T,H,W) -> pictures (K,H,W,3) or (K,T,H,W,3)."""
    latents = base.process_latent_out(x0)
    if latents.ndim == 4 and isinstance(getattr(vae, "first_stage_model", None), TAESD):
        try:
            return decode_taesd(vae, latents)
        except Exception as error:
            if not out_of_memory(error):
                raise
        mm.soft_empty_cache()
    return vae.decode(latents)  # falls back on tiles when memory runs out


def taesd_bytes(vae: Any, latents: Tensor) -> int:
    """Memory that decoding one of the latents takes."""
    scale = 16 if latents.shape[1] == 128 else 8  # FLUX.2's decoder unpacks 2x2 first
    pixels = latents.shape[2] * latents.shape[3] * scale**2
    return TAESD_FLOATS * pixels * mm.dtype_size(vae.vae_dtype)


def decode_taesd(vae: Any, latents: Tensor) -> Tensor:
    """What `vae.decode` gives, asking for what a TAESD needs.

    The host's estimate is the full VAE's, 4 GB at 1024x1024 (comfy/sd.py:493), which would push the
    network out at every candidate.
    """
    each = taesd_bytes(vae, latents)
    mm.load_models_gpu([vae.patcher], memory_required=each)
    at_once = max(1, int(mm.get_free_memory(vae.device) / each))
    pictures = []
    for rows in latents.split(at_once):
        decoded = vae.first_stage_model.decode(rows.to(vae.device, vae.vae_dtype))
        pictures.append(vae.process_output(decoded.to(vae.output_device, torch.float32)))
    return torch.cat(pictures).movedim(1, -1)


def pixels(picture: Tensor) -> Image.Image:
    """One picture (H,W,3) in [0,1]."""
    return Image.fromarray((picture.clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy())
