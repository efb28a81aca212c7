"""Every refusal before compute, in the order in which a user would mend them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch

from ...samplers.guidance import acts, moves_ode
from ...samplers.run import check_budget
from ...samplers.schedules import split_window
from ...samplers.search import SEARCHES
from ...samplers.search.rounds import minimum
from ..host.any_sampler import FLOW_SAMPLER, AnySampler
from ..host.clock import check_start, clock_of
from ..host.experts import LOW
from ..host.gradient import check_gradient
from ..host.guiders import LEAST, check_guider, check_kind, is_pure
from ..host.input_checks import check_latent, check_pictures, check_sigmas
from ..host.kernel import FlowSampler
from ..host.kernel_settings import names
from ..host.noise_mask import check_mask
from ..host.packed import has_own_sigmas
from ..host.second_model import second_guider
from ..host.upstream_prompt import Upstream
from ..schema import check_wired
from .inputs import SECOND_MODELS, SearchInputs
from .plan import Job, MethodChoice, Plan


def check_values(inputs: SearchInputs) -> None:
    """Refuse plain values in place of connections, and a target that is not finite."""
    check_wired(**inputs.connections())
    if inputs.target_reward is not None and not math.isfinite(inputs.target_reward):
        raise ValueError(
            f"target_reward is not finite: got {inputs.target_reward}, expected a finite number."
        )


def check_sampler(inputs: SearchInputs, method: MethodChoice) -> SearchInputs:
    """Refuse a sampler that the method cannot use. Returns the inputs as the search takes them.

    A sampler that is not ours makes whole images, one at a time. Nothing is left to look ahead to
    or to finish.
    """
    if isinstance(inputs.sampler, FlowSampler):
        return inputs
    sampler = AnySampler(inputs.sampler)
    if not callable(getattr(sampler.sampler, "sample", None)):
        raise ValueError(
            f"sampler is no SAMPLER: got {sampler.name}, expected one with ComfyUI's sample."
        )
    if wired := [name for name in SECOND_MODELS if getattr(inputs, name) is not None]:
        raise ValueError(
            f"{wired[0]} would not be used: got the sampler {sampler.name}, expected the "
            f"{FLOW_SAMPLER} node. Disconnect {wired[0]}, or change the sampler."
        )
    if not method.search.whole_trajectories:
        able = {name: cls for name, cls in SEARCHES.items() if cls.whole_trajectories}
        raise ValueError(
            f"The method {method.name} cannot branch with this sampler: got {sampler.name}, "
            f"expected the {FLOW_SAMPLER} node. Only {names(able)} take any sampler."
        )
    return replace(inputs, sampler=sampler, finish_steps=0, lookahead=0, micro_batch=1)


def check_prompt(inputs: SearchInputs, upstream: Callable[[], Upstream]) -> SearchInputs:
    """Fill an empty prompt in from the graph. Returns the inputs as the search takes them.

    Refuses a graph without exactly one prompt, unless no reward reads it. Rewards that read the
    prompt refuse an empty one.
    """
    if not isinstance(inputs.prompt, str) or inputs.prompt.strip():
        return inputs
    prompts = upstream()
    if len(prompts.texts) == 1:
        return replace(inputs, prompt=prompts.texts[0])
    for reward in filter(None, (inputs.reward, inputs.watchdog)):
        try:
            reward.check("")
        except ValueError as error:
            raise ValueError(prompts.refusal) from error
    return inputs


def search_times(inputs: SearchInputs, times: Sequence[float]) -> tuple[list[float], list[float]]:
    """The times before the search, and those at which it works.

    A whole trajectory by any sampler counts as a birth at the last time.

    Args:
        inputs: of the node, with the sampler as the search takes it.
        times: falling model times of the sigmas, the landing included.

    Raises:
        ValueError: no time is in the window, or the sampler makes no clean images.
    """
    lead, inside = split_window(times[:-1], inputs.window_start, inputs.window_end)
    if isinstance(inputs.sampler, FlowSampler):
        return lead, inside
    if times[-1] or len(inside) < len(times) - 1:
        window = f"a window of {inputs.window_start:g} to {inputs.window_end:g}"
        got = f"sigmas down to {times[-1]:.4g}" if times[-1] else window
        raise ValueError(
            f"The sampler {inputs.sampler.name} can only make whole images in a search: got {got}, "
            f"expected all sigmas down to 0. Use the {FLOW_SAMPLER} for a part of them."
        )
    return [*lead, *inside[:-1]], inside[-1:]


def check_inputs(inputs: SearchInputs) -> list[float]:
    """Refuse inputs that no search can use. Returns the sigmas as model times."""
    check_kind(inputs.guider)
    patcher = inputs.guider.model_patcher
    clock = clock_of(patcher.get_model_object("model_sampling"))
    check_pictures(patcher.model)
    samples = check_latent(inputs.latent_image, patcher.model)
    check_mask(inputs.latent_image.get("noise_mask"), samples)
    check_guider(inputs.guider, isinstance(inputs.sampler, AnySampler))
    check_sound(inputs)
    times = check_sigmas(inputs.sigmas, clock)
    check_start(float(inputs.sigmas[0]), clock, samples)
    check_gradient(inputs.sampler.guidance, inputs.reward)
    check_experts(inputs)
    inputs.reward.check(inputs.prompt)
    if inputs.watchdog is not None:
        inputs.watchdog.check(inputs.prompt)
    return times


def check_experts(inputs: SearchInputs) -> None:
    """Refuse guidance with two experts, and a boundary that no model has."""
    if inputs.model_low is None:
        return
    if inputs.sampler.guidance.strength:
        raise ValueError(
            "Guidance takes one model: got model_low, expected none. Set guidance to none, or "
            "disconnect model_low."
        )
    if not 0.0 <= inputs.boundary <= 1.0:
        raise ValueError(
            f"boundary is out of its range: got {inputs.boundary}, expected 0 to 1, such as 0.875."
        )


def second_guiders(inputs: SearchInputs) -> dict[str, Any]:
    """A guider for each second model, by the name of its input; the same for the same model.

    Raises:
        ValueError: a second model cannot be used, or would do nothing.
    """
    guiders: dict[str, Any] = {}
    if inputs.model_low is not None:
        guiders[LOW] = second_guider(inputs.guider, inputs.model_low, LOW)
    for name, steps in zip(SECOND_MODELS, ("lookahead", "finish_steps"), strict=True):
        model = getattr(inputs, name)
        if model is None:
            continue
        if not getattr(inputs, steps):
            raise ValueError(
                f"{name} would not be used: got {steps} 0, expected at least 1. Disconnect {name} "
                f"or change {steps}."
            )
        twins = [guider for guider in guiders.values() if guider.model_patcher is model]
        guiders[name] = twins[0] if twins else second_guider(inputs.guider, model, name)
    return guiders


def check_method(
    method: MethodChoice, sampler: FlowSampler | AnySampler, times: Sequence[float]
) -> None:
    """Refuse guidance and kernels that the method cannot use.

    Args:
        method: of the node.
        sampler: of the node, with its guidance.
        times: falling model times at which the search works.
    """
    guidance, search = sampler.guidance, method.search
    if guidance.strength and not search.guided and not moves_ode(guidance):
        raise ValueError(
            f"Guidance does not move the method {method.name}: its steps are those of the ODE. "
            "Choose x0 with the schedule velocity, another method, or guidance none."
        )
    if search.children == "region" and sampler.kernel.inner:
        raise ValueError(
            "The sampler's kernel changes whole images: got children region, expected auto, kernel "
            "or redraw."
        )
    if not (guidance.strength and search.needs_noise):
        return
    if not sampler.stochastic:
        raise ValueError(
            f"Guided {method.name} needs random steps: got diffusion_norm 0, expected more than 0."
        )
    zero = torch.zeros(1, 1)
    for t, s in pairwise(times):
        step = sampler.kernel(zero, zero, t, s)
        if acts(guidance, step, 1.0 - t) and not step.std:
            raise ValueError(
                f"Guided {method.name} needs noise at every guided step: got none from {t:.4f} to "
                f"{s:.4f}. Use the schedule relative, another diffusion, or other sigmas."
            )


def check_sound(inputs: SearchInputs) -> None:
    """Refuse steps of the search's own for sound that is noisier or clearer than its video."""
    base = inputs.guider.model_patcher.model
    if has_own_sigmas(base) and isinstance(inputs.sampler, FlowSampler):
        raise ValueError(
            f"The sound of this model has sigmas of its own: got the {FLOW_SAMPLER}, expected a "
            "sampler of KSamplerSelect, such as euler."
        )


