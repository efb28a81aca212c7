"""Reward Model Loader: settings and files become a reward."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ...rewards import (
    REWARDS,
    findings_of,
    load_scorer,
    maximum_of,
)
from ..host.reward import HostReward, host_files, hosted
from ..host.reward_files import RewardFiles, check_chosen
from ..schema import CATEGORY, FlowReward, build, chosen, combo, flat, nested, under
from .purposes import PURPOSES, purpose


def _groups() -> list[dict[str, Any]]:
    """The menu's groups in order, for the page: name, sentence and rewards of each."""
    names = {key: purpose(family) for key, family in REWARDS.items()}
    return [
        {"name": name, "about": about, "rewards": [key for key in names if names[key] == name]}
        for name, about in PURPOSES.values()
    ]


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
                    REWARDS,
                    "What makes an image good. Grouped by purpose; the first ones need no file.",
                    choices=RewardFiles.scan().loadable,
                    extra_dict={"groups": _groups()},
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
