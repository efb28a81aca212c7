"""The blocks of MPS on top of CLIP: image tokens attend to prompt tokens, and to each other.

    x <- x + A(n, prompt) + W silu(g) u,     n = LayerNorm(x)       `CrossAttention`
    x <- x + A(n, n)      + W silu(g) u,     n = LayerNorm(x)       `ParallelBlock`

u and g are the halves of a linear map of n. The attention A has many heads of queries but only one
head of keys and values (arXiv 1911.02150). `ParallelBlock` rotates queries and keys by their
positions (arXiv 2104.09864). Parameters are named as in the published file.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import nn


class SwiGLU(nn.Module):
    """(..., 2 D) -> (..., D)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value, gate = x.chunk(2, dim=-1)
        return F.silu(gate) * value


def attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Attention with one head of keys and values.

    Args:
        q: queries (B, N, H, C).
        k: keys (B, M, C).
        v: values (B, M, C).
        mask: which keys to attend to, (B, M) bool; None for all.

    Returns: (B, N, H C).
    """
    heads = q.shape[2]
    k, v = (x[:, None].expand(-1, heads, -1, -1) for x in (k, v))
    mask = None if mask is None else mask[:, None, None]
    mixed = F.scaled_dot_product_attention(q.transpose(1, 2), k, v, attn_mask=mask)
    return mixed.transpose(1, 2).flatten(2)


def rotate(x: torch.Tensor) -> torch.Tensor:
    """Rotate channel pairs (c, c + C/2) of (B, N, ..., C) by n / 10000^(2c/C), in float32."""
    length, half = x.shape[1], x.shape[-1] // 2
    speed = 10000.0 ** (-torch.arange(half, device=x.device) / half)
    angle = torch.arange(length, device=x.device)[:, None] * speed
    angle = angle.view(length, *[1] * (x.ndim - 3), half)
    a, b = x.float().chunk(2, dim=-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1).to(x.dtype)


class CrossAttention(nn.Module):
    """Image tokens attend to tokens of the prompt, which are not normalised.

    Args:
        dim: channels of a token.
        head: channels of an attention head.
        inner: channels of all query heads.
        hidden: channels of the feed-forward layer.
    """

    def __init__(self, dim: int, head: int, inner: int, hidden: int) -> None:
        super().__init__()
        self.head = head
        self.norm = nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, inner, bias=False)
        self.to_kv = nn.Linear(dim, 2 * head, bias=False)
        self.to_out = nn.Linear(inner, dim, bias=False)
        self.ff = nn.Sequential(
            nn.Linear(dim, 2 * hidden, bias=False), SwiGLU(), nn.Linear(hidden, dim, bias=False)
        )

    def forward(
        self, image: torch.Tensor, prompt: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """One block.

        Args:
            image: image tokens (B, N, D).
            prompt: prompt tokens (B, L, D).
            mask: which prompt tokens are relevant, (B, L) bool.

        Returns: (B, N, D).
        """
        normed = self.norm(image)
        q = self.to_q(normed).unflatten(-1, (-1, self.head))
        k, v = self.to_kv(prompt).chunk(2, dim=-1)
        return image + self.to_out(attend(q, k, v, mask)) + self.ff(normed)


class ParallelBlock(nn.Module):
    """Image tokens attend to each other.

    Args:
        dim: channels of a token.
        head: channels of an attention head.
        inner: channels of all query heads.
        hidden: channels of the feed-forward layer.
    """

    def __init__(self, dim: int, head: int, inner: int, hidden: int) -> None:
        super().__init__()
        self.parts = (inner, head, head, 2 * hidden)
        self.norm = nn.LayerNorm(dim)
        self.fused_attn_ff_proj = nn.Linear(dim, sum(self.parts), bias=False)
        self.attn_out = nn.Linear(inner, dim, bias=False)
        self.ff_out = nn.Sequential(SwiGLU(), nn.Linear(hidden, dim, bias=False))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        q, k, v, ff = self.fused_attn_ff_proj(self.norm(image)).split(self.parts, dim=-1)
        q = q.unflatten(-1, (-1, k.shape[-1]))
        return image + self.attn_out(attend(rotate(q), rotate(k), v)) + self.ff_out(ff)


class Named(nn.Module):
    """Wraps a module that the file calls `fn`."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.fn = fn


class CrossModel(nn.Module):
    """`layers` pairs of blocks; `sizes` are the arguments of `CrossAttention`."""

    def __init__(self, layers: int, **sizes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleList((Named(CrossAttention(**sizes)), Named(ParallelBlock(**sizes))))
            for _ in range(layers)
        )

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor]) -> "CrossModel":
        """Blocks with the sizes of the tensors `state`, but not yet with their values."""
        first = "layers.0.0.fn."
        inner, dim = state[f"{first}to_q.weight"].shape
        head = state[f"{first}to_kv.weight"].shape[0] // 2
        hidden = state[f"{first}ff.2.weight"].shape[1]
        layers = len({key.split(".")[1] for key in state})
        return cls(layers, dim=dim, head=head, inner=inner, hidden=hidden)

    def forward(
        self, image: torch.Tensor, prompt: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """All blocks.

        Args:
            image: image tokens (B, N, D).
            prompt: prompt tokens (B, L, D).
            mask: which prompt tokens are relevant, (B, L) bool.

        Returns: (B, N, D).
        """
        for across, within in self.layers:
            image = within.fn(across.fn(image, prompt, mask))
        return image
