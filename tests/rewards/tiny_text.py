"""The detector and the reader of text on tiny random weights, in the published layout."""

import torch
from torch import nn

WIDTHS = {0: (3, 4), 3: (4, 4), 7: (4, 6), 10: (6, 6), 14: (6, 8), 17: (8, 8), 20: (8, 8),
          24: (8, 8), 27: (8, 8), 30: (8, 8), 34: (8, 8), 37: (8, 8)}  # fmt: skip
SLICES = {1: (0, 12), 2: (12, 19), 3: (19, 29), 4: (29, 39)}
UP = {1: (16 + 8, 8, 8), 2: (8 + 8, 8, 8), 3: (8 + 8, 8, 6), 4: (6 + 6, 6, 4)}
READS = {0: (1, 4, 3), 3: (4, 6, 3), 6: (6, 8, 3), 8: (8, 8, 3), 11: (8, 8, 3), 14: (8, 8, 3),
         18: (8, 8, 2)}  # fmt: skip


def tensors(layer, name):
    return {f"module.{name}.{key}": value for key, value in layer.state_dict().items()}


def detector_state():
    """Its region map is 1 wherever an image is, so that all of it is one line."""
    state = {}
    for number, (first, behind) in SLICES.items():
        for place, (width, out) in WIDTHS.items():
            if first <= place < behind:
                name = f"basenet.slice{number}"
                state |= tensors(nn.Conv2d(width, out, 3), f"{name}.{place}")
                state |= tensors(nn.BatchNorm2d(out), f"{name}.{place + 1}")
    state |= tensors(nn.Conv2d(8, 16, 3), "basenet.slice5.1")
    state |= tensors(nn.Conv2d(16, 16, 1), "basenet.slice5.2")
    for number, (width, middle, out) in UP.items():
        name = f"upconv{number}.conv"
        state |= tensors(nn.Conv2d(width, middle, 1), f"{name}.0")
        state |= tensors(nn.BatchNorm2d(middle), f"{name}.1")
        state |= tensors(nn.Conv2d(middle, out, 3), f"{name}.3")
        state |= tensors(nn.BatchNorm2d(out), f"{name}.4")
    for place, size in ((0, 3), (2, 3), (4, 3), (6, 1), (8, 1)):
        last = nn.Conv2d(4, 2 if place == 8 else 4, size)
        state |= tensors(last, f"conv_cls.{place}")
    state["module.conv_cls.8.weight"].zero_()
    state["module.conv_cls.8.bias"].copy_(torch.tensor([1.0, 0.0]))
    return state


def reader_state(letters=96):
    state = {}
    for place, (width, out, size) in READS.items():
        normalised = {11: 12, 14: 15}.get(place)
        layer = nn.Conv2d(width, out, size, bias=normalised is None)
        layer.weight.data *= 3.0
        state |= tensors(layer, f"FeatureExtraction.ConvNet.{place}")
        if normalised:
            state |= tensors(nn.BatchNorm2d(out), f"FeatureExtraction.ConvNet.{normalised}")
    for n in range(2):
        lstm = nn.LSTM(8, 8, bidirectional=True, batch_first=True)
        for weights in lstm.parameters():
            weights.data *= 2.0
        state |= tensors(lstm, f"SequenceModeling.{n}.rnn")
        state |= tensors(nn.Linear(16, 8), f"SequenceModeling.{n}.linear")
    last = nn.Linear(8, letters + 1)
    last.weight.data *= 12.0
    return state | tensors(last, "Prediction")


def build(path):
    """Write `path`/english_g2.pth and `path`/craft_mlt_25k.pth, the second as an old pickle."""
    path.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(3)
    torch.save(reader_state(), path / "english_g2.pth")
    torch.save(detector_state(), path / "craft_mlt_25k.pth", _use_new_zipfile_serialization=False)
