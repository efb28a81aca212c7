"""Protocols of a reward: settings that load into a scorer of images.

A *reward* is a frozen dataclass of settings. Each field's ``metadata`` says how it is shown:
``tooltip``, ``min``, ``max``, ``step``, ``choices``, ``multiline``, ``placeholder``, ``advanced``;
``checkpoint: True`` marks the name of a file or folder that is handed to ``load`` as a path.
A *scorer* is what ``load`` returns; its score of an image depends on that image and its prompt
alone, never on the rest of the batch. Higher is better, NaN in gives NaN out. Only a combination of
scorers may depend on the run as well: see ``combine``.
"""

from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

import torch


@runtime_checkable
class Scorer(Protocol):
    """Ready to score; ``module`` holds the weights, None for a reward without any."""

    module: torch.nn.Module | None

    def check(self, prompt: str) -> None:
        """Raise ValueError, in one sentence, if ``prompt`` cannot be scored against."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Images (B, H, W, 3) in [0, 1] and B prompts -> (B,) float32, higher is better."""


@runtime_checkable
class Reward(Protocol):
    """Frozen dataclass of settings; ``title`` and ``description`` are what a user sees."""

    title: ClassVar[str]
    description: ClassVar[str]

    def load(self, path: Path | None = None) -> Scorer:
        """Build the scorer, from the file or folder ``path`` where the reward has weights."""


@runtime_checkable
class CombineMode(Protocol):
    """Frozen dataclass of settings, as a Reward: how scores of several rewards become one."""

    title: ClassVar[str]
    description: ClassVar[str]
    standardise: bool

    def combine(self, scores: dict[int, torch.Tensor]) -> torch.Tensor:
        """Scores {slot: (B,)} of the rewards connected, slots from 1 -> (B,)."""


def check_batch(images: torch.Tensor, prompts: list[str]) -> None:
    """Raise ValueError unless ``images`` is (B, H, W, 3) and there are B prompts."""
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[-1] != 3 or 0 in shape[1:3]:
        raise ValueError(f"images of shape {shape}: (batch, height, width, 3) wanted")
    if isinstance(prompts, str) or len(prompts) != shape[0]:
        got = "one string" if isinstance(prompts, str) else f"{len(prompts)} prompts"
        raise ValueError(f"{got} for {shape[0]} images: a list of {shape[0]} prompts wanted")
