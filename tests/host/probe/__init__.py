"""A pack for the tests alone: counts what the network sees, spoils inputs, compares results."""

import json

import torch

from .gradients import NODES as GRADIENTS
from .memory import NODES as MEMORY
from .models import NODES as MODELS
from .tricks import NODES as TRICKS
from .tricks import passed
from .trouble import NODES as TROUBLE

COUNTS = {}


class CountNetwork:
    """Counts latent rows where the host hands them to the model, by the host's own means."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "name": ("STRING", {"default": "run"})}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, model, name):
        model = model.clone()
        COUNTS[name] = {"rows": 0, "calls": 0}
        inner = model.model_options.get("model_function_wrapper", passed)

        def wrapped(apply_model, args):
            answer = inner(apply_model, args)
            COUNTS[name]["rows"] += args["input"].shape[0]
            COUNTS[name]["calls"] += 1
            return answer

        model.set_model_unet_function_wrapper(wrapped)
        return (model,)


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
        values = latent["samples"].double()
        shown = {
            "report": json.loads(report),
            "counts": COUNTS.get(name),
            "shape": list(values.shape),
            "latent": values.flatten().tolist(),
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


NODE_CLASS_MAPPINGS = {
    **MEMORY,
    **MODELS,
    **TRICKS,
    **TROUBLE,
    **GRADIENTS,
    "ProbeCountNetwork": CountNetwork,
    "ProbeReport": Report,
    "ProbeSpoilLatent": SpoilLatent,
    "ProbeSpoilImage": SpoilImage,
    "ProbeRatios": Ratios,
    "ProbeScores": Scores,
}
