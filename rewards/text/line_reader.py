"""The reader of EasyOCR's second generation: a line of text, grey and 64 pixels high, to letters.

    convolutions (VGG)  ->  mean over the height  ->  two bidirectional LSTMs  ->  a linear layer

Each frame of the line, about 4 pixels wide, has a probability for each letter and for no letter
(CTC, Graves 2006). The layers have the names of the published file. Their widths come from its
tensors.
"""

import contextlib
import math
import string
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..files.state_dict import building, read_state
from ..files.weights import Peek, Source, weights_file
from ..pixels.resize import resized

READER = Source(
    "EasyOCR's reader of English (english_g2.pth)",
    "https://github.com/JaidedAI/EasyOCR/releases/tag/v1.3",
)
KEYS = ("FeatureExtraction.ConvNet.0.weight", "SequenceModeling.0.rnn.weight_ih_l0",
        "Prediction.weight")  # fmt: skip
LETTERS = (
    string.digits + string.punctuation + " €" + string.ascii_uppercase + string.ascii_lowercase
)
HEIGHT = 64
GREY = (0.299, 0.587, 0.114)
CONVOLUTIONS = (0, 3, 6, 8, 11, 14, 18)  # places of layers
NORMALISED = {11: 12, 14: 15}  # convolutions without a bias, and where their batch norms are
POOLS = {2: (2, 2), 5: (2, 2), 10: (2, 1), 17: (2, 1)}


class Convolutions(nn.Module):
    """Grey lines (B, 1, 64, W) -> features (B, C, 3, T)."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.ConvNet = nn.Sequential()
        for place in range(20):
            self.ConvNet.append(self._layer(place, shapes))

    @staticmethod
    def _layer(place: int, shapes: Mapping[str, tuple[int, ...]]) -> nn.Module:
        if place in CONVOLUTIONS:
            out, width, size, _ = shapes[f"FeatureExtraction.ConvNet.{place}.weight"]
            bias = place not in NORMALISED
            return nn.Conv2d(width, out, size, padding=0 if size == 2 else 1, bias=bias)
        if place in NORMALISED.values():
            return nn.BatchNorm2d(*shapes[f"FeatureExtraction.ConvNet.{place}.weight"])
        return nn.MaxPool2d(POOLS[place]) if place in POOLS else nn.ReLU()

    def forward(self, pixels: Tensor) -> Tensor:
        return self.ConvNet(pixels)


class Recurrent(nn.Module):
    """A bidirectional LSTM and a linear layer on its states.

    Args:
        width, hidden, out: channels of the frames, of the states, and of the result.
    """

    def __init__(self, width: int, hidden: int, out: int) -> None:
        super().__init__()
        self.rnn = nn.LSTM(width, hidden, bidirectional=True, batch_first=True)
        self.linear = nn.Linear(2 * hidden, out)

    def forward(self, frames: Tensor) -> Tensor:
        # cuDNN has no gradient of an LSTM that is not in training.
        graph = torch.is_grad_enabled() and frames.requires_grad
        with torch.backends.cudnn.flags(enabled=False) if graph else contextlib.nullcontext():
            return self.linear(self.rnn(frames)[0])


class LineReader(nn.Module):
    """The network, with the widths of `shapes`, which are shapes of its tensors by key."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.FeatureExtraction = Convolutions(shapes)
        self.SequenceModeling = nn.Sequential()
        for n in range(2):
            rows, width = shapes[f"SequenceModeling.{n}.rnn.weight_ih_l0"]
            out = shapes[f"SequenceModeling.{n}.linear.weight"][0]
            self.SequenceModeling.append(Recurrent(width, rows // 4, out))
        self.Prediction = nn.Linear(*shapes["Prediction.weight"][::-1])

    def forward(self, pixels: Tensor) -> Tensor:
        """Grey lines (B, 1, 64, W) in [-1, 1] -> logits (B, T, letters + 1); 0 is no letter."""
        features = self.FeatureExtraction(pixels).mean(2)
        return self.Prediction(self.SequenceModeling(features.mT))


def line_pixels(image: Tensor, box: tuple[int, int, int, int]) -> tuple[Tensor, float]:
    """One line of an image as the reader sees it, and the share of the width that is not padding.

    A box higher than wide is squeezed into the same height. The last column is repeated up to a
    multiple of the height, as EasyOCR does.

    Args:
        image: (H, W, 3) in [0, 1].
        box: left, top, right and bottom of the line, in whole pixels.

    Returns:
        (1, 1, 64, W') in [-1, 1]; a share in (0, 1].
    """
    left, top, right, bottom = box
    grey = (image[top:bottom, left:right] * image.new_tensor(GREY)).sum(-1)[None, None]
    ratio = (right - left) / (bottom - top)
    width = max(8, int(HEIGHT * ratio))
    line = resized(grey, (HEIGHT, width), "bilinear")
    padding = math.ceil(max(1.0, ratio)) * HEIGHT - width
    whole = F.pad(line, (0, max(0, padding), 0, 0), mode="replicate")
    return 2.0 * whole - 1.0, width / whole.shape[3]


def decoded(logits: Tensor) -> tuple[str, list[float]]:
    """The most probable letters of a line (T, letters + 1), and the middle of each in [0, 1]."""
    text, middles, start = "", [], 0
    for label, frames in groupby(logits.argmax(-1).tolist()):
        end = start + len(list(frames))
        if label:
            text += LETTERS[label - 1]
            middles.append((start + end) / 2 / len(logits))
        start = end
    return text, middles


def is_reader(peek: Peek) -> bool:
    """Whether the file holds a reader of EasyOCR."""
    return peek.unknown or peek.has(*KEYS)


def load_reader(path: Path) -> LineReader:
    """The reader in a file, float32 and frozen."""
    file = weights_file(path, READER)
    state = read_state(file, READER, *KEYS)
    count = len(state["Prediction.weight"]) - 1
    if count != len(LETTERS):
        raise READER.error(file, f"reads {count} letters of another language, not {len(LETTERS)}")
    with building(file, READER):
        model = LineReader({key: tuple(value.shape) for key, value in state.items()})
        model.load_state_dict(state)
    return model.float().eval().requires_grad_(False)
