"""Score Images: a reward outside a search."""

from __future__ import annotations

import math
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from .host.decode import to_rgb
from .host.reward import HostReward
from .schema import CATEGORY, FlowReward, check_wired
from .show.report import number
from .show.writable import writable

VERSION = 1


def ranking(scores: list[float]) -> list[int]:
    """Indices best first; equal scores in input order, those that are not finite last."""
    worth = [score if math.isfinite(score) else -math.inf for score in scores]
    return sorted(range(len(scores)), key=lambda i: -worth[i])


def clips_of(images: Tensor, length: int) -> Tensor:
    """Pictures (B,H,W,3), or with a `length` that is not 1 clips (B / length, length, H, W, 3)."""
    if length == 1:
        return images
    length = length or len(images)
    if len(images) % length:
        raise ValueError(
            f"{len(images)} images given with a clip_length of {length}, wanted a multiple of it."
        )
    return images.unflatten(0, (-1, length))


def scored(reward: HostReward, images: Tensor, prompt: str) -> dict[str, Any]:
    """What the node tells of pictures or clips, as a JSON-ready dictionary."""
    shown = to_rgb(images, "Score Images: the pictures have")
    reward.check(prompt)
    scores = reward.score(shown, prompt).tolist()  # a call without a run: statistics over all
    if not any(map(math.isfinite, scores)):
        kind = "clips" if images.ndim == 5 else "pictures"
        raise ValueError(
            f"All {len(scores)} {kind} failed: the reward was not a number for any of them, "
            f"wanted at least one finite score (are the {kind} NaN?)."
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
                io.Image.Input(
                    "images",
                    tooltip="Pictures to score, a batch of any size. Alpha is put over white.",
                ),
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
                io.Int.Input(
                    "clip_length",
                    default=1,
                    min=0,
                    max=100_000,
                    optional=True,
                    tooltip="How many images in a row are the frames of one clip, scored as one; 0 "
                    "takes all of them for one clip, 1 scores each picture by itself.",
                ),
            ],
            outputs=[
                io.Float.Output(display_name="best_score", tooltip="Score of the best picture."),
                io.Image.Output(
                    display_name="images", tooltip="All pictures, best first; of clips all frames."
                ),
                io.String.Output(display_name="scores", tooltip="JSON of all scores."),
            ],
        )

    @classmethod
    def execute(
        cls, images: Tensor, reward: HostReward, prompt: str, clip_length: int = 1, **unknown: Any
    ) -> io.NodeOutput:
        check_wired(images=images, reward=reward)
        rows = clips_of(images, clip_length)
        found = scored(reward, rows, prompt)
        best_score, best_first = found["scores"][found["best"]], rows[found["order"]]
        shown = best_first.flatten(0, 1) if rows.ndim == 5 else best_first
        return io.NodeOutput(best_score, shown, writable(found, "scores")[1])
