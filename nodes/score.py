"""Score Images: a reward outside a search."""

from __future__ import annotations

import json
import math
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from .report import number
from .reward import HostReward
from .schema import CATEGORY, FlowReward

VERSION = 1


def ranking(scores: list[float]) -> list[int]:
    """Indices best first; equal scores in input order, those that are not finite last."""
    worth = [score if math.isfinite(score) else -math.inf for score in scores]
    return sorted(range(len(scores)), key=lambda i: -worth[i])


def scored(reward: HostReward, images: Tensor, prompt: str) -> dict[str, Any]:
    """What the node tells of the pictures, as a JSON-ready dictionary."""
    reward.check(prompt)
    scores = reward.score(images, prompt).tolist()  # a call without a run: statistics over all
    if not any(map(math.isfinite, scores)):
        raise ValueError(
            f"All {len(scores)} pictures failed: the reward was not a number for any of them, "
            "wanted at least one finite score (are the pictures NaN?)."
        )
    order = ranking(scores)
    return {
        "version": VERSION,
        "prompt": prompt,
        "scores": [number(score) for score in scores],
        "order": order,
        "best": order[0],
        "settings": reward.settings,
    }


class ScoreImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchRewardScore",
            display_name="Score Images",
            category=CATEGORY,
            description="Scores pictures against the prompt and puts the best first. Works on any "
            "pictures, with or without a search.",
            search_aliases=["reward", "score", "rank", "sort images", "best of batch", "pick best"],
            inputs=[
                io.Image.Input("images", tooltip="Pictures to score, a batch of any size."),
                FlowReward.Input(
                    "reward", tooltip="From the Reward Model Loader or Combine Rewards."
                ),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    default="",
                    tooltip="What the reward is asked: usually the text the pictures were made "
                    "from.",
                ),
            ],
            outputs=[
                io.Float.Output(display_name="best_score", tooltip="Score of the best picture."),
                io.Image.Output(display_name="images", tooltip="All pictures, best first."),
                io.String.Output(display_name="scores", tooltip="JSON of all scores."),
            ],
        )

    @classmethod
    def execute(cls, images: Tensor, reward: HostReward, prompt: str) -> io.NodeOutput:
        found = scored(reward, images, prompt)
        best_score = found["scores"][found["best"]]
        return io.NodeOutput(best_score, images[found["order"]], json.dumps(found, allow_nan=False))
