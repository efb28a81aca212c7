"""Logits of a model held in half precision, in float32."""

import torch
import torch.nn.functional as F

ROWS = 1 << 14  # of the vocabulary at a time, so that no whole copy of the weights is made


def sharpen(head: torch.nn.Linear) -> None:
    """Have ``head`` answer in float32 what it is asked in half precision.

    A logit of 8 to 16 comes in steps of 1/16 in bfloat16: what the candidates of a search differ by
    is lost in them. Gradients go by the head's own answer, which needs no copy of its weights.
    """
    head.register_forward_hook(_again)


def _again(
    head: torch.nn.Linear, asked: tuple[torch.Tensor, ...], answer: torch.Tensor
) -> torch.Tensor:
    (hidden,) = asked
    if answer.dtype == torch.float32 or answer.requires_grad:
        return answer
    parts = (F.linear(hidden.float(), rows.float()) for rows in head.weight.split(ROWS))
    logits = torch.cat(list(parts), dim=-1)
    return logits if head.bias is None else logits + head.bias.float()
