"""The heads of reward models: linear layers one after another, with nothing between them."""

from collections.abc import Mapping

import torch


def head_keys(name: str, places: tuple[int, ...]) -> tuple[str, ...]:
    """The keys of the layers ``places`` of the sequence ``name``."""
    return tuple(f"{name}.{place}.{part}" for place in places for part in ("weight", "bias"))


def linear_head(
    state: Mapping[str, torch.Tensor], name: str, places: tuple[int, ...]
) -> torch.nn.Sequential:
    """The layers ``head_keys``, float32; in training there was dropout at the other places."""
    layers = []
    for place in places:
        weight = state[f"{name}.{place}.weight"]
        layer = torch.nn.Linear(*weight.shape[::-1])
        layer.weight.data = weight.float()
        layer.bias.data = state[f"{name}.{place}.bias"].float()
        layers.append(layer)
    return torch.nn.Sequential(*layers).requires_grad_(False)
