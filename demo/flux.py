"""A small FLUX in plain torch: a twin of ComfyUI's network, with the same state-dict keys.

A multimodal diffusion transformer: text and image tokens attend to each other. `double_blocks` have
separate weights for the two streams. `single_blocks` share weights and run attention and MLP in
parallel. Each block is modulated (shift, scale, gate) by vec = MLP(time) + MLP(pooled text).
Positions (index, row, column) are rotary.

    prediction: v = eps - x0 at x_t = (1 - t) x0 + t eps

Latents (B, 16, H, W), t (B,), text (B, T, 64), pooled (B, 64). Unlike ComfyUI's network it changes
no tensor in place, so autograd and torch.compile work.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS, PATCH, WIDTH, TEXT = 16, 2, 128, 64
AXES, THETA = (16, 56, 56), 10_000.0  # head size 128: one head
DOUBLE, SINGLE = 2, 5


class RMSScale(nn.Module):
    """Root-mean-square norm, whose parameter is called `scale`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return (
            x
            * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-6).to(x)
            * self.scale.to(x)
        )


class QKNorm(nn.Module):
    """Norms of queries and keys."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query_norm, self.key_norm = RMSScale(width), RMSScale(width)


class MLPEmbedder(nn.Module):
    """Two linear layers with a SiLU between them."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.in_layer, self.out_layer = nn.Linear(width_in, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.out_layer(F.silu(self.in_layer(x)))


