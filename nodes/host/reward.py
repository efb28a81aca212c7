"""Rewards whose weights the host loads and unloads."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import comfy.model_management as mm
import comfy.model_patcher
import comfy.sd1_clip
import torch
from torch import Tensor

from ...rewards import (
    Files,
    Scorer,
    asks,
    blame_any,
    blames,
    fresh,
    images_at_once,
    itemised,
    items_any,
    learned,
    learns,
    maximum_of,
    reads_clips,
    score_any,
    score_groups,
    taught,
)
from ...rewards.types import Group, Question
from .http_hosts import allowed_hosts
from .memory import load, run_in_parts
from .reward_files import resolve
from .streamed import is_streamed, load_parts, stream

ROOM = 3 * 2**30  # bytes


@dataclass(frozen=True)
class HostScorer:
    """A scorer whose weights, if it has any, the host loads and unloads.

    It scores `ROWS` images at a time on the device of its weights. A remote scorer may get more,
    and all get fewer when memory runs out. A video is scored alone, on the device where it is: the
    scorer moves the frames it needs.

    Args:
        scorer: the reward's own scorer.
        patcher: the host's model patcher of the weights, None without weights.
        maximum: the highest score, None if there is none.
        streamed: whether a part of the weights may stay in RAM.
    """

    ROWS: ClassVar[int] = 8
    module: ClassVar[None] = None

    scorer: Scorer
    patcher: Any = None
    maximum: float | None = None
    streamed: bool = False

    @property
    def clips(self) -> bool:
        return reads_clips(self.scorer)

    @property
    def blames(self) -> bool:
        return blames(self.scorer)

    @property
    def itemised(self) -> bool:
        return itemised(self.scorer)

    @property
    def asks(self) -> bool:
        return asks(self.scorer)

    @property
    def compares(self) -> bool:
        return self.asks and self.scorer.compares

    @property
    def at_once(self) -> int:
        return images_at_once(self.scorer, self.ROWS)

    def check(self, prompt: str) -> None:
        self.scorer.check(prompt)

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        def score_rows(rows: slice) -> Tensor:
            return self.scorer.score(self._on_device(images[rows]), prompts[rows])

        scores = run_in_parts(score_rows, len(images), 1 if images.ndim == 5 else self.at_once)
        return scores.to(images.device)

    def blame(self, images: Tensor, prompts: list[str]) -> Tensor:
        """Where images (B,H,W,3) or videos are wrong, by a scorer that blames, one at a time."""

        def blame_rows(rows: slice) -> Tensor:
            return self.scorer.blame(self._on_device(images[rows]), prompts[rows])

        return run_in_parts(blame_rows, len(images), 1).to(images.device)

    def check_questions(self, questions: list[Question]) -> None:
        self.scorer.check_questions(questions)

    def judge(self, images: Tensor, questions: list[Question]) -> Tensor:
        """Log-probabilities (B,Q) of answers about images (B,H,W,3), by a scorer that asks."""

        def judge_rows(rows: slice) -> Tensor:
            return self.scorer.judge(self._on_device(images[rows]), questions)

        return run_in_parts(judge_rows, len(images), self.at_once).to(images.device)

    def items(self, images: Tensor, prompts: list[str]) -> list[list[dict[str, Any]]]:
        """What holds in images (B,H,W,3) or videos, by a scorer that is itemised."""
        return items_any(self.scorer, self._on_device(images), prompts)

    def _on_device(self, images: Tensor) -> Tensor:
        """Images on the device of the weights, which are loaded; videos where they are."""
        mm.throw_exception_if_processing_interrupted()
        if self.patcher is None:
            return images
        (load_parts if self.streamed else load)(self.patcher)
        return images if images.ndim == 5 else images.to(self.patcher.load_device)


@dataclass(frozen=True)
class HostReward:
    """What a search maximises: the value of the type FLOW_REWARD.

    Args:
        scorer: scores images.
        settings: the reward's entries in a report.
        gradient: whether scores are differentiable in the images.
    """

    scorer: Scorer
    settings: dict[str, Any]
    gradient: bool = False

    @property
    def maximum(self) -> float | None:
        """The highest score that images reach, None if there is none."""
        return maximum_of(self.scorer)

    @property
    def patcher(self) -> Any:
        """The host looks for this in a node's outputs, to know which models the prompt uses."""
        return self.scorer.patcher if isinstance(self.scorer, HostScorer) else None

    def fresh(self) -> HostReward:
        """This reward for one run. What its scorer learns must not stay in the node's output."""
        return replace(self, scorer=fresh(self.scorer))

    @property
    def learns(self) -> bool:
        """Whether a score depends on earlier images of the run."""
        return learns(self.scorer)

    @property
    def learned(self) -> Any:
        """What it has learned in this run, as lists of numbers; None while it still learns."""
        return learned(self.scorer)

    def taught(self, learned: Any) -> HostReward:
        """This reward for a run in which `learned` has been learned elsewhere."""
        return replace(self, scorer=taught(self.scorer, learned))

    @property
    def at_once(self) -> int:
        """How many images to prepare for one call."""
        return images_at_once(self.scorer, HostScorer.ROWS)

    def check(self, prompt: str) -> None:
        self.scorer.check(prompt)

    def score(self, images: Tensor, prompt: str) -> Tensor:
        """Images (B,H,W,3) or videos (B,T,H,W,3) in [0,1] -> scores (B,), higher is better."""
        return score_any(self.scorer, images, [prompt] * len(images))

    def score_groups(self, groups: Collection[Group]) -> Tensor:
        """Scores of images or videos of several sizes, comparable as those of one call."""
        return score_groups(self.scorer, groups)

    @property
    def itemised(self) -> bool:
        """Whether it says what holds in an image."""
        return itemised(self.scorer)

    def items(self, images: Tensor, prompt: str) -> list[list[dict[str, Any]]]:
        """What holds in each of images (B,H,W,3) or videos, by a reward that is itemised."""
        return items_any(self.scorer, images, [prompt] * len(images))

    @property
    def blames(self) -> bool:
        """Whether it knows where images are wrong."""
        return blames(self.scorer)

    def blame(self, images: Tensor, prompt: str) -> Tensor:
        """Where images are wrong, (B,H,W), or videos, (B,T,H,W), in [0, 1]."""
        return blame_any(self.scorer, images, [prompt] * len(images))


