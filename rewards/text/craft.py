"""CRAFT (arXiv 1904.01941): where letters are, and which of them belong to one word.

    VGG16 with batch norm  ->  U-net decoder  ->  region and affinity maps, half the image's size

The layers have the names of the published file. Their widths come from its tensors.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..files.state_dict import building, read_state
from ..files.weights import Peek, Source, weights_file

DETECTOR = Source(
    "the text detector CRAFT (craft_mlt_25k.pth)",
    "https://github.com/JaidedAI/EasyOCR/releases/tag/pre-v1.1.6",
)
KEYS = ("basenet.slice1.0.weight", "upconv1.conv.0.weight", "conv_cls.8.weight")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STRIDE = 32  # sides of the image that the network reads are multiples of this
LONGEST = 2560  # of them, in pixels
# By slice: the places of its convolutions. Batch norm and ReLU follow each; a slice begins with the
# last ReLU of the one before. The places of pooling are in POOLS.
SLICES = {1: (0, 3, 7, 10), 2: (14, 17), 3: (20, 24, 27), 4: (30, 34, 37)}
POOLS = {6, 13, 23, 33}
RELUS = {2, 5, 9, 12, 16, 19, 22, 26, 29, 32, 36}


class Decoder(nn.Module):
    """One stage of the U-net: two convolutions, of sizes 1 and 3.

    Args:
        width, middle, out: channels before, between and after them.
    """

    def __init__(self, width: int, middle: int, out: int) -> None:
        super().__init__()
        first, second = nn.Conv2d(width, middle, 1), nn.Conv2d(middle, out, 3, padding=1)
        self.conv = nn.Sequential(
            first, nn.BatchNorm2d(middle), nn.ReLU(), second, nn.BatchNorm2d(out), nn.ReLU()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Craft(nn.Module):
    """The network, with the widths of `shapes`, which are shapes of its tensors by key."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.basenet = nn.ModuleDict({f"slice{n}": _slice(n, shapes) for n in SLICES})
        wide, narrow = (shapes[f"basenet.slice5.{place}.weight"] for place in (1, 2))
        self.basenet["slice5"] = nn.Sequential(
            nn.MaxPool2d(3, 1, 1),
            nn.Conv2d(wide[1], wide[0], 3, padding=6, dilation=6),
            nn.Conv2d(narrow[1], narrow[0], 1),
        )
        for n in range(1, 5):
            first, second = (shapes[f"upconv{n}.conv.{place}.weight"] for place in (0, 3))
            self.add_module(f"upconv{n}", Decoder(first[1], first[0], second[0]))
        self.conv_cls = nn.Sequential()
        for place in range(0, 9, 2):
            out, width, size, _ = shapes[f"conv_cls.{place}.weight"]
            self.conv_cls.append(nn.Conv2d(width, out, size, padding=size // 2))
            self.conv_cls.append(nn.ReLU() if place < 8 else nn.Identity())

    def forward(self, pixels: Tensor) -> Tensor:
        """Pixels (B, 3, H, W), normalised -> maps (B, 2, H/2, W/2): regions and affinities."""
        levels, x = [], pixels
        for n in SLICES:
            x = self.basenet[f"slice{n}"](x)
            # In the published code the next slice's first ReLU works in place on this level, too.
            levels.append(x if n == 4 else x.relu())
        x = torch.cat((self.basenet["slice5"](x), levels[3]), 1)
        for n, level in zip((1, 2, 3), (levels[2], levels[1], levels[0]), strict=True):
            x = self.get_submodule(f"upconv{n}")(x)
            x = F.interpolate(x, level.shape[2:], mode="bilinear", align_corners=False)
            x = torch.cat((x, level), 1)
        return self.conv_cls(self.upconv4(x))


def _slice(number: int, shapes: Mapping[str, tuple[int, ...]]) -> nn.Sequential:
    """One slice of the VGG16; each layer has its number in the whole."""
    places = SLICES[number]
    layers = nn.Sequential()
    for place in range(SLICES[number - 1][-1] + 2 if number > 1 else 0, places[-1] + 2):
        if place in places:
            out, width = shapes[f"basenet.slice{number}.{place}.weight"][:2]
            layers.add_module(str(place), nn.Conv2d(width, out, 3, padding=1))
        elif place - 1 in places:
            layers.add_module(str(place), nn.BatchNorm2d(out))
        else:
            layers.add_module(str(place), nn.MaxPool2d(2, 2) if place in POOLS else nn.ReLU())
    return layers


def craft_pixels(image: Tensor, magnify: float) -> tuple[Tensor, float]:
    """An image (H, W, 3) in [0, 1] as pixels (1, 3, h, w) for the network, and their scale.

    Magnified, but at most to `LONGEST`; then padded with black to a multiple of `STRIDE`.
    """
    planes = image.permute(2, 0, 1)[None]
    height, width = planes.shape[2:]
    scale = min(magnify, LONGEST / max(height, width))
    size = (max(1, int(height * scale)), max(1, int(width * scale)))
    if size != (height, width):
        planes = F.interpolate(planes, size, mode="bilinear", align_corners=False)
    right, below = (-size[1] % STRIDE, -size[0] % STRIDE)
    planes = F.pad(planes, (0, right, 0, below))
    mean, std = (planes.new_tensor(values)[:, None, None] for values in (MEAN, STD))
    return (planes - mean) / std, scale


def is_detector(peek: Peek) -> bool:
    """Whether the file holds CRAFT."""
    return peek.unknown or peek.has(*KEYS)


def load_detector(path: Path) -> Craft:
    """The detector in a file, float32 and frozen."""
    file = weights_file(path, DETECTOR)
    state = read_state(file, DETECTOR, *KEYS)
    with building(file, DETECTOR):
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        model = Craft(shapes)
        model.load_state_dict(state)
    return model.float().eval().requires_grad_(False)
