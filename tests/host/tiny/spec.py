"""How a small model is described."""

import dataclasses

import torch

TEXT, POOLED, TOKENS = 24, 16, 5  # widths of the text embeddings, and how many tokens
IMAGE, WIDE, PIXELS, FRAME = (16, 8, 8), (128, 4, 4), (3, 32, 32), (16, 1, 8, 8)  # latents (*D)
CLIP = (16, 3, 4, 4)
MASK = {"attention_mask": torch.ones(1, TOKENS, dtype=torch.long)}
WITH_POOLED = {"pooled_output": (POOLED,)}


@dataclasses.dataclass(frozen=True)
class Tiny:
    """One model: its class in comfy/supported_models.py, a latent's shape, the network's sizes.

    `cond` are the parts of the condition beside the text, by name: a shape or a value. `parts` are
    the shapes of a packed latent. `frames` is how many rows of a batch are one video. `drop` are
    parts of a fixed size that the network runs only with inputs not given here. `weights` are what
    else the class reads, `clocks` the names of Stable Audio's time embedders, `metadata` what its
    file needs. Without a `network` there is none: the search is refused before one is needed.
    """

    config: str
    latent: tuple = IMAGE
    unet: dict = dataclasses.field(default_factory=dict)
    cond: dict = dataclasses.field(default_factory=dict)
    text: tuple = (TOKENS, TEXT)
    parts: tuple = ()
    frames: int = 1
    drop: tuple = ()
    weights: dict = dataclasses.field(default_factory=dict)
    clocks: tuple = ()
    metadata: dict = dataclasses.field(default_factory=dict)
    network: bool = True
