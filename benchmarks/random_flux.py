"""Checkpoints of FLUX with random weights, made from the shapes of the demo model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

DEMO = Path(__file__).resolve().parents[1] / "demo" / "flux_fast.safetensors"


@dataclass(frozen=True)
class Model:
    """A FLUX by the demo's shapes.

    Args:
        wider: how many times as wide its layers are.
        double: double blocks.
        single: single blocks.
        dtype: of its weights.
    """

    wider: int = 1
    double: int = 2
    single: int = 5
    dtype: torch.dtype = torch.float32


MODELS = {
    "demo": Model(),
    "wide": Model(8),
    "full": Model(24, 19, 38, torch.bfloat16),
}
FROM_OUTSIDE = ("img_in", "txt_in", "time_in.in_layer", "vector_in.in_layer")


def widened(name: str, shape: list[int], wider: int) -> list[int]:
    """The shape of a tensor in a wider network; heads stay 128 wide.

    Args:
        name: of the tensor.
        shape: in the demo model.
        wider: how many times as wide the layers are.
    """
    layer = name.rsplit(".", 1)[0]
    if name.endswith("_norm.scale"):
        return shape
    grown = [n * wider for n in shape]
    if layer in FROM_OUTSIDE:
        grown[1:] = shape[1:]
    if layer == "final_layer.linear":
        grown[0] = shape[0]
    return grown


def save_random(model: Model, place: Path) -> None:
    """Save random weights of this model to the file `place`."""
    generator, state = torch.Generator().manual_seed(0), {}
    with safe_open(str(DEMO), "pt") as demo:
        for name in demo.keys():  # noqa: SIM118 (no mapping)
            shape = widened(name, demo.get_slice(name).get_shape(), model.wider)
            if name.endswith("_norm.scale"):
                tensor = torch.ones(shape)
            else:
                tensor = torch.randn(shape, generator=generator) / math.sqrt(shape[-1])
            for key in copies(name, model):
                state[key] = tensor.to(model.dtype, copy=True)
    save_file(state, str(place))


def copies(name: str, model: Model) -> list[str]:
    """The model's names for a tensor of the demo; all blocks repeat the first one."""
    kind, number, *_ = name.split(".")
    count = {"double_blocks": model.double, "single_blocks": model.single}.get(kind)
    if count is None:
        return [name]
    if number != "0":
        return []
    return [name.replace(".0.", f".{i}.", 1) for i in range(count)]
