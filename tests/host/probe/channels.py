"""Pictures of other channels than three, from a batch and from a decoder."""

import torch


def channels_of(images, count):
    """RGB as so many channels; alpha is half everywhere."""
    alpha = torch.full_like(images[..., :1], 0.5)
    grey = images.mean(-1, keepdim=True)
    kinds = {1: [grey], 2: [grey, alpha], 3: [images], 4: [images, alpha]}
    return torch.cat(kinds.get(count, [images] * 2), -1)[..., :count]


class Channels:
    """Pictures as `count` channels."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"images": ("IMAGE",), "count": ("INT", {})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, images, count):
        return (channels_of(images, count),)


class Decoder:
    """A VAE whose pictures have `count` channels."""

    def __init__(self, vae, count):
        self.vae, self.count = vae, count

    def decode(self, samples):
        return channels_of(self.vae.decode(samples), self.count)


class ChannelVAE:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"vae": ("VAE",), "count": ("INT", {})}}

    RETURN_TYPES = ("VAE",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, vae, count):
        return (Decoder(vae, count),)


NODES = {"ProbeChannels": Channels, "ProbeChannelVAE": ChannelVAE}
