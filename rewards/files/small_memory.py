"""Models that need less memory on a GPU: which weights lie there, and in how many bits.

    whole        all weights lie on the GPU
    parts        those of linear layers that do not fit stay in RAM, and come for each use
    eight_bits   as parts; a linear layer holds 8 bits a weight:

                 W[i, j] ~ s[i] q[i, j],    s[i] = max_j |W[i, j]| / 127,    q whole

The layers compute in the dtype of what they read. Tables of tokens and heads stay as they are.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import field

import torch

WHOLE, PARTS, EIGHT_BITS = "whole", "parts", "eight_bits"
LEVELS = 127


def memory_field() -> str:
    """The setting `memory`."""
    return field(
        default=WHOLE,
        metadata={
            "tooltip": "whole: on the GPU. parts: what does not fit stays in RAM, slower. "
            "eight_bits: half the size, slightly different scores.",
            "choices": (WHOLE, PARTS, EIGHT_BITS),
            "advanced": True,
        },
    )


class CastLinear(torch.nn.Linear):
    """A linear layer whose weights may have another dtype, or lie on another device."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        weight, bias = (
            None if part is None else part.to(inputs.device, inputs.dtype)
            for part in (self.weight, self.bias)
        )
        return torch.nn.functional.linear(inputs, weight, bias)


def cast_layers(layers: Collection[torch.nn.Linear]) -> None:
    """Make each layer a `CastLinear`."""
    for layer in layers:
        layer.__class__ = CastLinear


def shrink(
    module: torch.nn.Module,
    memory: str,
    streamed: Callable[[Collection[torch.nn.Linear]], None] | None,
    keep: Collection[torch.nn.Module | None] = (),
) -> None:
    """Prepare the linear layers of a model for a setting `memory`.

    Args:
        module: the model, frozen.
        memory: "whole", "parts" or "eight_bits".
        streamed: as `Files.streamed`.
        keep: layers to leave as they are.
    """
    if memory == WHOLE:
        return
    layers = list(_linear(module, keep))
    if memory == EIGHT_BITS:
        for layer in layers:
            round_rows(layer)
    (streamed or cast_layers)(layers)


def _linear(
    module: torch.nn.Module, keep: Collection[torch.nn.Module | None]
) -> Iterator[torch.nn.Linear]:
    for layer in module.modules():
        # A subclass may compute something else with its weight.
        if type(layer) is torch.nn.Linear and not any(layer is each for each in keep):
            yield layer


def round_rows(layer: torch.nn.Linear) -> None:
    """Hold the weight in 8 bits a number, with a factor for each row that multiplies the output."""
    weight = layer.weight.float()
    scale = weight.abs().amax(1).clamp(min=1e-12) / LEVELS
    levels = (weight / scale[:, None]).round().to(torch.int8)
    layer.weight = torch.nn.Parameter(levels, requires_grad=False)
    if layer.bias is not None:  # it is added before the output is multiplied
        bias = (layer.bias.float() / scale).to(layer.bias.dtype)
        layer.bias = torch.nn.Parameter(bias, requires_grad=False)
    layer.register_buffer("row_scale", scale, persistent=False)
    layer.register_forward_hook(_scaled)


def _scaled(
    layer: torch.nn.Linear, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
) -> torch.Tensor:
    return (output.float() * layer.row_scale.to(output.device)).to(output.dtype)
