"""Linear layers of a reward as the host's own, which may stay in RAM and come for each use."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import comfy.model_management as mm
import comfy.ops
import torch
from torch import Tensor


class StreamedLinear(comfy.ops.manual_cast.Linear):
    """The host's layer, which casts its weights to the dtype and the device of what it reads."""

    def forward_comfy_cast_weights(self, input: Tensor) -> Tensor:
        """With a gradient the weights get memory of their own: the host's is used again."""
        if not input.requires_grad:
            return super().forward_comfy_cast_weights(input)
        weight, bias = (
            None if part is None else part.to(input.device, input.dtype)
            for part in (self.weight, self.bias)
        )
        return torch.nn.functional.linear(input, weight, bias)


def stream(layers: Collection[torch.nn.Linear]) -> None:
    """Make each layer a `StreamedLinear`; its weights stay where they are."""
    for layer in layers:
        layer.__class__ = StreamedLinear


def is_streamed(module: torch.nn.Module) -> bool:
    """Whether the host may leave a part of the module in RAM."""
    return any(isinstance(layer, StreamedLinear) for layer in module.modules())


def load_parts(patcher: Any) -> None:
    """Load as much of a streamed model as fits, and all that is no streamed layer.

    The host leaves buffers, and parameters beside inner modules, where they are
    (comfy/model_patcher.py:937).
    """
    mm.load_models_gpu([patcher])
    device = patcher.load_device
    for module in patcher.model.modules():
        if isinstance(module, StreamedLinear):
            continue
        for part in (*module._parameters.values(), *module._buffers.values()):
            if part is not None and part.device != device:
                part.data = part.data.to(device)
