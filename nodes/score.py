"""Score Images: scores images outside a search, and keeps the best."""

from __future__ import annotations

import logging
import math
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker
from torch import Tensor

from .host.channels import to_rgb
from .host.guard import guard
from .host.image_rows import ImageRows, SizeGroups, listed, single
from .host.reward import HostReward
from .schema import CATEGORY, FlowReward, check_wired
from .show.contact_sheet import Cell, contact_sheet
from .show.culling import NO_THRESHOLD, Culling, limits
from .show.events import client_id, server
from .show.report import itemise, number
from .show.writable import writable

log = logging.getLogger("flow_search")
VERSION = 1


def scores_of(reward: HostReward, images: ImageRows) -> list[float]:
    """The score of each row. Outside a run, a combination standardises over all of them.

    Raises:
        ValueError: the reward cannot use a prompt, or no score is finite.
    """
    for prompt in dict.fromkeys(images.prompts):
        reward.check(prompt)
    groups = SizeGroups(images, reward.at_once)
    by_row = dict(zip(groups.positions, reward.score_groups(groups).tolist(), strict=True))
    scores = [by_row[row] for row in range(len(by_row))]
    if not any(map(math.isfinite, scores)):
        kind = "videos" if images.are_videos else "images"
        raise ValueError(
            f"All {len(scores)} {kind} failed: got no finite score, expected at least one. Check "
            f"that the {kind} are not NaN."
        )
    return scores


def items_of(reward: HostReward, images: ImageRows, row: int) -> dict[str, Any]:
    """The report's entry about what holds in an image; none if the reward does not say.

    Args:
        reward: what scored.
        images: all of them.
        row: which one.
    """
    if not reward.itemised:
        return {}
    image = to_rgb(images.rows[row][None], "Score Images: the images have")
    (items,) = reward.items(image, images.prompts[row])
    return itemise({}, items)


def score_report(reward: HostReward, prompts: list[str], culling: Culling) -> dict[str, Any]:
    """The scores, their order and what was kept, ready for JSON.

    Args:
        reward: what scored.
        prompts: of the images, or one for all.
        culling: scores, and which of them are kept.
    """
    report = {
        "version": VERSION,
        "prompt": prompts[0] if len(prompts) == 1 else prompts,
        "scores": [number(score) for score in culling.scores],
        "order": culling.order,
        "best": culling.order[0],
        "settings": reward.settings,
        "keep": culling.keep,
        "threshold": culling.threshold,
        "kept": culling.kept,
        "rejected": culling.rejected,
    }
    return report if culling.kept else report | {"warnings": [culling.nothing_kept]}


def images_or_block(images: ImageRows, positions: list[int], in_list: bool) -> Any:
    """These images as an output. Without any, the host skips the nodes that would use them.

    Args:
        images: all of them.
        positions: which to return.
        in_list: whether the host called, which wants a list; a script gets the batch alone.
    """
    if not positions:
        return ExecutionBlocker(None)
    return images.picked(positions) if in_list else images.picked(positions)[0]


def cells(images: ImageRows, culling: Culling) -> list[Cell]:
    """What the contact sheet shows of the images, best first."""
    rows, kept = images.rows, set(culling.kept)
    return [Cell(rows[i], i, culling.scores[i], i in kept) for i in culling.order]


def say(text: str, node: type[io.ComfyNode]) -> None:
    """Show a text on the running node, in place of that of its last run. A script has no page."""
    node_id = getattr(getattr(node, "hidden", None), "unique_id", None)
    if server() is None or node_id is None:
        return
    with guard("show the result on the node"):
        server().send_progress_text(text, str(node_id), client_id())


class ScoreImages(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchRewardScore",
            display_name="Score Images",
            category=CATEGORY,
            description="Scores images against the prompt, puts the best first and keeps as many "
            "as you like.",
            search_aliases=[
                "reward", "score", "rank", "sort images", "best of batch", "pick best", "filter",
                "keep best", "threshold", "contact sheet", "cull",
            ],
            is_input_list=True,
            inputs=[
                io.Image.Input(
                    "images",
                    tooltip="A batch, or a list of images of any sizes, such as a folder. "
                    "Transparency becomes white.",
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
                    tooltip="Images per video. 1 scores each image by itself, 0 takes each batch "
                    "as one video.",
                ),
                io.Int.Input(
                    "keep",
                    default=0,
                    min=0,
                    max=100_000,
                    optional=True,
                    tooltip="How many images to keep, best first. 0 keeps all that reach the "
                    "threshold.",
                ),
                io.Float.Input(
                    "threshold",
                    default=NO_THRESHOLD,
                    min=NO_THRESHOLD,
                    max=-NO_THRESHOLD,
                    step=0.01,
                    optional=True,
                    tooltip="Lowest score to keep. The default, -1000000, keeps all.",
                ),
            ],
            outputs=[
                io.Float.Output(
                    display_name="best_score", tooltip="Score of the best image or video."
                ),
                io.Image.Output(
                    display_name="images",
                    is_output_list=True,
                    tooltip="Kept images, best first. For videos, all their frames.",
                ),
                io.String.Output(display_name="scores", tooltip="JSON of all scores."),
                io.Image.Output(
                    display_name="rejected",
                    is_output_list=True,
                    tooltip="All other images, best first. Without any, connected nodes are "
                    "skipped.",
                ),
                io.Image.Output(
                    display_name="contact_sheet",
                    tooltip="All images with their scores, best first.",
                ),
            ],
            hidden=[io.Hidden.unique_id],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        images: list[Tensor],
        reward: list[HostReward],
        prompt: list[str],
        clip_length: list[int] | int = 1,
        keep: list[int] | int = 0,
        threshold: list[float] | float = NO_THRESHOLD,
        **unknown: Any,
    ) -> io.NodeOutput:
        in_list = isinstance(images, list)
        images, prompts = listed("images", images), listed("prompt", prompt)
        reward = single("reward", reward)
        for batch in images:
            check_wired(images=batch, reward=reward)
        keep, threshold = limits(single("keep", keep), single("threshold", threshold))
        rows = ImageRows.of(images, prompts, single("clip_length", clip_length))
        culling = Culling(scores_of(reward, rows), keep, threshold)
        if not culling.kept:
            log.warning("Score Images: %s", culling.nothing_kept)
        say(culling.summary, cls)
        report = score_report(reward, prompts, culling)
        report |= items_of(reward, rows, report["best"])
        return io.NodeOutput(
            report["scores"][report["best"]],
            images_or_block(rows, culling.kept, in_list),
            writable(report, "scores")[1],
            images_or_block(rows, culling.rejected, in_list),
            contact_sheet(cells(rows, culling), culling.note),
        )
