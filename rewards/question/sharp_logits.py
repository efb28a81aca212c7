"""Logits in float32 of a model whose weights are in half precision."""

import torch
import torch.nn.functional as F

ROWS = 1 << 14  # rows of the vocabulary at a time, so that no full copy of the weights is made


def sharpen(head: torch.nn.Linear) -> None:
    """Make `head` compute its logits in float32.

    In bfloat16 a logit between 8 and 16 has steps of 1/16, which hide how the particles of a search
    differ. Gradients use the head's own logits, which need no copy of its weights.
    """
    head.register_forward_hook(_in_float32)


def _in_float32(
    head: torch.nn.Linear, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
) -> torch.Tensor:
    (hidden,) = inputs
    if output.dtype == torch.float32 or output.requires_grad:
        return output
    parts = (F.linear(hidden.float(), rows.float()) for rows in head.weight.split(ROWS))
    logits = torch.cat(list(parts), dim=-1)
    return logits if head.bias is None else logits + head.bias.float()
