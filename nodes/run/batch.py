"""The searches of a node: one for each latent of its batch, one after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import comfy.model_management as mm
import torch
from comfy_execution.utils import get_executing_context
from torch import Tensor

from ..host.frames import to_frames, to_videos
from ..host.noise_mask import mask_of
from ..host.packed import Latents, cat
from ..show.events import Sender
from ..show.progress import Progress
from .one_search import OneSearch, Result
from .plan import Plan
from .safekeeping import Safekeeping
from .stop import RUNNING


def run_batch(
    plan: Plan, node_id: str, workflow: str | None = None
) -> tuple[dict[str, Any], Tensor, dict[str, Any], list[dict[str, str] | None]]:
    """Search for each latent of a plan.

    Args:
        plan: what is searched.
        node_id: the node on the canvas; empty in a script.
        workflow: id of its workflow.

    Returns:
        LATENT, IMAGE (N,H,W,3), the report, and the file of each search's plain image. The report
        is that of the first search. If there are several searches, its entry `batch` has the
        reports of all.
    """
    context = get_executing_context()
    prompt_id = context.prompt_id if context else None
    results = _search_each(plan, Sender(node_id, prompt_id, workflow, 0, len(plan.jobs)))
    samples = to_frames(plan.base, cat([result.latent for result in results]))
    latent = plan.latent | {"samples": samples.to(mm.intermediate_device())}
    report = results[0].report
    if len(results) > 1:
        report = report | {"batch": [result.report for result in results]}
    images = torch.cat([result.images for result in results])
    return latent, images, report, [result.plain for result in results]


def _search_each(plan: Plan, sender: Sender) -> list[Result]:
    """Run one search after the other. If one is cancelled or fails, save the images so far."""
    inputs, names = plan.inputs, (sender.node_id, sender.prompt_id)
    noise, results = _noise(plan), []
    bars = Progress(inputs.budget * len(plan.jobs))
    safe = Safekeeping(*names, inputs.journal)
    with bars, RUNNING.search(*names) as stop_requested, safe:
        for i, job in enumerate(plan.jobs):
            rules = replace(job.rules, stop_requested=stop_requested)
            search = OneSearch(
                plan, replace(job, rules=rules), replace(sender, image=i), bars, safe
            )
            row = slice(i, i + 1)
            mask = mask_of(plan.mask, plan.samples, i)
            results.append(search(noise[row], plan.samples[row], mask))
            part = results[i].images, results[i].report
            safe.end(part, last=i == len(plan.jobs) - 1)
    return results


def _noise(plan: Plan) -> Latents:
    """The batch's noise. A replay uses the noise of the image that it repeats."""
    images = [job.image for job in plan.jobs]
    index = {"batch_index": images} if images != list(range(len(images))) else {}
    samples = {"samples": to_frames(plan.base, plan.samples)}
    return to_videos(plan.base, plan.inputs.noise.generate_noise(plan.latent | samples | index))
