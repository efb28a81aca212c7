"""Weights files, sound and harmful ones, and what is said of them."""

import json
import struct

import pytest
import torch
from pack.rewards.files.weights import Source

SOURCE = Source("a thing", "https://example.org/thing")
STATE = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor(7.0)}
SHAPES = {"a.weight": (2, 3), "b": ()}


class Evil:
    """A pickle of it makes a file when it is run."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return self.mark.touch, ()


def refusal(action, *args):
    with pytest.raises(ValueError) as error:
        action(*args)
    message = str(error.value)
    assert "\n" not in message and message.endswith(".")
    return message


def header(path, text, claim=None, tail=b""):
    """A safetensors file with this header, said to be ``claim`` bytes long."""
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    length = len(text) if claim is None else claim
    path.write_bytes(struct.pack("<Q", length) + text + tail)
    return path
