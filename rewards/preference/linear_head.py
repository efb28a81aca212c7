"""Heads of reward models: linear layers in a row, with nothing between them."""

from collections.abc import Mapping

import torch


def head_keys(name: str, places: tuple[int, ...]) -> tuple[str, ...]:
    """The keys of the layers `places` of the sequence `name`."""
    return tuple(f"{name}.{place}.{part}" for place in places for part in ("weight", "bias"))


def linear_head(
    state: Mapping[str, torch.Tensor], name: str, places: tuple[int, ...]
) -> torch.nn.Sequential:
    """Build the head from its tensors, float32 and frozen.

    In training there was dropout at the other places.

    Args:
        state: the tensors of the file.
        name: the name of the sequence.
        places: the numbers of its linear layers.
    """
    layers = []
    for place in places:
        parts = {part: state[f"{name}.{place}.{part}"].float() for part in ("weight", "bias")}
        layer = torch.nn.Linear(*parts["weight"].shape[::-1])
        layer.load_state_dict(parts)
        layers.append(layer)
    return torch.nn.Sequential(*layers).requires_grad_(False)