class Modulation(nn.Module):
    """vec -> `parts` tensors (B, 1, width), at first zero, so that a new block is the identity."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.lin, self.parts = nn.Linear(width, parts * width), parts
        nn.init.zeros_(self.lin.weight)
        nn.init.zeros_(self.lin.bias)

    def forward(self, vec: Tensor) -> tuple[Tensor, ...]:
        return self.lin(F.silu(vec))[:, None].chunk(self.parts, -1)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """LayerNorm without parameters, then scale and shift.

    Args:
        x: (B, L, width).
        shift: (B, 1, width).
        scale: (B, 1, width).
    """
    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * (1 + scale) + shift


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate neighbouring pairs of the last axis; `turn` is (cos, sin) of the angles."""
    cos, sin = turn
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def positions(text: int, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rotary angles of all tokens, text tokens first, at the origin.

    Args:
        text: number of text tokens.
        height: rows of image tokens.
        width: columns of image tokens.
        device: of the result.

    Returns: (cos, sin), each (text + height * width, 64).
    """
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    ids = torch.stack((torch.zeros_like(rows), rows, columns), -1).reshape(-1, 3)
    ids = torch.cat((ids.new_zeros(text, 3), ids)).double()
    angles = [
        ids[:, i, None] * THETA ** -(torch.arange(0, n, 2).double() / n) for i, n in enumerate(AXES)
    ]
    angles = torch.cat(angles, -1)
    return angles.cos().float().to(device), angles.sin().float().to(device)


def waves(t: Tensor) -> Tensor:
    """Cosines and sines (B, 256) of times (B,)."""
    rate = torch.exp(-math.log(10_000.0) / 128 * torch.arange(128, device=t.device))
    phase = 1000.0 * t.float()[:, None] * rate
    return torch.cat((phase.cos(), phase.sin()), -1)


class SelfAttention(nn.Module):
    """The projections and norms of one stream of a double block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv, self.norm, self.proj = (
            nn.Linear(width, 3 * width),
            QKNorm(width),
            nn.Linear(width, width),
        )

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.qkv(x)[:, None].chunk(3, -1)
        return self.norm.query_norm(q), self.norm.key_norm(k), v


def attend(q: Tensor, k: Tensor, v: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary attention of one head.

    Args:
        q: queries (B, 1, L, 128).
        k: keys (B, 1, L, 128).
        v: values (B, 1, L, 128).
        turn: (cos, sin) of the angles.

    Returns: (B, L, 128).
    """
    q, k = rotate(q, turn).to(v), rotate(k, turn).to(v)
    return ((q[:, 0] @ k[:, 0].mT) * q.shape[-1] ** -0.5).softmax(-1).to(v) @ v[:, 0]


class DoubleBlock(nn.Module):
    """Joint attention over two streams, each with its weights."""

    def __init__(self, width: int) -> None:
        super().__init__()
        for name in ("img", "txt"):
            mlp = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width)
            )
            self.add_module(f"{name}_mod", Modulation(width, 6))
            self.add_module(f"{name}_attn", SelfAttention(width))
            self.add_module(f"{name}_mlp", mlp)

    def forward(self, img: Tensor, txt: Tensor, vec: Tensor, turn: tuple) -> tuple[Tensor, Tensor]:
        """One block.

        Args:
            img: image tokens (B, N, width).
            txt: text tokens (B, T, width).
            vec: modulation (B, width).
            turn: (cos, sin) of the angles.

        Returns: image and text tokens.
        """
        i_shift, i_scale, i_gate, *i_mlp = self.img_mod(vec)
        t_shift, t_scale, t_gate, *t_mlp = self.txt_mod(vec)
        text = self.txt_attn.heads(modulated(txt, t_shift, t_scale))
        image = self.img_attn.heads(modulated(img, i_shift, i_scale))
        joined = attend(*(torch.cat(pair, 2) for pair in zip(text, image, strict=True)), turn)
        from_txt, from_img = joined[:, : txt.shape[1]], joined[:, txt.shape[1] :]
        img = img + i_gate * self.img_attn.proj(from_img)
        txt = txt + t_gate * self.txt_attn.proj(from_txt)
        img = img + i_mlp[2] * self.img_mlp(modulated(img, *i_mlp[:2]))
        return img, txt + t_mlp[2] * self.txt_mlp(modulated(txt, *t_mlp[:2]))


class SingleBlock(nn.Module):
    """Attention and MLP in parallel over the joined stream."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(width, 7 * width), nn.Linear(5 * width, width)
        self.norm, self.modulation = QKNorm(width), Modulation(width, 3)

    def forward(self, x: Tensor, vec: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
        """One block.

        Args:
            x: text and image tokens (B, T + N, width).
            vec: modulation (B, width).
            turn: (cos, sin) of the angles.
        """
        shift, scale, gate = self.modulation(vec)
        q, k, v, mlp = self.linear1(modulated(x, shift, scale)).split(
            [x.shape[-1]] * 3 + [4 * x.shape[-1]], -1
        )
        q, k, v = q[:, None], k[:, None], v[:, None]
        mixed = attend(self.norm.query_norm(q), self.norm.key_norm(k), v, turn)
        return x + gate * self.linear2(torch.cat((mixed, F.gelu(mlp, approximate="tanh")), -1))


class LastLayer(nn.Module):
    """Modulated norm and the projection back to patches."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, out)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))
        for layer in (self.linear, self.adaLN_modulation[1]):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, vec: Tensor) -> Tensor:
        return self.linear(modulated(x, *self.adaLN_modulation(vec)[:, None].chunk(2, -1)))


class Flux(nn.Module):
    """The network: `forward` returns the velocity v, `denoise` returns x0 = x_t - t v."""

    def __init__(self, double: int = DOUBLE, single: int = SINGLE) -> None:
        super().__init__()
        patch = CHANNELS * PATCH * PATCH
        self.img_in, self.txt_in = nn.Linear(patch, WIDTH), nn.Linear(TEXT, WIDTH)
        self.time_in, self.vector_in = MLPEmbedder(256, WIDTH), MLPEmbedder(TEXT, WIDTH)
        self.double_blocks = nn.ModuleList(DoubleBlock(WIDTH) for _ in range(double))
        self.single_blocks = nn.ModuleList(SingleBlock(WIDTH) for _ in range(single))
        self.final_layer = LastLayer(WIDTH, patch)

    def forward(self, x: Tensor, t: Tensor, text: Tensor, pooled: Tensor) -> Tensor:
        """Predict the velocity.

        Args:
            x: latents x_t (B, 16, H, W).
            t: times (B,), in [0, 1].
            text: text tokens (B, T, 64).
            pooled: (B, 64).

        Returns: v (B, 16, H, W).
        """
        height, width = x.shape[-2] // PATCH, x.shape[-1] // PATCH
        img = F.pixel_unshuffle(x, PATCH).flatten(2).mT
        vec = self.time_in(waves(t).to(x)) + self.vector_in(pooled)
        img, txt = self.img_in(img), self.txt_in(text)
        turn = positions(txt.shape[1], height, width, x.device)
        for block in self.double_blocks:
            img, txt = block(img, txt, vec, turn)
        img = torch.cat((txt, img), 1)
        for block in self.single_blocks:
            img = block(img, vec, turn)
        out = self.final_layer(img[:, txt.shape[1] :], vec)
        return F.pixel_shuffle(out.mT.unflatten(2, (height, width)), PATCH)

    def denoise(self, x: Tensor, t: Tensor, text: Tensor, pooled: Tensor) -> Tensor:
        """Predict the clean latent in one step, x0 = x_t - t v.

        Args:
            x: latents x_t (B, 16, H, W).
            t: times (B,), in [0, 1].
            text: text tokens (B, T, 64).
            pooled: (B, 64).

        Returns: x0 (B, 16, H, W).
        """
        return x - t[:, None, None, None] * self(x, t, text, pooled)
