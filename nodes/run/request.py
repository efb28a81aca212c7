"""What a search node was asked, and whether it can be done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from ...samplers.guidance import acts
from ...samplers.lookahead import AUTOMATIC
from ...samplers.purse import Prices
from ...samplers.replay import Replay
from ...samplers.run import Finish, StopRules, check_budget
from ...samplers.schedules import split_window
from ...samplers.search.rounds import Search, minimum
from ..host.clock import check_start, clock_of
from ..host.gradient import check_gradient
from ..host.guard import guard
from ..host.guiders import LEAST, check_guider, check_kind, is_pure, nfe_per_particle
from ..host.kernel import FlowSampler, check_stable, kernel_of
from ..host.network import check_latent, check_mask, check_pictures, check_sigmas
from ..host.reward import HostReward
from ..schema import under
from ..show.writable import writable
from .replay import replays


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
    replayed: dict[str, Any] = field(default_factory=dict)  # the report of the search made again
    made_with: dict[str, Any] = field(default_factory=dict)  # what fingerprint.py makes of inputs
    warnings: tuple[str, ...] = ()
    journal: bool = True

    def all_settings(self, logged: set[str]) -> dict[str, Any]:
        """What the report lists: the settings of the node and of what is connected to it.

        What cannot be listed is left out, with a line in the log unless it is among `logged`.
        """
        found = dict(self.settings)
        with guard("report the settings of the sampler", logged):
            found |= self.sampler.settings
        with guard("report the settings of the reward", logged):
            found |= self.reward.settings
        if self.watchdog is not None:
            with guard("report the settings of the watchdog", logged):
                found |= under("watchdog", self.watchdog.settings)
        return writable(found, "settings", logged)[0]


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
    check_kernel(request, inside, times[-1])
    cost, sure = nfe_per_particle(request.guider), is_pure(request.guider)
    inner, slope = request.sampler.kernel.inner, request.sampler.guidance.rows
    for own in plans(request, times):
        prices = Prices.of(len(lead), inner, own.lookahead, slope)
        if isinstance(own.search, Replay):  # which is not asked
            needed, asked = own.search.rows(len(inside), prices), 0
        else:
            needed, asked = minimum(own.search, len(inside), prices), 0 if sure else LEAST * cost
        check_budget(needed, len(inside), own.finish, own.budget, cost, prices, asked)
    return times


def plans(request: Request, times: list[float]) -> list[Request]:
    """What is run for each latent."""
    images = len(request.latent_image["samples"])
    if not request.replay:
        finish = request.finish.after(request.lookahead, times[-1])
        return [replace(request, finish=finish, image=i) for i in range(images)]
    window = ("window_start", "window_end")
    settings = {name: request.settings[name] for name in ("prompt", *window)}
    settings |= request.sampler.settings
    if request.sampler.guidance.strength:
        settings |= request.reward.settings
    again = replays(request.replay, images, request.noise.seed, times, settings)
    to_the_end = replace(request.rules, maximum=None)  # as it was
    changed = [
        {"search": one, "finish": Finish(one.nodes), "lookahead": one.lookahead}
        | {"image": report.get("image", i), "replayed": report, "rules": to_the_end}
        for i, (report, one) in enumerate(again)
    ]
    return [replace(request, **each) for each in changed]


def check_kernel(request: Request, times: list[float], end: float) -> None:
    """Refuse a kernel that explodes on the search's own steps; a method whose steps are the ODE's,
    and a replay, take none anew."""
    if request.replay or not request.search.guided:
        return
    lands = end > 0.0 and not request.finish.steps  # the last step, then, is the kernel's
    check_stable(request.sampler.kernel, [*times, end] if lands else times)


def check_guidance(request: Request, times: list[float]) -> None:
    """Refuse guidance that the method has no use for."""
    guidance, search = request.sampler.guidance, request.search
    if guidance.strength and not search.guided:
        raise ValueError(
            f"guidance given for the method {request.method}, wanted another method: its steps are "
            "the ODE's, which guidance does not move."
        )
    if not (guidance.strength and search.weighted):
        return
    if not request.sampler.stochastic:
        raise ValueError(
            f"diffusion_norm 0 given for guided {request.method}, wanted more than 0: its weights "
            "are those of a random draw."
        )
    zero, kernel = torch.zeros(1, 1), request.sampler.kernel
    for t, s in pairwise(times):
        step = kernel(zero, zero, t, s)
        if acts(guidance, step) and not step.std:
            raise ValueError(
                f"A step from {t:.4f} to {s:.4f} that draws no noise was given for guided "
                f"{request.method}, "
                "wanted noise at every step that guidance moves (schedule relative, another "
                "diffusion, or other sigmas): its weights are those of a random draw."
            )
