"""Counts what the network sees, and shows it with a search's report and latent."""

import json

import torch

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
        """Show all of it as JSON.

        Args:
            latent: a LATENT.
            name: of the counter.
            report: of a search.
            images: of a search.
        """
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


NODES = {"ProbeCountNetwork": CountNetwork, "ProbeReport": Report}
