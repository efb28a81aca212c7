"""Reward Model Loader: settings and files become a reward."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from comfy_api.latest import io

from ...rewards import (
    REWARDS,
    Reward,
    findings_of,
    load_scorer,
    maximum_of,
)
from ..host.reward import HostReward, host_files, hosted
from ..host.reward_files import RewardFiles, check_chosen
from ..schema import CATEGORY, FlowReward, build, chosen, combo, flat, nested, under


def _needs(family: type[Reward]) -> bool:
    """Whether a reward needs a file or a connection. A new node starts with one that does not."""
    return any({"checkpoint", "socket"} & set(setting.metadata) for setting in fields(family))


class RewardModelLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchRewardLoader",
            display_name="Reward Model Loader",
            category=CATEGORY,
            description="The reward that a search maximises: it scores images against the prompt, "
            "higher is better.",
            search_aliases=["reward", "verifier", "scorer", "aesthetic", "count"],
            inputs=[
                combo(
                    "reward",
                    dict(sorted(REWARDS.items(), key=lambda entry: _needs(entry[1]))),
                    "What makes an image good. The order: no download, agreement with the prompt, "
                    "counts, looks, text, likeness, video.",
                    choices=RewardFiles.scan().loadable,
                )
            ],
            outputs=[FlowReward.Output(display_name="reward")],
        )

    @classmethod
    def execute(cls, reward: dict[str, Any] | None = None, **unknown: Any) -> io.NodeOutput:
        reward = chosen("reward", REWARDS, nested("reward", reward, unknown))
        check_chosen(reward["reward"], reward)
        wired = {name: value for name, value in reward.items() if isinstance(value, HostReward)}
        settings = build("reward", REWARDS, reward | {k: v.scorer for k, v in wired.items()})
        entries = flat("reward", reward["reward"], settings)
        for name, value in wired.items():
            entries |= under(f"reward.{name}", value.settings)
        scorer = load_scorer(settings, host_files())
        entries |= under("reward", findings_of(scorer))
        gradient = settings.gradient and all(value.gradient for value in wired.values())
        if wired:  # it scores by other rewards, whose weights the host already manages
            return io.NodeOutput(HostReward(scorer, entries, gradient))
        return io.NodeOutput(hosted(scorer, entries, gradient, maximum_of(settings)))
