"""Protocols of a reward: settings that load into a scorer of images.

A *reward* is a frozen dataclass of settings. Each field's ``metadata`` says how it is shown:
``tooltip``, ``min``, ``max``, ``step``, ``choices``, ``multiline``, ``placeholder``, ``advanced``;
``checkpoint: fits`` marks the name of a file or folder that ``load`` finds through its ``Files``;
``fits(peek)`` tells from what a file holds (``weights.Peek``) whether it can be loaded, and with
``optional: True`` the name may be empty. ``fits`` is a ``Fitting``, which also says what to get and
from where. ``socket: "image"``, ``"clip"`` or ``"reward"`` (another
Scorer) marks a value that comes over a wire, None if it is not connected.
A *scorer* is what ``load`` returns; its score of an image depends on that image and its prompt
alone, never on the rest of the batch. Higher is better, NaN in gives NaN out. Only a combination of
scorers may depend on the run as well: see ``combine``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
class ReadsClips(Protocol):
    """A scorer that may take clips (B, T, H, W, 3), if ``clips``; a picture is one of one frame.

    Any other is given single frames.
    """

    clips: bool


@runtime_checkable
class Elsewhere(Protocol):
    """A scorer whose model runs on another machine, or that holds such a one.

    It gladly takes ``at_once`` pictures in a call: they need no memory here.
    """

    at_once: int


@runtime_checkable
class Learns(Protocol):
    """A scorer that learns from the pictures of a run, or holds others that may."""

    def fresh(self) -> Scorer:
        """The scorer for a new run."""


@runtime_checkable
class Bounded(Protocol):
    """A reward, or a scorer, that may have a highest score: its ``maximum``, None without.

    A search that finds it stops. So only a score that pictures reach is declared: no probability.
    """

    @property
    def maximum(self) -> float | None: ...


@runtime_checkable
class Blaming(Protocol):
    """A scorer that knows where an image is wrong, if ``blames``; a wrapper may hold one or not."""

    @property
    def blames(self) -> bool: ...

    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Images (B, H, W, 3) in [0, 1] and B prompts -> (B, H, W) in [0, 1].

        1 where a change is needed most: things that should not be there, and room for those that
        lack. 0 where all is right or nothing is known. Clips (B, T, H, W, 3) give (B, T, H, W) if
        the scorer takes clips.
        """


def blames(scorer: object) -> bool:
    """Whether ``scorer`` knows where images are wrong."""
    return isinstance(scorer, Blaming) and scorer.blames


def maximum_of(reward: object) -> float | None:
    """The highest score of a reward's settings or of a scorer, if it declares one."""
    return reward.maximum if isinstance(reward, Bounded) else None


def float32_only(dtype: torch.dtype) -> bool:
    """What any device computes well."""
    return dtype == torch.float32


def never() -> None:
    """Nobody cancels."""


def no_hosts() -> str:
    """No server beyond this computer is allowed."""
    return ""


@dataclass(frozen=True)
class Files:
    """Where weights are, and what they may be held in.

    ``find`` maps the name in a setting to a file or folder, ValueError if there is none.
    ``tokenizers`` are folders with the tokenizers that models share: "clip", "t5", "qwen".
    ``poll`` is called while a reward waits for something, and raises if the run was cancelled.
    ``hosts`` gives the servers beyond this computer that the user allows, separated by commas.
    """

    find: Callable[[str], Path] = Path
    tokenizers: Mapping[str, Path] = field(default_factory=dict)
    supports: Callable[[torch.dtype], bool] = float32_only
    poll: Callable[[], None] = never
    hosts: Callable[[], str] = no_hosts

    def dtype(self, *preferred: torch.dtype) -> torch.dtype:
        """The first of ``preferred`` that the device computes well, else float32."""
        return next((dtype for dtype in preferred if self.supports(dtype)), torch.float32)


@runtime_checkable
class Reward(Protocol):
    """Frozen dataclass of settings; ``title`` and ``description`` are what a user sees.

    ``gradient`` tells whether scores are differentiable in the pictures. It may be ``Bounded``.
    """

    title: ClassVar[str]
    description: ClassVar[str]
    gradient: ClassVar[bool]

    def load(self, files: Files | None = None) -> Scorer:
        """Build the scorer; ``files`` are asked for the weights that the settings name."""


@runtime_checkable
class CombineMode(Protocol):
    """Frozen dataclass of settings, as a Reward: how scores of several rewards become one."""

    title: ClassVar[str]
    description: ClassVar[str]
    standardise: bool

    def maximum(self, maxima: dict[int, float | None]) -> float | None:
        """The highest combination, if those of the parts decide it; None where one is unknown."""

    def combine(self, scores: dict[int, torch.Tensor]) -> torch.Tensor:
        """Scores {slot: (B,)} of the rewards connected, slots from 1 -> (B,)."""


def pictures_at_once(scorer: Scorer, usual: int) -> int:
    """How many pictures to hand ``scorer`` in a call: ``usual``, or as many more as it wants."""
    return max(usual, scorer.at_once) if isinstance(scorer, Elsewhere) else usual


def check_characters(prompt: str) -> None:
    """Raise ValueError if ``prompt`` holds half of a character, which no tokenizer takes."""
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as error:
        code, place = ord(prompt[error.start]), error.start
        raise ValueError(
            f"the prompt holds half of a character (a lone surrogate, U+{code:X}) at {place}, "
            "wanted whole characters"
        ) from None


def check_batch(images: torch.Tensor, prompts: list[str]) -> None:
    """Raise ValueError unless ``images`` is (B, H, W, 3) and there are B prompts."""
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[-1] != 3 or 0 in shape[1:3]:
        raise ValueError(f"images of shape {shape}: (batch, height, width, 3) wanted")
    if isinstance(prompts, str) or len(prompts) != shape[0]:
        got = "one string" if isinstance(prompts, str) else f"{len(prompts)} prompts"
        raise ValueError(f"{got} for {shape[0]} images: a list of {shape[0]} prompts wanted")
