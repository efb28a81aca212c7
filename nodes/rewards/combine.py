"""Combine Rewards: several rewards as one."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ...rewards import MODES, CombinedScorer
from ..host.reward import HostReward
from ..schema import CATEGORY, FlowReward, build, check_wired, combo, flat, nested, under


class CombineRewards(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        another = "Another reward, scored with the same prompt."
        return io.Schema(
            node_id="FlowSearchRewardCombine",
            display_name="Combine Rewards",
            category=CATEGORY,
            description="Combines two to four rewards into one. Connect it to a search, to Score "
            "Images or to another Combine Rewards.",
            search_aliases=["reward", "weighted sum", "ensemble", "constraint", "multi-objective"],
            inputs=[
                FlowReward.Input(
                    "reward_1", tooltip="First reward. The mode constraint maximises this one."
                ),
                FlowReward.Input("reward_2", tooltip=another),
                FlowReward.Input("reward_3", tooltip=another, optional=True),
                FlowReward.Input("reward_4", tooltip=another, optional=True),
                combo(
                    "mode",
                    MODES,
                    "How the scores become one. constraint maximises reward_1 where the other "
                    "scores reach their thresholds.",
                ),
            ],
            outputs=[FlowReward.Output(display_name="reward")],
        )

    @classmethod
    def execute(
        cls,
        reward_1: HostReward,
        reward_2: HostReward,
        mode: dict[str, Any] | None = None,
        reward_3: HostReward | None = None,
        reward_4: HostReward | None = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        slots = enumerate((reward_1, reward_2, reward_3, reward_4), start=1)
        rewards = {slot: reward for slot, reward in slots if reward is not None}
        check_wired(**{f"reward_{slot}": reward for slot, reward in rewards.items()})
        mode = nested("mode", mode, unknown)
        chosen = build("mode", MODES, mode)
        settings = flat("mode", mode["mode"], chosen)
        for slot, reward in rewards.items():
            settings |= under(f"reward_{slot}", reward.settings)
        parts = {slot: reward.scorer for slot, reward in rewards.items()}
        gradient = all(reward.gradient for reward in rewards.values())
        return io.NodeOutput(HostReward(CombinedScorer(chosen, parts), settings, gradient))
