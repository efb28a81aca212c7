"""Makes the plan of a search node from its inputs. Wrong inputs are refused here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import comfy.sample

from ...rewards import maximum_of
from ...samplers.rules import Finish, StopRules
from ..host.any_sampler import FLOW_SAMPLER
from ..host.frames import to_videos
from ..host.guard import guard
from ..host.guiders import nfe_per_particle
from ..host.noise_mask import mask_of
from ..host.packed import Latents, batch_size
from ..host.upstream_prompt import Upstream
from ..schema import under
from ..show.writable import writable
from .checks import (
    check_inputs,
    check_job,
    check_kernel,
    check_method,
    check_prompt,
    check_sampler,
    check_values,
    search_times,
    second_guiders,
)
from .fingerprint import identity
from .inputs import MODELS, SearchInputs
from .plain import plain_rows
from .plan import Job, MethodChoice, Plan
from .replay import SAME, agree, differences, replays

RATIOS = ("downscale_ratio_spacial", "downscale_ratio_temporal")  # spelt so by the host


def plan(
    inputs: SearchInputs, method: MethodChoice, upstream: Callable[[], Upstream] = Upstream
) -> Plan:
    """Make the plan of a search node.

    Args:
        inputs: of the node.
        method: of the node.
        upstream: returns the prompts that the graph has for the node.

    Raises:
        ValueError: the inputs cannot be searched. The message says why.
    """
    check_values(inputs)
    inputs = check_prompt(check_sampler(inputs, method), upstream)
    entries = inputs.entries(method.entries)
    times = check_inputs(inputs)
    lead, inside = search_times(inputs, times)
    check_method(method, inputs.sampler, inside)
    latent, samples = latents(inputs)
    draft = Plan(
        inputs,
        method,
        entries=connected_entries(inputs, entries),
        times=times,
        lead=lead,
        inside=inside,
        cost=nfe_per_particle(inputs.guider),
        latent=latent,
        samples=samples,
        second=second_guiders(inputs),
    )
    check_kernel(draft)
    jobs = replay_jobs(draft, entries) if inputs.replay else new_jobs(draft)
    for job in jobs:
        check_job(job, draft)
    return replace(draft, jobs=tuple(identified(job, draft, i) for i, job in enumerate(jobs)))


def latents(inputs: SearchInputs) -> tuple[dict[str, Any], Latents]:
    """The node's LATENT without what the host's samplers remove, and its samples.

    The samples have a row for each search.
    """
    latent, fix = dict(inputs.latent_image), comfy.sample.fix_empty_latent_channels
    patcher = inputs.guider.model_patcher
    ratios = {name: latent.pop(name, None) for name in RATIOS}
    accepted = inspect.signature(fix).parameters  # the temporal one is not in every version
    ratios = {name: ratio for name, ratio in ratios.items() if name in accepted}
    return latent, to_videos(patcher.model, fix(patcher, latent["samples"], **ratios))


def connected_entries(inputs: SearchInputs, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Report entries of the node and of what is connected to it.

    What JSON cannot hold is left out, with a line in the log.
    """
    entries = dict(entries)
    with guard("report the settings of the sampler"):
        entries |= inputs.sampler.settings
    with guard("report the settings of the reward"):
        entries |= inputs.reward.settings
    if inputs.watchdog is not None:
        with guard("report the settings of the watchdog"):
            entries |= under("watchdog", inputs.watchdog.settings)
    return writable(entries, "settings")[0]


def new_jobs(plan: Plan) -> list[Job]:
    """A new search for each latent."""
    inputs = plan.inputs
    apart = inputs.finish_model is not None and inputs.finish_model is not inputs.lookahead_model
    finish = Finish(inputs.finish_steps, inputs.top_k)
    finish = finish.after(inputs.lookahead, plan.times[-1], apart)
    maximum = maximum_of(inputs.reward) if inputs.stop_at_maximum else None
    rules = StopRules(inputs.target_reward, inputs.time_limit or None, maximum=maximum)
    search, images = plan.method.search, range(batch_size(plan.samples))
    plain = plain_rows(inputs, plan.times)
    return [Job(search, finish, rules, inputs.lookahead, image, plain=plain) for image in images]


def replay_jobs(plan: Plan, entries: Mapping[str, Any]) -> list[Job]:
    """Replays of the winners of an earlier search, one for each latent."""
    inputs = plan.inputs
    names = ("prompt", "window_start", "window_end", *MODELS)
    names += () if inputs.model_low is None else ("boundary",)
    settings = {name: entries[name] for name in names}
    settings |= {"sampler": FLOW_SAMPLER} | inputs.sampler.settings
    if inputs.sampler.guidance.strength:
        settings |= inputs.reward.settings
    images, seed = batch_size(plan.samples), inputs.noise.seed
    reports = replays(inputs.replay, images, seed, plan.times, settings)
    rules = StopRules(inputs.target_reward, inputs.time_limit or None)
    return [
        Job(
            search,
            Finish(search.nodes),
            rules,
            search.lookahead,
            image=report.get("image", i),
            replayed=report,
        )
        for i, (report, search) in enumerate(reports)
    ]


def identified(job: Job, plan: Plan, row: int) -> Job:
    """The job with the fingerprints of its inputs. A replay compares them with its report.

    Args:
        job: without fingerprints.
        plan: of the node.
        row: of the batch.

    Raises:
        ValueError: the report has another size or CFG.
    """
    mask = mask_of(plan.mask, plan.samples, row)
    made_with = identity(plan.inputs.guider, plan.samples[row : row + 1], mask)
    warnings: list[str] = []
    if job.replayed:
        agree(job.replayed, {name: made_with[name] for name in SAME if name in made_with})
        warnings = differences(job.replayed, made_with)
    return replace(job, made_with=made_with, warnings=tuple(warnings))
