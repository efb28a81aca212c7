"""Small models, a decoder for any latent, and one report on a plain run and its searches."""

import dataclasses
import json
from pathlib import Path

import comfy.controlnet
import comfy.ldm.flux.redux
import comfy.sd
import comfy.supported_models
import folder_paths
import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy.patcher_extension import WrappersMP

from . import build


class Model:
    """A small model with its condition, an empty latent, a picture, and the picture masked.

    `loaded`: the model itself comes from a file. Each `number` is a model of its own.
    """

    @classmethod
    def INPUT_TYPES(cls):
        required = {"key": (list(build.MODELS),), "loaded": ("BOOLEAN", {})}
        return {"required": required, "optional": {"number": ("INT", {})}}

    RETURN_TYPES = ("MODEL", "CONDITIONING", "LATENT", "LATENT", "LATENT")
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, key, loaded, number=0):
        model = None if loaded else build.patcher(key)
        return (model, build.condition(key), *build.latents(key))


class Checkpoint:
    """Writes a small model as a file that the stock loader can load, once; or its weights scaled
    to eight bits."""

    @classmethod
    def INPUT_TYPES(cls):
        kinds = ["", *build.SCALED]
        return {"required": {"key": (list(build.MODELS),)}, "optional": {"scaled": (kinds,)}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, key, scaled=""):
        build.save(key, Path(folder_paths.get_folder_paths("diffusion_models")[0]), scaled)
        return {}


class Extras:
    """Writes a small LoRA and a small ControlNet for the small FLUX.1, and a small video VAE."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self):
        for kind, make in (("loras", build.lora), ("controlnet", build.control_net)):
            path = Path(folder_paths.get_folder_paths(kind)[0]) / "tiny.safetensors"
            build.write(make("FLUX.1 dev"), path)
        loras = Path(folder_paths.get_folder_paths("loras")[0])
        build.write(build.unet_lora("SDXL"), loras / "unet.safetensors")
        build.write(
            build.video_vae(), Path(folder_paths.get_folder_paths("vae")[0]) / "clip.safetensors"
        )
        return {}


class Classes:
    """The model classes that the host knows."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self):
        names = [cls.__name__ for cls in comfy.supported_models.models]
        return {"ui": {"probe": [json.dumps(names)]}}


class Loaded:
    """An output node: the class that the host took a model for, and how its weights are held."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",)}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, model):
        base = model.model
        held = {type(weight).__name__ for weight in base.parameters()}
        shown = {"class": type(base.model_config).__name__, "weights": sorted(held)}
        return {"ui": {"probe": [json.dumps(shown)]}}


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


@dataclasses.dataclass(frozen=True)
class SameReward:
    """Every picture is worth the same: of equals a search returns the latest."""

    settings = {}
    at_once = 1
    itemised = False

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


SPREADS = {}


class Spread:
    """Keeps the standard deviation of every row that the network is asked, call by call."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "name": ("STRING", {})}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, model, name):
        model, calls = model.clone(), SPREADS.setdefault(name, [])

        def seen(execute, x, *args, **kwargs):
            calls.append([float(row.std()) for row in x])
            return execute(x, *args, **kwargs)

        model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "probe_spread", seen)
        return (model,)


class ShowSpread:
    """An output node: what `Spread` kept under a name."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"after": ("LATENT",), "name": ("STRING", {})}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, after, name):
        return {"ui": {"probe": [json.dumps(SPREADS[name])]}}


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


def parts(latent):
    """The tensors of a latent, a packed one's video first."""
    samples = latent["samples"]
    return list(samples.unbind()) if samples.is_nested else [samples]


def told(latent):
    values = torch.cat([part.flatten() for part in parts(latent)])
    finite, largest = bool(values.isfinite().all()), float(values.abs().max())
    return {"shape": list(parts(latent)[0].shape), "finite": finite, "largest": largest}


class Compare:
    """An output node: how two latents differ, in all, in their left half and first frame, and in
    their sound."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"a": ("LATENT",), "b": ("LATENT",)}}

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, a, b):
        x, y = parts(a), parts(b)
        shown = {"a": told(a), "b": told(b)}
        if [part.shape for part in x] == [part.shape for part in y]:
            off, *rest = [(p - q).abs() for p, q in zip(x, y, strict=True)]
            differ, half = max(float(part.max()) for part in (off, *rest)), off.shape[-1] // 2
            shown |= {"differ": differ, "left": float(off[..., :half].max())}
            shown |= {"first": float(off[:, :, 0].max())} if off.ndim == 5 else {}
            shown |= {"sound": float(rest[0].max())} if rest else {}
        return {"ui": {"probe": [json.dumps(shown)]}}


class Kept:
    """What the host makes of a latent that a mask keeps: into the model's space and back."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "latent": ("LATENT",)}}

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, model, latent):
        base = model.model
        return ({"samples": base.process_latent_out(base.process_latent_in(latent["samples"]))},)


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


NODES = {
    "ProbeTinyModel": Model,
    "ProbeTinyCheckpoint": Checkpoint,
    "ProbeTinyExtras": Extras,
    "ProbeTinyClasses": Classes,
    "ProbeLoaded": Loaded,
    "ProbeTinyVAE": VAE,
    "ProbeTinyAudioVAE": AudioVAE,
    "ProbeControl": Control,
    "ProbeAdapter": Adapter,
    "ProbeSameReward": Reward,
    "ProbeCompare": Compare,
    "ProbeKept": Kept,
    "ProbeSpread": Spread,
    "ProbeShowSpread": ShowSpread,
    "ProbeRedux": Redux,
    "ProbeRows": Rows,
    "ProbeMaskEach": MaskEach,
}
