"""Score Images: scores images outside a search."""

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
    """Indices, best first. Equal scores keep their order; scores that are not finite come last."""
    keys = [score if math.isfinite(score) else -math.inf for score in scores]
    return sorted(range(len(scores)), key=lambda i: -keys[i])


def clips_of(images: Tensor, length: int) -> Tensor:
    """Images (B,H,W,C) as videos (B / length, length, H, W, C); as they are if `length` is 1."""
    if length == 1:
        return images
    length = length or len(images)
    if len(images) % length:
        raise ValueError(
            f"The images do not fill whole videos: got {len(images)} images, expected a multiple "
            f"of clip_length {length}."
        )
    return images.unflatten(0, (-1, length))


def score_report(reward: HostReward, images: Tensor, prompt: str) -> dict[str, Any]:
    """The scores and their order, ready for JSON.

    Args:
        reward: what scores.
        images: images (B,H,W,C) or videos (B,T,H,W,C).
        prompt: what they are scored against.
    """
    rgb = to_rgb(images, "Score Images: the images have")
    reward.check(prompt)
    scores = reward.score(rgb, prompt).tolist()  # outside a run: a combination uses all of them
    if not any(map(math.isfinite, scores)):
        kind = "videos" if images.ndim == 5 else "images"
        raise ValueError(
            f"All {len(scores)} {kind} failed: got no finite score, expected at least one. Check "
            f"that the {kind} are not NaN."
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
            description="Scores images against the prompt and puts the best first. Works on any "
            "images, with or without a search.",
            search_aliases=["reward", "score", "rank", "sort images", "best of batch", "pick best"],
            inputs=[
                io.Image.Input(
                    "images",
                    tooltip="Images to score, a batch of any size. Transparency becomes white.",
                ),
                FlowReward.Input(
                    "reward", tooltip="From the Reward Model Loader or Combine Rewards."
                ),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    default="",
                    tooltip="The prompt to score against, usually the one that made the images.",
                ),
                io.Int.Input(
                    "clip_length",
                    default=1,
                    min=0,
                    max=100_000,
                    optional=True,
                    tooltip="For videos: how many images in a row are the frames of one video. "
                    "1 scores each image by itself, 0 takes all images as one video.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    display_name="best_score", tooltip="Score of the best image or video."
                ),
                io.Image.Output(
                    display_name="images",
                    tooltip="All images, best first. For videos, all their frames.",
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
        report = score_report(reward, rows, prompt)
        best_score, best_first = report["scores"][report["best"]], rows[report["order"]]
        ordered = best_first.flatten(0, 1) if rows.ndim == 5 else best_first
        return io.NodeOutput(best_score, ordered, writable(report, "scores")[1])
