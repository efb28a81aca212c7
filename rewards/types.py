"""Protocols of a reward: settings that load into a scorer of images.

A *reward* is a frozen dataclass of settings. A *scorer* is what its `load` returns. The score of an
image depends on that image and its prompt alone, never on the rest of the batch. Higher is better;
NaN in gives NaN out. Only a combination of scorers may also depend on the run: see `combine`.

The `metadata` of a settings field says how a node shows it:

    tooltip, min, max, step, choices, multiline, placeholder, advanced
    checkpoint   a `FileFilter`: the value names a file or folder, which `load` finds by its `Files`
    optional     True if that name may be empty
    socket       "image", "clip" or "reward" (another Scorer): the value comes from a connection,
                 and is None without one
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import torch

Group = tuple[torch.Tensor, list[str]]  # images or videos of one size, and their prompts


@runtime_checkable
class Scorer(Protocol):
    """A loaded reward. `module` holds its weights, None if it has none."""

    module: torch.nn.Module | None

    def check(self, prompt: str) -> None:
        """Raise ValueError if images cannot be scored against `prompt`."""

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Images (B, H, W, 3) in [0, 1] and B prompts -> scores (B,), float32, higher is better."""


@runtime_checkable
class ReadsClips(Protocol):
    """A scorer that takes videos (B, T, H, W, 3) if `clips` is true; an image is one frame.

    Any other scorer gets single frames.
    """

    clips: bool


@runtime_checkable
class ScoresGroups(Protocol):
    """A scorer whose scores depend on the call: it takes images of several sizes in one."""

    def score_groups(self, groups: Collection[Group]) -> torch.Tensor:
        """Scores of all groups, one after the other. It may read `groups` more than once."""


@runtime_checkable
class Remote(Protocol):
    """A scorer whose model runs on another machine, or that holds such a scorer.

    `at_once` is how many images it likes to get in one call: they need no memory here.
    """

    at_once: int


@runtime_checkable
class Learns(Protocol):
    """A scorer that learns from the images of a run, or holds scorers that may."""

    @property
    def learns(self) -> bool:
        """Whether a score depends on earlier images of the run."""

    @property
    def learned(self) -> Any:
        """What it has learned, as lists of numbers. None while it still learns."""

    def fresh(self) -> Scorer:
        """The scorer for a new run."""

    def taught(self, learned: Any) -> Scorer:
        """The scorer for a run in which `learned` has been learned elsewhere."""


@runtime_checkable
class Bounded(Protocol):
    """A reward or scorer that may have a highest score: its `maximum`, or None.

    A search stops when it reaches that score. So only a score that images do reach counts as a
    maximum. A probability has none: images only come near 1.
    """

    @property
    def maximum(self) -> float | None: ...


