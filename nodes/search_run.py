"""One search per latent inside `guider.sample`, so that whatever the host samples is searched."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import comfy.model_management as mm
import comfy.sample
import comfy.utils
import torch
from comfy.samplers import KSAMPLER
from PIL import Image
from torch import Tensor

from ..samplers.batching import MicroBatch
from ..samplers.ledger import Ledger
from ..samplers.noise import AddressedNoise
from ..samplers.problem import Problem
from ..samplers.run import Finish, Outcome, StopRules, check_budget, run
from ..samplers.schedules import split_window
from ..samplers.types import SCORED, Prices, Search, SearchEvent
from .events import Events
from .flow import (
    Network,
    check_flow,
    check_guider,
    check_latent,
    check_sigmas,
    mask_of,
    nfe_per_particle,
    stop_if_interrupted,
)
from .objective import HostObjective
from .report import Trace, report
from .reward import HostReward
from .sampler import FlowSampler, kernel_of

PREVIEW_SIZE = 512


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
    lookahead: int = 0
    window_start: float = 1.0
    window_end: float = 0.0


@dataclass
class Found:
    """The result of one search."""

    latent: Tensor
    images: Tensor
    report: dict[str, Any]


def search_latents(request: Request, node_id: str) -> tuple[dict[str, Any], Tensor, dict]:
    """(LATENT, IMAGE, report) of a search for each latent of the batch.

    Whatever can be known to be wrong is refused before any compute is spent.
    """
    times = check(request)
    latent = dict(request.latent_image)
    latent.pop("downscale_ratio_spacial", None)
    latent.pop("downscale_ratio_temporal", None)
    samples = comfy.sample.fix_empty_latent_channels(
        request.guider.model_patcher,
        latent["samples"],
        request.latent_image.get("downscale_ratio_spacial", None),
    )
    noise = request.noise.generate_noise(latent | {"samples": samples})
    bar = comfy.utils.ProgressBar(request.budget * len(samples), node_id)
    mask = latent.get("noise_mask")
    found = []
    for i in range(len(samples)):
        own_mask = mask_of(mask, samples, i)
        one = OneSearch(request, times, i, Events(node_id), bar)
        found.append(one(noise[i : i + 1], samples[i : i + 1], own_mask))
    latent["samples"] = torch.cat([f.latent for f in found]).to(mm.intermediate_device())
    first = found[0].report
    if len(found) > 1:
        first = first | {"batch": [f.report for f in found]}
    return latent, torch.cat([f.images for f in found]), first


def check(request: Request) -> list[float]:
    """Refuse bad input; returns the sigmas as floats."""
    kernel_of(request.sampler)
    check_flow(request.guider.model_patcher.get_model_object("model_sampling"))
    check_guider(request.guider)
    times = check_sigmas(request.sigmas)
    if times[-1] != 0.0:
        raise ValueError(
            f"sigmas ending at {times[-1]:.4f} given, wanted a schedule that ends at 0: a search "
            "judges finished pictures."
        )
    check_latent(request.latent_image)
    request.reward.check(request.prompt)
    lead, inside = split_window(times[:-1], request.window_start, request.window_end)
    cost = nfe_per_particle(request.guider)
    prices = Prices(len(lead) + 1, max(1, request.sampler.kernel.inner), request.lookahead)
    finish = request.finish.after(request.lookahead)
    check_budget(request.search, len(inside), finish, request.budget, cost, prices)
    return times


class OneSearch:
    """The search for one latent: a KSAMPLER function with its bookkeeping."""

    def __init__(
        self,
        request: Request,
        times: list[float],
        image: int,
        events: Events,
        bar: comfy.utils.ProgressBar,
    ) -> None:
        self.request, self.times, self.image = request, times, image
        self.events, self.bar = events, bar
        self.ledger = Ledger(total=request.budget, cost=nfe_per_particle(request.guider))
        self.finish = request.finish.after(request.lookahead)
        window = request.window_start, request.window_end
        self.lead, self.inside = split_window(times[:-1], *window)
        self.trace = Trace(times, len(self.lead))
        self.outcome = Outcome()
        self.finished: dict[int, Tensor] = {}
        self.shown = -torch.inf

    def __call__(self, noise: Tensor, samples: Tensor, mask: Tensor | None) -> Found:
        request = self.request
        latent = request.guider.sample(
            noise,
            samples,
            KSAMPLER(self._sample),
            request.sigmas,
            denoise_mask=mask,
            callback=lambda *step: None,  # the bar is ours
            disable_pbar=True,
            seed=request.noise.seed,
        )
        budget = {
            "nfe": request.budget,
            "seconds": request.rules.seconds,
            "target_reward": request.rules.target,
        }
        settings = request.settings | request.sampler.settings | request.reward.settings
        return Found(
            latent,
            self.images,
            report(
                request.method,
                request.noise.seed,
                settings,
                budget,
                self.ledger,
                self.trace,
                self.outcome,
            ),
        )

    def _sample(
        self,
        model: Any,
        x: Tensor,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any = None,
        disable: bool | None = None,
    ) -> Tensor:
        request, ledger = replace(self.request, reward=self.request.reward.fresh()), self.ledger
        network = Network(model, extra_args, ledger)
        source = AddressedNoise(request.noise.seed, tuple(x.shape[1:]), x.device, image=self.image)
        final = HostObjective(request.vae, request.reward, request.prompt, network.base, ledger)
        scoring = final
        if request.preview_vae is not None:
            scoring = HostObjective(
                request.preview_vae, request.reward, request.prompt, network.base, ledger
            )
        problem = Problem(
            denoiser=network,
            kernel=request.sampler.kernel,
            times=self.inside,
            lead=self.lead,
            lookahead=request.lookahead,
            centre=network.centre(self.times[0]),
            start=network.starts(x, self.times[0], source),
            noise=network.noise(source),
            uniform=source.uniform,
            objective=scoring,
            final_objective=final,
            ledger=ledger,
            batch=MicroBatch(request.micro_batch),
            counts_itself=True,
            after_call=self._after_call,
        )
        for event in run(request.search, problem, self.finish, request.rules, self.outcome):
            self._show(event, final if event.kind == "finish" else scoring)
        self._settle(final)
        return self.outcome.top[0].clean

    def _after_call(self) -> None:
        stop_if_interrupted()
        self._progress(None)

    def _show(self, event: SearchEvent, objective: HostObjective) -> None:
        rows = self.trace.add(event)
        self.events.send(event.kind, rows, self.ledger.nfe, self.request.budget)
        if event.kind not in SCORED:
            return
        best = event.particles.best()
        if event.kind == "finish":
            self.finished[int(event.particles.ids)] = objective.picture
        if float(event.particles.reward[best]) > self.shown:
            self.shown = float(event.particles.reward[best])
            self._progress(objective.picture)

    def _progress(self, picture: Tensor | None) -> None:
        preview = None
        if picture is not None:
            frame = picture[0] if picture.ndim == 4 else picture[0, 0]
            pixels = (frame.clamp(0, 1) * 255).round().to("cpu", torch.uint8).numpy()
            preview = ("JPEG", Image.fromarray(pixels), PREVIEW_SIZE)
        done = self.image * self.request.budget + self.ledger.nfe
        self.bar.update_absolute(done, self.bar.total, preview)

    def _settle(self, final: HostObjective) -> None:
        """Refuse an empty result, decode what has no picture yet, show the winner."""
        top = self.outcome.top
        if float(top[0].reward) == -torch.inf:
            raise ValueError(
                f"All {len(self.trace.rows)} candidates failed: the reward was not a number for "
                "any of them, wanted at least one finite score (is the decoded picture NaN?)."
            )
        pictures = []
        for particle in top:
            if int(particle.ids) not in self.finished:
                self.finished[int(particle.ids)] = final.decode(particle.clean)
            pictures.append(self.finished[int(particle.ids)])
        final.restore(top[0].x0)
        images = torch.cat(pictures)
        self.images = images.flatten(0, 1) if images.ndim == 5 else images
        self.events.flush(self.ledger.nfe, self.request.budget)
        self._progress(pictures[0])
        self.bar.update_absolute((self.image + 1) * self.request.budget)
