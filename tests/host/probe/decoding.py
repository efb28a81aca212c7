"""Decoders that count, or lack memory for more than a few tiles at once; how pictures differ."""

import copy
import json

import torch

ASKED = {}


class Short:
    """A VAE's network that decodes latents of at most so many frames and so large an area."""

    def __init__(self, network, frames, area, asked):
        self.network, self.frames, self.area, self.asked = network, frames, area, asked

    def __getattr__(self, name):
        return getattr(self.network, name)

    def decode(self, latents, **options):
        frames = latents.shape[2] if latents.ndim == 5 else 1
        area = latents.shape[-2] * latents.shape[-1]
        fits = len(latents) == 1 and frames <= self.frames and area <= self.area
        self.asked.append({"frames": frames, "width": latents.shape[-1], "fits": fits})
        if not fits:
            raise torch.OutOfMemoryError("CUDA out of memory in the decoder")
        return self.network.decode(latents, **options)


class Counting:
    """A VAE's network that counts the latents it decodes, and the frames that come of them."""

    def __init__(self, network, counts):
        self.network, self.counts = network, counts

    def __getattr__(self, name):
        return getattr(self.network, name)

    def decode(self, latents, **options):
        pictures = self.network.decode(latents, **options)
        self.counts["decodes"] += len(pictures)
        self.counts["frames"] += len(pictures) * (pictures.shape[2] if pictures.ndim == 5 else 1)
        return pictures


class CountingVAE:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"vae": ("VAE",), "name": ("STRING", {})}}

    RETURN_TYPES = ("VAE",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, vae, name):
        counting, ASKED[name] = copy.copy(vae), {"decodes": 0, "frames": 0}
        counting.first_stage_model = Counting(vae.first_stage_model, ASKED[name])
        return (counting,)


class ShortVAE:
    @classmethod
    def INPUT_TYPES(cls):
        number = ("INT", {})
        return {
            "required": {"vae": ("VAE",), "frames": number, "area": number, "name": ("STRING", {})}
        }

    RETURN_TYPES = ("VAE",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, vae, frames, area, name):
        short, ASKED[name] = copy.copy(vae), []
        short.first_stage_model = Short(vae.first_stage_model, frames, area, ASKED[name])
        return (short,)


class Decoded:
    """An output node: how pictures differ from others, and what a short VAE was asked."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"images": ("IMAGE",), "whole": ("IMAGE",), "name": ("STRING", {})},
        }

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, images, whole, name):
        shown = {"asked": ASKED[name], "shape": list(images.shape), "whole": list(whole.shape)}
        if images.shape == whole.shape:
            off = (images - whole).square().mean((1, 2, 3)).sqrt()
            shown |= {"off": off.tolist(), "spread": float(whole.std())}
        return {"ui": {"probe": [json.dumps(shown)]}}


NODES = {"ProbeShortVAE": ShortVAE, "ProbeCountingVAE": CountingVAE, "ProbeDecoded": Decoded}
