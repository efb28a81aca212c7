"""TAESD in plain torch (16 channels, the `taef1` layout): a twin of ComfyUI's networks.

The encoder is linear and built, not trained. Strided convolutions collect each 8 x 8 patch and
project it on its first 16 principal components:

    c_k = s_k (p_k . patch - m_k)

A constant keeps the ReLUs in their linear range; the last convolution subtracts it. Channel k has
standard deviation (variance_k / variance_0)^0.15, close to 1. m_k is the middle of its range, so
the decoder's soft clamp at 3 affects both ends equally. The decoder is trained narrow and then
written into the 64-wide network, with zeros elsewhere; both compute exactly the same function.
Images (B, 3, H, W) in [0, 1]; latents (B, 16, H/8, W/8) in model space.
"""

import torch
from torch import Tensor, nn

FULL = (64, 64, 64, 64)
NARROW = (64, 48, 32, 16)  # widths of the decoder's four resolutions, coarse to fine
OFFSET = 8.0  # keeps projected patches positive, so that the ReLUs do not change them


def conv(width_in: int, width: int, **options: int | bool) -> nn.Conv2d:
    """3 x 3 convolution with padding 1."""
    return nn.Conv2d(width_in, width, 3, padding=1, **options)


class Clamp(nn.Module):
    """Soft limit of latents to (-3, 3)."""

    def forward(self, x: Tensor) -> Tensor:
        return 3 * torch.tanh(x / 3)


class Block(nn.Module):
    """Residual block of three convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        middle = (conv(width, width), nn.ReLU(), conv(width, width), nn.ReLU())
        self.conv = nn.Sequential(*middle, conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


class Encoder(nn.Sequential):
    """Images -> latents."""

    def __init__(self) -> None:
        stages = [
            layer
            for _ in range(3)
            for layer in (conv(64, 64, stride=2, bias=False), *blocks(64, 3))
        ]
        super().__init__(conv(3, 64), Block(64), *stages, conv(64, 16))


class Decoder(nn.Sequential):
    """Latents -> images; `widths` are those of the four resolutions, coarse to fine."""

    def __init__(self, widths: tuple[int, ...] = FULL) -> None:
        layers = [Clamp(), conv(16, widths[0]), nn.ReLU()]
        for wide, narrow in zip(widths, widths[1:], strict=False):
            layers += [
                *blocks(wide, 3),
                nn.Upsample(scale_factor=2),
                conv(wide, narrow, bias=False),
            ]
        super().__init__(*layers, Block(widths[-1]), conv(widths[-1], 3))


def blocks(width: int, number: int) -> list[Block]:
    """`number` residual blocks."""
    return [Block(width) for _ in range(number)]


def linear_encoder(components: Tensor, mean: Tensor, scale: Tensor) -> Encoder:
    """Build the encoder that computes scale_k (components_k . patch - mean_k).

    Args:
        components: (16, 3, 8, 8).
        mean: (16,).
        scale: (16,).
    """
    net = Encoder().requires_grad_(False)
    for weights in net.parameters():
        weights.zero_()
    net[0].weight[:3, :, 1, 1] = torch.eye(3)
    # Two space-to-depth steps, channels ordered by (row, column, channel).
    for layer, width in ((net[2], 3), (net[6], 12)):
        for k in range(4):
            rows = slice(k * width, (k + 1) * width)
            layer.weight[rows, :width, 1 + k // 2, 1 + k % 2] = torch.eye(width)
    # Axes: k, colour, then row bits and column bits, coarse to fine.
    taps = components.reshape(16, 3, 2, 2, 2, 2, 2, 2)
    taps = taps.permute(0, 3, 6, 4, 7, 1, 2, 5).reshape(16, 48, 2, 2)
    net[10].weight[:16, :48, 1:, 1:] = taps
    net[11].conv[4].bias[:16] = OFFSET
    net[14].weight[:, :16, 1, 1] = torch.diag(scale)
    net[14].bias[:] = -scale * (OFFSET + mean)
    return net


def widened(narrow: Decoder) -> Decoder:
    """The same function in the 64-wide layout: the narrow weights first, zeros elsewhere."""
    wide = Decoder()
    small = narrow.state_dict()
    full = {key: torch.zeros_like(value) for key, value in wide.state_dict().items()}
    for key, value in small.items():
        full[key][tuple(slice(size) for size in value.shape)] = value
    wide.load_state_dict(full)
    return wide.requires_grad_(False)


def narrowed(wide: Decoder) -> Decoder:
    """The inverse of `widened`, several times quicker on a CPU."""
    narrow = Decoder(NARROW)
    narrow.load_state_dict(narrow_weights(wide.state_dict()))
    return narrow.requires_grad_(False)


def narrow_weights(full: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a 64-wide decoder without the channels that are zero."""
    with torch.device("meta"):  # which draws no random numbers
        small = Decoder(NARROW).state_dict()
    return {k: full[k][tuple(map(slice, v.shape))].contiguous() for k, v in small.items()}
