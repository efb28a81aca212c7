"""Latents -> pictures, a TAESD in its own small memory."""

from __future__ import annotations

import functools
import logging
from typing import Any

import comfy.model_management as mm
import torch
from comfy.sd import VAE
from comfy.taesd.taesd import TAESD
from PIL import Image
from torch import Tensor

from ...rewards import KINDS, rgb
from .memory import fitted, let_go, out_of_memory
from .pictures import pixels

log = logging.getLogger("flow_search")
# Floats alive per pixel inside TAESD's last blocks: 64 channels of input, convolution, activation.
TAESD_FLOATS = 4 * 64
TILE, TILE_FRAMES = 128, 4  # pixels; latent frames
# Latent frames of a clip that two parts share. The first of a part is decoded as a still, and where
# it is the only one the host's blend shows half of that (comfy/utils.py:1196).
SHARED = 2
SHOWN = 4  # frames of a clip in its preview


def decode(vae: Any, base: Any, x0: Tensor) -> Tensor:
    """Model-space latents (K,C,H,W) or (K,C,T,H,W) -> pictures (K,H,W,3) or (K,T,H,W,3)."""
    return plain(decoded(vae, base, x0), "The decoder's pictures have")


def plain(images: Tensor, whose: str) -> Tensor:
    """Pictures (…,C) as (…,3); the log says once what became of other channels."""
    if images.shape[-1] in KINDS:
        say_once(f"{whose} {KINDS[images.shape[-1]]}")
    return rgb(images)


@functools.lru_cache(maxsize=64)
def say_once(sentence: str) -> None:
    log.info("%s.", sentence)


def decoded(vae: Any, base: Any, x0: Tensor) -> Tensor:
    """As `decode`, in the decoder's own channels."""
    latents = base.process_latent_out(x0)
    if latents.ndim == 4 and isinstance(getattr(vae, "first_stage_model", None), TAESD):
        try:
            return decode_taesd(vae, latents)
        except Exception as error:
            if not out_of_memory(error):
                raise
        mm.soft_empty_cache()
    try:  # the host falls back on its own tiles when memory runs out
        return fitted(lambda rows: vae.decode(latents[rows]), len(latents), len(latents))
    except Exception as error:
        if not (out_of_memory(error) and isinstance(vae, VAE)):
            raise
        let_go(error)
    mm.soft_empty_cache()
    return fitted(lambda rows: decode_in_tiles(vae, latents[rows]), len(latents), 1)


def decode_in_tiles(vae: VAE, latents: Tensor) -> Tensor:
    """Tiles half as wide as those the host falls back on; a clip's in `TILE_FRAMES` at a time."""
    tile = max(8, TILE // vae.spacial_compression_decode())
    times = {"tile_t": TILE_FRAMES, "overlap_t": SHARED} if latents.ndim == 5 else {}
    return vae.decode_tiled(latents, tile_x=tile, tile_y=tile, overlap=tile // 4, **times)


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
    at_once = max(1, int(vae.patcher.get_free_memory(vae.device) / each))
    pictures = []
    for rows in latents.split(at_once):
        decoded = vae.first_stage_model.decode(rows.to(vae.device, vae.vae_dtype))
        pictures.append(vae.process_output(decoded.to(vae.output_device, torch.float32)))
    return torch.cat(pictures).movedim(1, -1)


def frames(pictures: Tensor) -> Tensor:
    """Pictures (N,H,W,3); those of clips (K,T,H,W,3) one after the other."""
    return pictures.flatten(0, 1) if pictures.ndim == 5 else pictures


def preview(picture: Tensor) -> Image.Image:
    """A picture (1,H,W,3), or some frames of a clip (1,T,H,W,3) in rows of two, first to last.

    The host sends one still image as a preview (server.py:1361), so a clip is not shown moving.
    """
    if picture.ndim == 4:
        return pixels(picture[0])
    clip, shown = picture[0], min(SHOWN, picture.shape[1] // 2 * 2 or 1)
    chosen = clip[torch.linspace(0, len(clip) - 1, shown).round().long()]
    rows = [torch.cat(list(pair), dim=1) for pair in chosen.split(2)]
    return pixels(torch.cat(rows))