@runtime_checkable
class Blaming(Protocol):
    """A scorer that knows where an image is wrong, if `blames`; a wrapper may hold one or not."""

    @property
    def blames(self) -> bool: ...

    def blame(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        """Images (B, H, W, 3) in [0, 1] and B prompts -> (B, H, W) in [0, 1].

        1 where a change is needed most: things that should not be there, and room for those that
        lack. 0 where all is right or nothing is known. Videos (B, T, H, W, 3) give (B, T, H, W) if
        the scorer takes videos.
        """


@runtime_checkable
class Measured(Protocol):
    """A scorer that was fitted as it loaded, and how well: `findings` are entries of the report."""

    @property
    def findings(self) -> Mapping[str, float]: ...


def findings_of(scorer: object) -> Mapping[str, float]:
    """What a scorer found out as it loaded, as entries of the report."""
    return scorer.findings if isinstance(scorer, Measured) else {}


class Question(NamedTuple):
    """A question about an image, and the answer hoped for.

    Args:
        text: as a judge reads it.
        answer: words that all mean that answer, in lower case: ("3", "three").
        alternatives: words for the answers it is compared with; without any, all answers count.
    """

    text: str
    answer: tuple[str, ...]
    alternatives: tuple[str, ...] = ()


@runtime_checkable
class Asks(Protocol):
    """A judge: it answers any question about an image, if `asks`; a wrapper may hold one or not."""

    @property
    def asks(self) -> bool: ...

    @property
    def compares(self) -> bool:
        """Whether the questions are about two images: a source, and then the image to score."""

    def check_questions(self, questions: list[Question]) -> None:
        """Raise ValueError if one of them cannot be asked."""

    def judge(self, images: torch.Tensor, questions: list[Question]) -> torch.Tensor:
        """Images (B, H, W, 3) in [0, 1] and Q questions -> (B, Q), float32.

        The log-probability that the first token of the answer begins what is hoped for.
        """


@runtime_checkable
class Itemised(Protocol):
    """A scorer that says what holds in an image, if `itemised`; a wrapper may hold one or not."""

    @property
    def itemised(self) -> bool: ...

    def items(self, images: torch.Tensor, prompts: list[str]) -> list[list[dict[str, Any]]]:
        """For each image, the items {"question", "answer", "p"}: p is how likely it holds."""


def asks(scorer: object) -> bool:
    """Whether a scorer answers questions."""
    return isinstance(scorer, Asks) and scorer.asks


def itemised(scorer: object) -> bool:
    """Whether a scorer says what holds in an image."""
    return isinstance(scorer, Itemised) and scorer.itemised


def blames(scorer: object) -> bool:
    """Whether a scorer knows where images are wrong."""
    return isinstance(scorer, Blaming) and scorer.blames


def maximum_of(reward: object) -> float | None:
    """The highest score of a reward or scorer, None if it declares none."""
    return reward.maximum if isinstance(reward, Bounded) else None


def float32_only(dtype: torch.dtype) -> bool:
    """Whether `dtype` is the one that every device computes well."""
    return dtype == torch.float32


def never_cancel() -> None:
    """A `poll` for runs that nobody cancels."""


def cpu() -> torch.device:
    """The device without any other memory than the computer's."""
    return torch.device("cpu")


def no_hosts() -> str:
    """Allow no server beyond this computer."""
    return ""


@dataclass(frozen=True)
class Files:
    """Where weights are, which number formats may hold them, and what the user allows.

    Args:
        find: maps the name in a setting to a file or folder; ValueError if there is none.
        tokenizers: folders of tokenizers that models share, under "clip", "t5" and "qwen".
        supports: whether the device computes a dtype well.
        poll: called while a reward waits for something; raises if the run was cancelled.
        device: returns where a reward may compute while it loads.
        streamed: makes linear layers ones whose weights may stay in RAM; None without a host.
        hosts: returns the servers beyond this computer that the user allows, comma-separated.
    """

    find: Callable[[str], Path] = Path
    tokenizers: Mapping[str, Path] = field(default_factory=dict)
    supports: Callable[[torch.dtype], bool] = float32_only
    poll: Callable[[], None] = never_cancel
    hosts: Callable[[], str] = no_hosts
    device: Callable[[], torch.device] = cpu
    streamed: Callable[[Collection[torch.nn.Linear]], None] | None = None

    def dtype(self, *preferred: torch.dtype) -> torch.dtype:
        """The first of `preferred` that the device computes well, else float32."""
        return next((dtype for dtype in preferred if self.supports(dtype)), torch.float32)


@runtime_checkable
class Reward(Protocol):
    """Frozen dataclass of settings; it may be `Bounded`.

    `gradient` says whether scores are differentiable in the images. Users read the name that the
    registry gives it, in the menu and in the tables of the help page.
    """

    gradient: ClassVar[bool]

    def load(self, files: Files | None = None) -> Scorer:
        """Build the scorer. `files` finds the weights that the settings name."""


def load_scorer(reward: Reward, files: Files | None = None) -> Scorer:
    """The scorer of `reward`, built outside inference mode.

    The host runs nodes in inference mode. A tensor made there can never have a gradient.
    """
    with torch.inference_mode(False):
        return reward.load(files)


def images_at_once(scorer: Scorer, usual: int) -> int:
    """How many images `scorer` gets in one call: `usual`, or more if it is remote and asks so."""
    return max(usual, scorer.at_once) if isinstance(scorer, Remote) else usual


def check_characters(prompt: str) -> None:
    """Raise ValueError if `prompt` holds half of a character, which no tokenizer takes."""
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as error:
        code, place = ord(prompt[error.start]), error.start
        raise ValueError(
            f"The prompt holds half of a character: got a lone surrogate (U+{code:X}) at position "
            f"{place}, expected whole characters."
        ) from None


def check_batch(images: torch.Tensor, prompts: list[str]) -> None:
    """Raise ValueError unless `images` is (B, H, W, 3) and there are B prompts."""
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[-1] != 3 or 0 in shape[1:3]:
        raise ValueError(
            f"The images have the wrong shape: got {shape}, expected (batch, height, width, 3)."
        )
    if isinstance(prompts, str) or len(prompts) != shape[0]:
        got = "one string" if isinstance(prompts, str) else f"{len(prompts)} prompts"
        raise ValueError(
            f"Images and prompts differ in number: got {got} for {shape[0]} images, expected a "
            f"list of {shape[0]} prompts."
        )
