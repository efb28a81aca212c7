"""How two latents differ, what a mask keeps, and how widely the latents of each call spread."""

import json

import torch
from comfy.patcher_extension import WrappersMP

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

        def kept(execute, x, *args, **kwargs):
            calls.append([float(row.std()) for row in x])
            return execute(x, *args, **kwargs)

        model.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "probe_spread", kept)
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


def parts(latent):
    """The tensors of a latent, a packed one's video first."""
    samples = latent["samples"]
    return list(samples.unbind()) if samples.is_nested else [samples]


def summary(latent):
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
        shown = {"a": summary(a), "b": summary(b)}
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


NODES = {
    "ProbeCompare": Compare,
    "ProbeKept": Kept,
    "ProbeSpread": Spread,
    "ProbeShowSpread": ShowSpread,
}
