"""Rewards under the host's memory management."""

from __future__ import annotations

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
    blame_any,
    blames,
    fresh,
    maximum_of,
    pictures_at_once,
    reads_clips,
    score_any,
)
from .http_hosts import allowed_hosts
from .memory import load, run_in_parts
from .reward_files import resolve


@dataclass(frozen=True)
class HostScorer:
    """A scorer whose weights, if any, the host loads and unloads.

    It is handed `ROWS` pictures at a time, or more if it runs elsewhere, on the device of its
    weights, fewer when memory runs out; or one clip, where that lies: the scorer brings the frames
    it needs to the device.
    """

    ROWS: ClassVar[int] = 8
    module: ClassVar[None] = None

    scorer: Scorer
    patcher: Any = None
    maximum: float | None = None

    @property
    def clips(self) -> bool:
        return reads_clips(self.scorer)

    @property
    def blames(self) -> bool:
        return blames(self.scorer)

    @property
    def at_once(self) -> int:
        return pictures_at_once(self.scorer, self.ROWS)

    def check(self, prompt: str) -> None:
        self.scorer.check(prompt)

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        def ask(rows: slice) -> Tensor:
            return self.scorer.score(self._shown(images[rows]), prompts[rows])

        scores = run_in_parts(ask, len(images), 1 if images.ndim == 5 else self.at_once)
        return scores.to(images.device)

    def blame(self, images: Tensor, prompts: list[str]) -> Tensor:
        """Where images are wrong, shown to the scorer one by one."""

        def ask(rows: slice) -> Tensor:
            return self.scorer.blame(self._shown(images[rows]), prompts[rows])

        return run_in_parts(ask, len(images), 1).to(images.device)

    def _shown(self, images: Tensor) -> Tensor:
        """Images where the scorer's weights are, which the host loads if need be."""
        mm.throw_exception_if_processing_interrupted()
        if self.patcher is None:
            return images
        load(self.patcher)
        return images if images.ndim == 5 else images.to(self.patcher.load_device)


@dataclass(frozen=True)
class HostReward:
    """What a search maximises, and its report entries. The value of FLOW_REWARD.

    `gradient` tells whether scores are differentiable in the pictures.
    """

    scorer: Scorer
    settings: dict[str, Any]
    gradient: bool = False

    @property
    def maximum(self) -> float | None:
        """The highest score there is, where that is known."""
        return maximum_of(self.scorer)

    @property
    def patcher(self) -> Any:
        """What the host looks for in a node's outputs, to know which models the prompt uses."""
        return self.scorer.patcher if isinstance(self.scorer, HostScorer) else None

    def fresh(self) -> HostReward:
        """This reward for one run: what a scorer learns on the way is not in the node's output."""
        return replace(self, scorer=fresh(self.scorer))

    @property
    def at_once(self) -> int:
        """How many pictures to have ready for a call."""
        return pictures_at_once(self.scorer, HostScorer.ROWS)

    def check(self, prompt: str) -> None:
        self.scorer.check(prompt)

    def score(self, images: Tensor, prompt: str) -> Tensor:
        """Pictures (B,H,W,3) or clips (B,T,H,W,3) in [0,1] -> (B,), higher is better."""
        return score_any(self.scorer, images, [prompt] * len(images))

    @property
    def blames(self) -> bool:
        """Whether it knows where images are wrong."""
        return blames(self.scorer)

    def blame(self, images: Tensor, prompt: str) -> Tensor:
        """Pictures -> (B,H,W), clips -> (B,T,H,W) in [0,1]: where they are wrong."""
        return blame_any(self.scorer, images, [prompt] * len(images))


def host_files() -> Files:
    """The reward folders, the host's own tokenizers, and what its device computes well."""
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
    )


def hosted(
    scorer: Scorer, settings: dict[str, Any], gradient: bool = False, maximum: float | None = None
) -> HostReward:
    """Put a scorer's module under the host's model management."""
    if scorer.module is None:
        return HostReward(HostScorer(scorer, maximum=maximum), settings, gradient)
    # The host sets `device` on what it loads (model_patcher.py:1095), on a transformers model a
    # read-only property: hence the holder. The patcher is looked up at call time: the host rebinds
    # the name after import.
    patcher = comfy.model_patcher.CoreModelPatcher(
        torch.nn.ModuleList([scorer.module.eval().requires_grad_(False)]),
        load_device=mm.get_torch_device(),
        offload_device=mm.unet_offload_device(),
    )
    return HostReward(HostScorer(scorer, patcher, maximum), settings, gradient)
