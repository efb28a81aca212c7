"""A pack for the tests alone: counts what the network sees, spoils inputs, compares results."""

import json

import torch

from .caches import NODES as CACHES
from .channels import NODES as CHANNELS
from .decoding import NODES as DECODING
from .gradients import NODES as GRADIENTS
from .guiders import NODES as GUIDERS
from .live_memory import NODES as MEMORY
from .mixture import NODES as MIXTURE
from .models import NODES as MODELS
from .packed import NODES as PACKED
from .samplers import NODES as SAMPLERS
from .tricks import NODES as TRICKS
from .trouble import NODES as TROUBLE
from .vlm import NODES as VLM
from .wrapped import Wrapped

COUNTS = {}


class CountNetwork(Wrapped):
    """Counts latent rows where the host hands them to the model."""

    INPUTS = {"name": ("STRING", {"default": "run"})}

    def begin(self):
        COUNTS[self.name] = {"rows": 0, "calls": 0}

    def call(self, ask, args):
        answer = ask(args)
        COUNTS[self.name]["rows"] += args["input"].shape[0]
        COUNTS[self.name]["calls"] += 1
        return answer


class Report:
    """An output node: shows a report, the counts so far and the latent's exact values."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"latent": ("LATENT",), "name": ("STRING", {"default": "run"})},
            "optional": {"report": ("STRING", {"forceInput": True}), "images": ("IMAGE",)},
        }

    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True
    CATEGORY = "probe"

    def run(self, latent, name, report="{}", images=None):
        samples = latent["samples"]
        parts = samples.unbind() if samples.is_nested else [samples]
        values = torch.cat([part.double().flatten() for part in parts])
        shown = {
            "report": json.loads(report),
            "counts": COUNTS.get(name),
            "shape": list(parts[0].shape),
            "latent": values.tolist(),
            "images": None if images is None else list(images.shape),
        }
        return {"ui": {"probe": [json.dumps(shown)]}}


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
    **CACHES,
    **CHANNELS,
    **DECODING,
    **MEMORY,
    **MIXTURE,
    **MODELS,
    **PACKED,
    **SAMPLERS,
    **TRICKS,
    **TROUBLE,
    **VLM,
    **GRADIENTS,
    **GUIDERS,
    "ProbeCountNetwork": CountNetwork,
    "ProbeExpand": Expand,
    "ProbeSeeds": Seeds,
    "ProbeReport": Report,
    "ProbeSpoilLatent": SpoilLatent,
    "ProbeSpoilImage": SpoilImage,
    "ProbeRatios": Ratios,
    "ProbeScores": Scores,
}
