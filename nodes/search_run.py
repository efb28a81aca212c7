"""One search per latent inside `guider.sample`, so that whatever the host samples is searched."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import comfy.model_management as mm
import comfy.sample
import torch
from comfy.cli_args import args
from comfy.samplers import KSAMPLER
from comfy_execution.utils import get_executing_context
from server import PromptServer
from torch import Tensor

from ..rewards import maximum_of
from ..samplers.batching import MicroBatch, device_clock
from ..samplers.ledger import Ledger
from ..samplers.lineage import Book, entries
from ..samplers.noise import AddressedNoise
from ..samplers.problem import Problem
from ..samplers.run import Outcome, run
from ..samplers.schedules import split_window
from ..samplers.types import SCORED, Particles, SearchEvent
from .decode import preview
from .events import Events, Sender
from .flow import Network, mask_of, nfe_per_particle, stop_if_interrupted
from .gallery import RESULT, THUMBNAIL, Gallery, frames, shrink
from .objective import HostObjective
from .panel import previewed
from .progress import Progress
from .replay import compare
from .report import Trace, all_failed, decoded, report
from .request import Request, check, plans
from .reward import HostReward
from .sampler import steering
from .schema import under
from .stop import RUNNING
from .survival import Kept, Part, rescue
from .watchdog import Watchdog

RATIOS = ("downscale_ratio_spacial", "downscale_ratio_temporal")  # spelt so by the host


@dataclass
class Found:
    """The result of one search."""

    latent: Tensor
    images: Tensor
    report: dict[str, Any]


def search_latents(
    request: Request, node_id: str, workflow: str | None = None
) -> tuple[dict[str, Any], Tensor, dict]:
    """(LATENT, IMAGE, report) of a search for each latent of the batch of a node in a `workflow`.

    Whatever can be known to be wrong is refused before any compute is spent.
    """
    times = check(request)
    latent, fix = dict(request.latent_image), comfy.sample.fix_empty_latent_channels
    ratios = {name: latent.pop(name, None) for name in RATIOS}
    known = inspect.signature(fix).parameters  # the temporal one is not in every version
    ratios = {name: ratio for name, ratio in ratios.items() if name in known}
    samples = fix(request.guider.model_patcher, latent["samples"], **ratios)
    every = plans(request, times)
    images = [own.image for own in every]
    rows = {"batch_index": images} if images != list(range(len(images))) else {}
    noise = request.noise.generate_noise(latent | {"samples": samples} | rows)
    context = get_executing_context()
    sender = Sender(node_id, context.prompt_id if context else None, workflow, 0, len(samples))
    found = search_each(every, times, noise, samples, latent.get("noise_mask"), sender)
    latent["samples"] = torch.cat([f.latent for f in found]).to(mm.intermediate_device())
    first = found[0].report
    if len(found) > 1:
        first = first | {"batch": [f.report for f in found]}
    return latent, torch.cat([f.images for f in found]), first


def search_each(
    every: list[Request],
    times: list[float],
    noise: Tensor,
    samples: Tensor,
    mask: Tensor | None,
    sender: Sender,
) -> list[Found]:
    """One search after the other. When one is cancelled or fails, what was found is saved."""
    node_id, prompt_id = sender.node_id, sender.prompt_id
    bar = Progress(every[0].budget * len(samples))
    found: list[Found] = []
    with bar, RUNNING.search(node_id, prompt_id) as asked:
        for i, own in enumerate(every):
            own = replace(own, rules=replace(own.rules, asked=asked))
            one = OneSearch(own, times, Events(replace(sender, image=i)), bar)
            rows = slice(i, i + 1)
            try:
                found.append(one(noise[rows], samples[rows], mask_of(mask, samples, i)))
            except (Exception, mm.InterruptProcessingException) as error:
                ended = [(f.images, f.report) for f in found]
                saved = rescue([*ended, *one.unfinished(error)], error, node_id, prompt_id)
                one.events.unfinished(saved, one.ledger.nfe)
                raise
    return found


class OneSearch:
    """The search for one latent: a KSAMPLER function with its bookkeeping."""

    def __init__(
        self,
        request: Request,
        times: list[float],
        events: Events,
        bar: Progress,
    ) -> None:
        self.request, self.times = request, times
        self.maximum = maximum_of(request.reward)
        self.events, self.bar, self.image = events, bar, events.sender.image
        self.gallery = Gallery(events.sender.node_id)
        clock = device_clock(mm.get_torch_device())
        cost = nfe_per_particle(request.guider)
        self.ledger = Ledger(request.budget, cost, wait=clock or (lambda: None))
        window = request.window_start, request.window_end
        self.lead, self.inside = split_window(times[:-1], *window)
        self.batch = MicroBatch(request.micro_batch, clock=clock)
        self.trace = Trace(times, len(self.lead), watched=request.watchdog is not None)
        self.watchdog: Watchdog | None = None
        self.book = Book()
        self.outcome = Outcome()
        self.finished: dict[int, Tensor | None] = {}
        self.kept: Kept | None = None
        self.problem: Problem | None = None

    def __call__(self, noise: Tensor, samples: Tensor, mask: Tensor | None) -> Found:
        request = self.request
        self.bar.begin(self.image, self.events.sender.images)
        self.events.start(request.method, self.times, request.budget, self.maximum)
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
        compare(request.search, float(self.outcome.top[0].reward))
        return Found(latent, self.images, self._report(self.outcome))

    def unfinished(self, error: BaseException) -> list[Part]:
        """The best picture so far and its report, for a search that `error` ended."""
        if self.kept is None:
            return []
        told = self._report(Outcome([self.kept.particle], "interrupt"))
        if not isinstance(error, mm.InterruptProcessingException):
            told["error"] = f"{type(error).__name__}: {error}"
        return [(frames(self.kept.picture), told)]

    def _report(self, outcome: Outcome) -> dict[str, Any]:
        request = self.request
        rules = request.rules
        budget = {"nfe": request.budget, "seconds": rules.seconds, "target_reward": rules.target}
        settings = request.settings | request.sampler.settings | request.reward.settings
        beside = None
        if self.watchdog is not None:
            settings |= under("watchdog", request.watchdog.settings)
            beside = self.watchdog.objective.ledger
        seed, ledger = request.noise.seed, self.ledger
        told = report(request.method, seed, settings, budget, ledger, self.trace, outcome, beside)
        told["spent"] |= {"micro_batch": self.batch.size, "lookahead": self.problem.lookahead}
        told |= {"image": request.image} if request.image else {}
        told |= {} if self.maximum is None else {"maximum": self.maximum}
        return told | {"lineage": entries(self.book.lineage(told["best"]["id"]))}

    def _sample(
        self,
        model: Any,
        x: Tensor,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any = None,
        disable: bool | None = None,
    ) -> Tensor:
        request, ledger = self.request, self.ledger
        network = Network(model, extra_args, ledger, watched=True)
        address = request.noise.seed, tuple(x.shape[1:]), x.device, request.image
        source = AddressedNoise(*address)

        def objective(vae: Any, reward: HostReward, ledger: Ledger) -> HostObjective:
            kept = 1 if request.watchdog is None else request.watchdog.at_once
            batch = self.batch
            return HostObjective(vae, reward, request.prompt, network, ledger, batch, kept)

        reward = request.reward.fresh()
        final = scoring = objective(request.vae, reward, ledger)
        if request.preview_vae is not None:
            scoring = objective(request.preview_vae, reward, ledger)
        rules = request.rules
        if request.watchdog is not None:
            beside = objective(scoring.vae, request.watchdog.fresh(), Ledger())
            self.watchdog = Watchdog(beside, self.trace)
            rules = replace(rules, beside=self.watchdog.pace)
        problem = self.problem = Problem(
            denoiser=network,
            kernel=request.sampler.kernel,
            times=self.inside,
            lead=self.lead,
            end=self.times[-1],
            lookahead=request.lookahead,
            steering=steering(request.sampler.guidance, scoring, network),
            centre=network.centre(self.times[0]),
            start=network.starts(x, self.times[0], source),
            noise=network.noise(source),
            uniform=source.uniform,
            objective=scoring,
            final_objective=final,
            ledger=ledger,
            batch=self.batch,
            failed=self.trace.failed,
            book=self.book,
            counts_itself=True,
            after_call=self._after_call,
        )
        for event in run(request.search, problem, request.finish, rules, self.outcome):
            self._show(event, final if event.kind == "finish" else scoring)
        self._settle(final)
        best = self.outcome.top[0]
        if not problem.end:
            return best.clean
        return network.clock.outward(best.x, problem.end)  # another sampler goes on from there

    def _after_call(self) -> None:
        stop_if_interrupted()
        self._progress(None)

    def _show(self, event: SearchEvent, objective: HostObjective) -> None:
        rows = self.trace.add(event)
        if not decoded(rows):  # nothing came to the objective: what it remembers is older
            objective.forget()
        better = event.kind in SCORED and self._keep(event, objective.picture)
        if self.watchdog is not None and self.watchdog.see(event, rows, objective.pictures):
            objective.restore(event.particles.clean)
        self._picture(event, rows, better, objective.small)
        self.events.send(event.kind, rows, self.ledger.nfe, self.request.budget)
        if better:
            self._progress(self.kept.picture)

    def _picture(
        self, event: SearchEvent, rows: list[dict[str, Any]], better: bool, small: dict[int, Tensor]
    ) -> None:
        """Queue the pictures of what is the best so far and of what the search moves to."""
        gallery, best = self.gallery, []
        if event.kind in SCORED:
            gallery.see(rows, small)
            best = [int(self.kept.particle.ids)] if better else []
        for i in best or (gallery.moved(rows) if event.kind not in SCORED else []):
            self.events.show(i, partial(gallery.message, i, gallery.find(i)))

    def _keep(self, event: SearchEvent, picture: Tensor | None) -> bool:
        """Keep the picture of the event's best particle if none better is kept."""
        finished = event.kind == "finish"
        if finished:
            self.finished[int(event.particles.ids)] = picture
        if picture is None:  # all of them failed
            return False
        best = event.particles[event.particles.best()]
        if self.kept is not None and (finished, float(best.reward)) <= self.kept.rank:
            return False
        self.kept = Kept(best, picture.to("cpu", copy=True), finished)
        return True

    def _progress(self, picture: Tensor | None) -> None:
        shown = None
        if picture is not None and previewed(PromptServer.instance.client_id):
            shown = "JPEG", preview(picture), args.preview_size
        done = self.image * self.request.budget + self.ledger.nfe
        self.bar.update_absolute(done, self.bar.total, shown)

    def _settle(self, final: HostObjective) -> None:
        """Leave out what failed, decode what has no picture yet, show the winner."""
        top = [p for p in self.outcome.top if math.isfinite(float(p.reward))]
        if not top:
            raise ValueError(all_failed(self.trace.rows))
        self.outcome.top = top
        missing = [p for p in top if int(p.ids) not in self.finished]
        self.finished |= {int(p.ids): final.decode(p.clean) for p in missing}
        watched = self.watchdog.score(Particles.cat(top), self.finished) if self.watchdog else []
        final.restore(top[0].x0)
        pictures = [self.finished[int(p.ids)] for p in top]
        self.images = frames(torch.cat(pictures))
        for size, p in [*[(THUMBNAIL, p) for p in top[:0:-1]], (RESULT, top[0])]:
            i = int(p.ids)
            small = shrink(self.finished[i][0])
            self.events.show(i, partial(self.gallery.message, i, small, size))
        spent = self.ledger.nfe
        self.events.done(watched, spent, self.request.budget, self.outcome.stopped)
        self._progress(pictures[0])
        self.bar.update_absolute((self.image + 1) * self.request.budget)
