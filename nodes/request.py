"""What a search node was asked, and whether it can be done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ..samplers.guidance import acts
from ..samplers.lineage import Replay
from ..samplers.lookahead import AUTOMATIC
from ..samplers.run import Finish, StopRules, check_budget
from ..samplers.schedules import split_window
from ..samplers.search.smc import SMC
from ..samplers.search.sop import SearchOverPaths
from ..samplers.types import Prices, Search
from .clock import check_start, clock_of
from .flow import check_latent, check_mask, check_pictures, check_sigmas
from .gradient import check_gradient
from .guiders import LEAST, check_guider, check_kind, known, nfe_per_particle
from .replay import replays
from .reward import HostReward
from .sampler import FlowSampler, kernel_of


@dataclass(frozen=True)
class Request:
    """Everything a search node was asked. Names are the node's inputs."""

    method: str
    search: Search
    finish: Finish
    rules: StopRules
    settings: dict[str, Any]
    noise: Any
    guider: Any
    sampler: FlowSampler
    sigmas: Tensor
    latent_image: dict[str, Any]
    vae: Any
    reward: HostReward
    prompt: str
    budget: int
    micro_batch: int = 0
    preview_vae: Any = None
    lookahead: int = AUTOMATIC
    window_start: float = 1.0
    window_end: float = 0.0
    watchdog: HostReward | None = None
    replay: str = ""
    image: int = 0  # of a batch: whose noise it is


def check(request: Request) -> list[float]:
    """Refuse bad input; returns the sigmas as floats."""
    kernel_of(request.sampler)
    check_kind(request.guider)
    clock = clock_of(request.guider.model_patcher.get_model_object("model_sampling"))
    check_pictures(request.guider.model_patcher.model)
    samples = check_latent(request.latent_image)
    check_mask(request.latent_image.get("noise_mask"), samples)
    check_guider(request.guider)
    times = check_sigmas(request.sigmas, clock)
    check_start(float(request.sigmas[0]), clock, samples)
    check_gradient(request.sampler.guidance, request.reward)
    request.reward.check(request.prompt)
    if request.watchdog is not None:
        request.watchdog.check(request.prompt)
    lead, inside = split_window(times[:-1], request.window_start, request.window_end)
    check_guidance(request, inside)
    cost, sure = nfe_per_particle(request.guider), known(request.guider)
    inner, slope = request.sampler.kernel.inner, request.sampler.guidance.rows
    for own in plans(request, times):
        prices = Prices.of(len(lead), inner, own.lookahead, slope)
        asked = LEAST * cost if not isinstance(own.search, Replay) and not sure else 0
        check_budget(own.search, len(inside), own.finish, own.budget, cost, prices, asked)
    return times


def plans(request: Request, times: list[float]) -> list[Request]:
    """What is run for each latent."""
    images = len(request.latent_image["samples"])
    if not request.replay:
        finish = request.finish.after(request.lookahead, times[-1])
        return [replace(request, finish=finish, image=i) for i in range(images)]
    window = ("window_start", "window_end")
    settings = {name: request.settings[name] for name in window} | request.sampler.settings
    if request.sampler.guidance.strength:
        settings |= request.reward.settings | {"prompt": request.prompt}
    again = replays(request.replay, images, request.noise.seed, times, settings)
    return [
        replace(request, search=one, finish=Finish(one.nodes), lookahead=one.lookahead, image=image)
        for image, one in again
    ]


def check_guidance(request: Request, times: list[float]) -> None:
    """Refuse guidance that the method has no use for."""
    guidance, search = request.sampler.guidance, request.search
    if guidance.strength and isinstance(search, SearchOverPaths):
        raise ValueError(
            "guidance given for the method sop, wanted another method: its steps are the ODE's, "
            "which guidance does not move."
        )
    if not (guidance.strength and isinstance(search, SMC)):
        return
    if not request.sampler.stochastic:
        raise ValueError(
            "diffusion_norm 0 given for guided smc, wanted more than 0: its weights are those of a "
            "random draw."
        )
    zero, kernel = torch.zeros(1, 1), request.sampler.kernel
    for t, s in pairwise(times):
        step = kernel(zero, zero, t, s)
        if acts(guidance, step) and not step.std:
            raise ValueError(
                f"A step from {t:.4f} to {s:.4f} that draws no noise was given for guided smc, "
                "wanted noise at every step that guidance moves (schedule relative, another "
                "diffusion, or other sigmas): its weights are those of a random draw."
            )
