"""What is run beside a small model: a decoder for any latent, a reward, ControlNets, conditions."""

import dataclasses

import comfy.controlnet
import comfy.ldm.flux.redux
import comfy.sd
import torch
from comfy.ldm.modules.attention import optimized_attention

from . import build


class AnyDecoder:
    """Pictures (B,H,W,3) or clips (B,T,H,W,3) of latents with any number of channels."""

    def __init__(self, channels=16):
        self.channels = channels

    def decode(self, latents):
        return torch.sigmoid(latents[:, :3]).movedim(1, -1)

    def encode(self, pixels):
        """A picture (1,H,W,3) -> (1,16,H/8,W/8); frames of a clip (T,H,W,3) -> (1,16,T/4,…)."""
        small = torch.nn.functional.avg_pool2d(pixels.movedim(-1, 1), 8)
        latents = small.repeat(1, 6, 1, 1)[:, : self.channels]
        return latents if len(latents) == 1 else latents[::4].movedim(0, 1)[None]


class VAE:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "optional": {"channels": ("INT", {"default": 16})}}

    RETURN_TYPES = ("VAE",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, channels=16):
        return (AnyDecoder(channels),)


class Heard:
    """A decoder of LTX-2's sound: one sample of two channels for each number of 16 bands."""

    latent_channels = 8

    class first_stage_model:
        latent_frequency_bins, output_sample_rate = 16, 24_000

        @staticmethod
        def num_of_latents_from_frames(frames, rate):
            return max(1, round(25 * frames / rate))

    def decode(self, latents):
        return latents.mean(1).flatten(1)[..., None].expand(-1, -1, 2)


class AudioVAE:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("VAE",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self):
        return (Heard(),)


class Control:
    """A small ControlNet for a UNet."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"key": ("STRING", {})}}

    RETURN_TYPES = ("CONTROL_NET",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, key):
        net = build.unet_control_net(key)
        return (comfy.controlnet.ControlNet(net, load_device=build.CPU),)


class Adapter:
    """An image's tokens beside the text's in every cross attention, as IP-Adapter adds them."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, model):
        model, random = model.clone(), torch.Generator().manual_seed(5)

        def attend(q, k, v, extra):
            tokens = torch.randn(1, 3, k.shape[-1], generator=random.manual_seed(5)).to(k)
            heads = extra["n_heads"]
            text = optimized_attention(q, k, v, heads)
            return text + optimized_attention(q, *[tokens.expand(len(q), -1, -1)] * 2, heads)

        for block in (("input", 1), ("middle", 0), ("output", 0)):
            model.set_model_attn2_replace(attend, *block)
        return (model,)


class Redux:
    """A small Redux style model and the picture's tokens that it reads."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"width": ("INT", {"default": 32})}}

    RETURN_TYPES = ("STYLE_MODEL", "CLIP_VISION_OUTPUT")
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, width):
        encoder = comfy.ldm.flux.redux.ReduxImageEncoder(redux_dim=8, txt_in_features=width)
        random = torch.Generator().manual_seed(0)
        for weight in encoder.parameters():
            weight.data.copy_(torch.randn(weight.shape, generator=random) / 4)

        class Seen:
            last_hidden_state = torch.randn(1, 9, 8, generator=random)

        return comfy.sd.StyleModel(encoder.requires_grad_(False)), Seen()


@dataclasses.dataclass(frozen=True)
class SameReward:
    """Every picture is worth the same: of equals a search returns the latest."""

    settings = {}
    at_once = 1
    itemised = False
    learned = ()

    def fresh(self):
        return self

    def check(self, prompt):
        pass

    def score(self, images, prompt):
        return torch.zeros(len(images))


class Reward:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("FLOW_REWARD",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self):
        return (SameReward(),)


class Rows:
    """A condition of which one part is made for two pictures."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"conditioning": ("CONDITIONING",), "part": ("STRING", {})}}

    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, conditioning, part):
        def twice(rows):
            return rows.repeat(2, *[1] * (rows.ndim - 1))

        if part == "cross_attn":
            return ([[twice(text), more] for text, more in conditioning],)
        return ([[text, more | {part: twice(more[part])}] for text, more in conditioning],)


class MaskEach:
    """A batch of clips, each with a mask of its own: all of the first may change, then less."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"latent": ("LATENT",)}}

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, latent):
        samples = latent["samples"]
        mask = torch.ones_like(samples[:, :1])
        mask[1:, ..., : mask.shape[-1] // 2] = 0.0
        return (latent | {"noise_mask": mask},)


NODES = {
    "ProbeTinyVAE": VAE,
    "ProbeTinyAudioVAE": AudioVAE,
    "ProbeControl": Control,
    "ProbeAdapter": Adapter,
    "ProbeRedux": Redux,
    "ProbeSameReward": Reward,
    "ProbeRows": Rows,
    "ProbeMaskEach": MaskEach,
}