def host_files() -> Files:
    """The reward folders, the host's tokenizers, and the dtypes that its device computes well."""
    package, device = Path(comfy.sd1_clip.__file__).parent, mm.get_torch_device()
    tokenizers = {
        "clip": package / "sd1_tokenizer",
        "t5": package / "text_encoders" / "t5_tokenizer",
        "qwen": package / "text_encoders" / "qwen25_tokenizer",
    }
    fast = {torch.float16: mm.should_use_fp16, torch.bfloat16: mm.should_use_bf16}
    return Files(
        resolve,
        tokenizers,
        supports=lambda dtype: dtype in fast and fast[dtype](device),
        poll=mm.throw_exception_if_processing_interrupted,
        hosts=allowed_hosts,
        device=_device_with_room,
        streamed=stream,
    )


def _device_with_room() -> torch.device:
    """The device, with memory for a tower that reads images while a reward loads."""
    device = mm.get_torch_device()
    mm.free_memory(ROOM, device)
    return device


def hosted(
    scorer: Scorer, settings: dict[str, Any], gradient: bool = False, maximum: float | None = None
) -> HostReward:
    """The value of FLOW_REWARD for a scorer, its weights under the host's model management.

    Args:
        scorer: the loaded reward.
        settings: its entries in a report.
        gradient: whether scores are differentiable in the images.
        maximum: the highest score that images reach, None if there is none.
    """
    if scorer.module is None:
        return HostReward(HostScorer(scorer, maximum=maximum), settings, gradient)
    # The ModuleList is there because the host sets `device` on what it loads
    # (model_patcher.py:1095), which is a read-only property of a transformers model. The patcher
    # is looked up at call time, because the host rebinds that name after import.
    patcher = comfy.model_patcher.CoreModelPatcher(
        torch.nn.ModuleList([scorer.module.eval().requires_grad_(False)]),
        load_device=mm.get_torch_device(),
        offload_device=mm.unet_offload_device(),
    )
    held = HostScorer(scorer, patcher, maximum, is_streamed(scorer.module))
    return HostReward(held, settings, gradient)
