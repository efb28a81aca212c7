"""Weights of eight bits that each call unpacks, and then patches: a model as GGUF packs load it."""

import comfy.lora
import comfy.model_patcher
import comfy.ops
import comfy.utils
import torch

from . import build


class Packed(torch.Tensor):
    """int8 with a scale for each row. Only `torch.Tensor(weight)` leaves the class.

    Args:
        values: int8.
        scale: of each row.
        patches: what the host adds at each call.
    """

    def __new__(cls, values, *, scale, patches=()):
        return super().__new__(cls, values)

    def __init__(self, values, *, scale, patches=()):
        super().__init__()
        self.scale, self.patches = scale, patches

    def to(self, *args, **kwargs):
        moved = super().to(*args, **kwargs)
        moved.scale, moved.patches = self.scale, self.patches
        return moved

    def detach(self):
        return self

    def unpacked(self, dtype):
        weight = torch.Tensor(self * self.scale).to(dtype)
        for patches, key in self.patches:
            weight = comfy.lora.calculate_weight(patches, weight, key)
        return weight


class Linear(comfy.ops.manual_cast.Linear):
    def forward_comfy_cast_weights(self, x):
        bias = None if self.bias is None else self.bias.to(x)
        return torch.nn.functional.linear(x, self.weight.to(x.device).unpacked(x.dtype), bias)


class Patcher(comfy.model_patcher.ModelPatcher):
    def patch_weight_to_device(self, key, device_to=None, **kwargs):
        weight = comfy.utils.get_attr(self.model, key)
        if not isinstance(weight, Packed):
            super().patch_weight_to_device(key, device_to, **kwargs)
        elif key in self.patches:
            weight.patches = [(self.patches[key], key)]

    def unpatch_model(self, device_to=None, unpatch_weights=True):
        for weight in self.model.parameters() if unpatch_weights else ():
            if isinstance(weight, Packed):
                weight.patches = ()
        super().unpatch_model(device_to, unpatch_weights)


def pack(network):
    for layer in network.modules():
        if isinstance(layer, torch.nn.Linear):
            scale = layer.weight.abs().amax(1, keepdim=True) / 127
            values = (layer.weight / scale).round().to(torch.int8)
            layer.__class__ = Linear
            layer.weight = torch.nn.Parameter(Packed(values, scale=scale), requires_grad=False)


class PackedModel:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"key": (list(build.MODELS),)}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, key):
        model = build.build(build.MODELS[key])
        pack(model.diffusion_model)
        return (Patcher(model, build.CPU, build.CPU),)


NODES = {"ProbePacked": PackedModel}
