"""Reward Model Loader, and rewards under the host's memory management."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import Field, dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any, ClassVar

import comfy.model_management as mm
import comfy.model_patcher
import comfy.sd1_clip
import folder_paths
import torch
from comfy_api.latest import io
from torch import Tensor

from ..rewards import (
    REWARDS,
    Files,
    Scorer,
    fresh,
    load_scorer,
    maximum_of,
    pictures_at_once,
    reads_clips,
    score_any,
)
from ..rewards.weights import SUFFIXES, Peek, peek
from .http_hosts import allowed_hosts
from .memory import fitted, load
from .schema import CATEGORY, FlowReward, build, chosen, combo, flat, nested, under

FOLDER = "rewards"
FOLDERS_OWN = ("model", "pytorch_model", "open_clip")  # how weights beside a config.json begin


def register_reward_folder() -> None:
    """models/rewards, beside what `extra_model_paths.yaml` adds under `rewards`."""
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))


def checkpoints() -> list[str]:
    """Weight files, and folders with a config.json, below the reward folders."""
    found = set()
    for name in folder_paths.get_filename_list(FOLDER):
        if os.path.basename(name) == "config.json" and os.path.dirname(name):
            found.add(os.path.dirname(name))
        elif name.endswith(SUFFIXES):
            found.add(name)
    in_folders = {n for n in found if os.path.dirname(n) in found and _of_a_folder(n)}
    return sorted(n.replace(os.sep, "/") for n in found - in_folders)


def _of_a_folder(name: str) -> bool:
    """Whether a file is what the config.json beside it tells of, and not another."""
    return name.endswith(SUFFIXES) and os.path.basename(name).startswith(FOLDERS_OWN)


def loadable(setting: Field) -> list[str]:
    """The checkpoints that the family of this field can load."""
    fits = setting.metadata["checkpoint"]
    listed = [name for name in checkpoints() if _fits(fits, name)]
    return ["", *listed] if setting.metadata.get("optional") else listed


def _fits(fits: Callable[[Peek], bool], name: str) -> bool:
    try:
        seen = peek(resolve(name))
        return not (seen.code or seen.bare) and fits(seen)
    except Exception:  # unreadable, or nonsense in a config.json: no family lists it
        return False


def resolve(name: str) -> Path:
    """The file or folder called `name` in one of the reward folders."""
    folders = folder_paths.get_folder_paths(FOLDER)
    parts = PureWindowsPath(name)  # of / and \ alike
    if parts.anchor or ".." in parts.parts:
        raise ValueError(
            f"reward file {name!r} leads out of the reward folders, wanted a name below one of "
            f"them ({', '.join(folders)})."
        )
    for folder in folders:
        path = Path(folder) / name
        if name and path.exists():
            return path
    raise ValueError(
        f"reward file {name!r} is in none of the reward folders ({', '.join(folders)}), wanted one "
        f"of: {', '.join(checkpoints()) or 'nothing is there yet'}."
    )


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
    def at_once(self) -> int:
        return pictures_at_once(self.scorer, self.ROWS)

    def check(self, prompt: str) -> None:
        self.scorer.check(prompt)

    def score(self, images: Tensor, prompts: list[str]) -> Tensor:
        def ask(rows: slice) -> Tensor:
            mm.throw_exception_if_processing_interrupted()
            device = images.device
            if self.patcher is not None:
                load(self.patcher)
                device = device if images.ndim == 5 else self.patcher.load_device
            return self.scorer.score(images[rows].to(device), prompts[rows])

        scores = fitted(ask, len(images), 1 if images.ndim == 5 else self.at_once)
        return scores.to(images.device)


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


class RewardModelLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchRewardLoader",
            display_name="Reward Model Loader",
            category=CATEGORY,
            description="What a search looks for: scores pictures against the prompt, higher is "
            "better.",
            search_aliases=["reward", "verifier", "scorer", "aesthetic", "count"],
            inputs=[
                combo(
                    "reward",
                    REWARDS,
                    "What counts as a good picture. Every candidate is scored once.",
                    choices=loadable,
                )
            ],
            outputs=[FlowReward.Output(display_name="reward")],
        )

    @classmethod
    def execute(cls, reward: dict[str, Any] | None = None, **unknown: Any) -> io.NodeOutput:
        reward = chosen("reward", REWARDS, nested("reward", reward, unknown))
        wired = {name: value for name, value in reward.items() if isinstance(value, HostReward)}
        settings = build("reward", REWARDS, reward | {k: v.scorer for k, v in wired.items()})
        told = flat("reward", reward["reward"], settings)
        for name, value in wired.items():
            told |= under(f"reward.{name}", value.settings)
        scorer = load_scorer(settings, host_files())
        gradient = settings.gradient and all(value.gradient for value in wired.values())
        if wired:  # the weights of a reward that scores by others are already the host's
            return io.NodeOutput(HostReward(scorer, told, gradient))
        return io.NodeOutput(hosted(scorer, told, gradient, maximum_of(settings)))
