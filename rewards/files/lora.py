"""Low-rank updates in the layout of the package peft, merged into the weights that they change."""

from collections.abc import Mapping

import torch

FIRST, SECOND = ".lora_A.default.weight", ".lora_B.default.weight"
BASE = ".base_layer"


def merged(state: Mapping[str, torch.Tensor], scale: float) -> dict[str, torch.Tensor]:
    """W + scale B A for each weight W with an update, under the key of a model without updates.

    Args:
        state: tensors by key: "x.base_layer.weight", "x.lora_A.default.weight" (r, in) and
            "x.lora_B.default.weight" (out, r).
        scale: of the updates: alpha / r, or alpha / sqrt(r) with rank-stabilised updates.
    """
    plain = {key.replace(BASE, ""): value for key, value in state.items() if ".lora_" not in key}
    for key, first in state.items():
        if key.endswith(FIRST):
            name = key.removesuffix(FIRST)
            update = state[name + SECOND].float() @ first.float()
            weight = plain[f"{name}.weight"]
            plain[f"{name}.weight"] = (weight.float() + scale * update).to(weight.dtype)
    return plain
