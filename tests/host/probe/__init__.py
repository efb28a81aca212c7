"""A pack for the tests alone: that of tools/probing, and what spoils inputs and goes wrong."""

import json

import torch

from .channels import NODES as CHANNELS
from .decoding import NODES as DECODING
from .gradients import NODES as GRADIENTS
from .guiders import NODES as GUIDERS
from .live_memory import NODES as MEMORY
from .mixture import NODES as MIXTURE
from .samplers import NODES as SAMPLERS
from .shared import NODES as SHARED
from .trouble import NODES as TROUBLE
from .vlm import NODES as VLM


class SpoilLatent:
    """A latent with one value that is not a number."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"latent": ("LATENT",)}}

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, latent):
        samples = latent["samples"].clone()
        samples.view(-1)[0] = torch.nan
        return (latent | {"samples": samples},)


class Ratios:
    """A latent that says how many pixels and frames of a clip each of its own stands for."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"latent": ("LATENT",), "spacial": ("INT", {}), "temporal": ("INT", {})}
        }

    RETURN_TYPES = ("LATENT",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, latent, spacial, temporal):
        told = {"downscale_ratio_spacial": spacial, "downscale_ratio_temporal": temporal}
        return (latent | told,)


class SpoilImage:
    """Pictures of which the first `count` have one value that is not a number."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"images": ("IMAGE",), "count": ("INT", {"default": 1})}}

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, images, count):
        images = images.clone()
        images[:count, 0, 0, 0] = torch.nan
        return (images,)


class Scores:
    """An output node: shows what Score Images gives, each picture by its mean."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "best_score": ("FLOAT", {"forceInput": True}),
                "images": ("IMAGE",),
                "scores": ("STRING", {"forceInput": True}),
            }
        }

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, best_score, images, scores):
        shown = {
            "best_score": best_score,
            "means": images.nan_to_num().mean((1, 2, 3)).tolist(),
            "scores": json.loads(scores),
        }
        return {"ui": {"probe": [json.dumps(shown)]}}


class Seeds:
    """A list of seeds: the host runs what comes after once for each."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"first": ("INT", {"default": 0}), "count": ("INT", {"default": 2})}}

    RETURN_TYPES = ("INT",)
    OUTPUT_IS_LIST = (True,)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, first, count):
        return (list(range(first, first + count)),)


class Expand:
    """Becomes one other node while the prompt runs, as a loop's body does."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"inner": ("STRING", {}), "shown_as": ("STRING", {})}}

    RETURN_TYPES = ("LATENT", "IMAGE", "STRING")
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, inner, shown_as):
        name = f"{shown_as}.0.0.1"
        made = {name: json.loads(inner) | {"override_display_id": shown_as}}
        return {"result": tuple([name, i] for i in range(3)), "expand": made}


NODE_CLASS_MAPPINGS = {
    **CHANNELS,
    **DECODING,
    **MEMORY,
    **MIXTURE,
    **SAMPLERS,
    **SHARED,
    **TROUBLE,
    **VLM,
    **GRADIENTS,
    **GUIDERS,
    "ProbeExpand": Expand,
    "ProbeSeeds": Seeds,
    "ProbeSpoilLatent": SpoilLatent,
    "ProbeSpoilImage": SpoilImage,
    "ProbeRatios": Ratios,
    "ProbeScores": Scores,
}
