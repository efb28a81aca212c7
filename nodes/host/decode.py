"""Latents to images. A TAESD asks only for the little memory that it needs."""

from __future__ import annotations

from typing import Any

import comfy.model_management as mm
import torch
from comfy.sd import VAE
from comfy.taesd.taesd import TAESD
from PIL import Image
from torch import Tensor

from .channels import to_rgb
from .frames import takes_frames, to_frames
from .image_bytes import pil_image
from .memory import free_frames, out_of_memory, run_in_parts

# Floats per pixel in TAESD's last blocks: 64 channels of input, convolution and activation.
TAESD_FLOATS = 4 * 64
TILE, TILE_FRAMES = 128, 4  # pixels; latent frames
# Latent frames of a video that two tiles share. The first frame of a tile is decoded as a still
# image. The host's blend would show half of it if it were the only one (comfy/utils.py:1196).
SHARED_FRAMES = 2
PREVIEW_FRAMES = 4


def decode(vae: Any, base: Any, x0: Tensor) -> Tensor:
    """Images (K,H,W,3) or videos (K,T,H,W,3) in [0,1].

    Args:
        vae: the host's VAE, or what a node gave in its place.
        base: the host's model; it scales latents for the decoder.
        x0: clean latents in the model's space, (K,C,H,W) or (K,C,T,H,W).
    """
    return to_rgb(decode_all_channels(vae, base, x0), "The decoder's images have")


def decode_all_channels(vae: Any, base: Any, x0: Tensor) -> Tensor:
    """Images or videos as `decode` gives them, with the decoder's own channels.

    Args:
        vae: the host's VAE, or what a node gave in its place.
        base: the host's model; it scales latents for the decoder.
        x0: clean latents in the model's space.
    """
    latents = base.process_latent_out(x0)
    if not takes_frames(base):
        return decode_latents(vae, latents)
    # SVD's decoder mixes the rows of a call over time.
    videos = [decode_latents(vae, to_frames(base, video)) for video in latents.split(1)]
    return torch.stack(videos)


def decode_latents(vae: Any, latents: Tensor) -> Tensor:
    """Images or videos, with the decoder's own channels.

    Args:
        vae: the host's VAE, or what a node gave in its place.
        latents: as the host's VAEDecode takes them.
    """
    if latents.ndim == 4 and isinstance(getattr(vae, "first_stage_model", None), TAESD):
        try:
            return decode_taesd(vae, latents)
        except Exception as error:
            if not out_of_memory(error):
                raise
        mm.soft_empty_cache()
    try:  # when memory runs out, the host decodes in its own tiles first
        return run_in_parts(lambda rows: vae.decode(latents[rows]), len(latents), len(latents))
    except Exception as error:
        if not (out_of_memory(error) and isinstance(vae, VAE)):
            raise
        free_frames(error)
    mm.soft_empty_cache()
    return run_in_parts(lambda rows: decode_in_tiles(vae, latents[rows]), len(latents), 1)


def decode_in_tiles(vae: VAE, latents: Tensor) -> Tensor:
    """Tiles half as wide as the host's own; of a video, `TILE_FRAMES` frames at a time."""
    tile = max(8, TILE // vae.spacial_compression_decode())
    times = {"tile_t": TILE_FRAMES, "overlap_t": SHARED_FRAMES} if latents.ndim == 5 else {}
    return vae.decode_tiled(latents, tile_x=tile, tile_y=tile, overlap=tile // 4, **times)


def taesd_bytes(vae: Any, latents: Tensor) -> int:
    """Bytes of memory that decoding one of the latents takes."""
    scale = 16 if latents.shape[1] == 128 else 8  # FLUX.2's decoder unpacks 2x2 first
    pixels = latents.shape[2] * latents.shape[3] * scale**2
    return TAESD_FLOATS * pixels * mm.dtype_size(vae.vae_dtype)


def decode_taesd(vae: Any, latents: Tensor) -> Tensor:
    """The images of `vae.decode`, for the memory that a TAESD needs.

    The host's estimate is that of a full VAE, 4 GB at 1024x1024 (comfy/sd.py:493). It would unload
    the network at every particle.
    """
    row_bytes = taesd_bytes(vae, latents)
    mm.load_models_gpu([vae.patcher], memory_required=row_bytes)
    at_once = max(1, int(vae.patcher.get_free_memory(vae.device) / row_bytes))
    images = []
    for rows in latents.split(at_once):
        channels_first = vae.first_stage_model.decode(rows.to(vae.device, vae.vae_dtype))
        images.append(vae.process_output(channels_first.to(vae.output_device, torch.float32)))
    return torch.cat(images).movedim(1, -1)


def frames(images: Tensor) -> Tensor:
    """Images (N,H,W,3). The frames of videos (K,T,H,W,3) follow one after the other."""
    return images.flatten(0, 1) if images.ndim == 5 else images


def preview(image: Tensor) -> Image.Image:
    """An image (1,H,W,3) as it is; a video (1,T,H,W,3) as some frames in rows of two.

    The host sends one still image as a preview (server.py:1361), so a video cannot move there.
    """
    if image.ndim == 4:
        return pil_image(image[0])
    video, count = image[0], min(PREVIEW_FRAMES, image.shape[1] // 2 * 2 or 1)
    chosen = video[torch.linspace(0, len(video) - 1, count).round().long()]
    rows = [torch.cat(list(pair), dim=1) for pair in chosen.split(2)]
    return pil_image(torch.cat(rows))