def check_kernel(plan: Plan) -> None:
    """Refuse a kernel that explodes on the search's own steps.

    Nothing is checked for a method that follows the ODE or redraws children, nor for a sampler
    without a kernel. A replay is not checked either: it repeats steps of an earlier search.
    """
    inputs, times, end = plan.inputs, plan.inside, plan.times[-1]
    search = plan.method.search
    takes_steps = search.guided and isinstance(inputs.sampler, FlowSampler)
    lands = end > 0.0 and not inputs.finish_steps  # then the kernel also takes the last step
    redraws = search.children == "redraw" and not lands
    if inputs.replay or redraws or not takes_steps:
        return
    inputs.sampler.kernel_settings.check([*times, end] if lands else times)


def check_job(job: Job, plan: Plan) -> None:
    """Refuse a budget that cannot carry a search, its finish and the check of its guider."""
    inputs, steps, cost = plan.inputs, len(plan.way(job)[1]), plan.cost
    prices = plan.prices(job)
    needed = minimum(job.search, steps, prices)
    impure = {id(guider) for guider in plan.guiders.values() if not is_pure(guider, plan.whole)}
    checked = 0 if job.replayed else LEAST * cost * len(impure)  # a replay checks none
    effort = plan.method.entries.get("effort")  # of Search KSampler
    unit = inputs.budget // effort if effort else 0
    check_budget(needed, steps, job.finish, inputs.budget, cost, prices, checked, job.plain, unit)
