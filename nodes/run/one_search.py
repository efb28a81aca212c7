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
from torch import Tensor

from ...rewards import maximum_of
from ...samplers.batching import MicroBatch, device_clock
from ...samplers.flow import Flow
from ...samplers.noise import AddressedNoise
from ...samplers.purse import Purse
from ...samplers.replay import Book, entries
from ...samplers.run import Outcome, run
from ...samplers.schedules import split_window
from ...samplers.task import Task
from ...samplers.types import SCORED, Particles, SearchEvent
from ..host.aside import aside, cancelled
from ..host.decode import frames, preview
from ..host.guiders import nfe_per_particle
from ..host.kernel import steering
from ..host.network import Network, mask_of, stop_if_interrupted
from ..host.objective import HostObjective
from ..host.pictures import shrink
from ..host.reward import HostReward
from ..show.events import Events, Sender, client_id
from ..show.gallery import RESULT, THUMBNAIL, Gallery
from ..show.output import output_file
from ..show.panel import previewed
from ..show.progress import Progress
from ..show.report import Trace, all_failed, decoded, describe_winners, report, unspent
from .fingerprint import recognised
from .guider_check import check_answers
from .replay import compare
from .request import Request, check, plans
from .safekeeping import Safekeeping
from .stop import RUNNING
from .survival import Kept, Part, ahead
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
    mask = latent.get("noise_mask")
    every = [
        recognised(own, samples[i : i + 1], mask_of(mask, samples, i))
        for i, own in enumerate(plans(request, times))
    ]
    images = [own.image for own in every]
    rows = {"batch_index": images} if images != list(range(len(images))) else {}
    noise = request.noise.generate_noise(latent | {"samples": samples} | rows)
    context = get_executing_context()
    sender = Sender(node_id, context.prompt_id if context else None, workflow, 0, len(samples))
    found = search_each(every, times, noise, samples, mask, sender)
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
    whose = sender.node_id, sender.prompt_id
    bar = Progress(every[0].budget * len(samples))
    found: list[Found] = []
    with bar, RUNNING.search(*whose) as asked, Safekeeping(*whose, every[0].journal) as safe:
        for i, own in enumerate(every):
            own = replace(own, rules=replace(own.rules, asked=asked))
            one = OneSearch(own, times, Events(replace(sender, image=i)), bar, safe)
            rows = slice(i, i + 1)
            found.append(one(noise[rows], samples[rows], mask_of(mask, samples, i)))
            safe.end((found[i].images, found[i].report), last=i == len(every) - 1)
    return found


class OneSearch:
    """The search for one latent: a KSAMPLER function with its bookkeeping."""

    def __init__(
        self,
        request: Request,
        times: list[float],
        events: Events,
        bar: Progress,
        safe: Safekeeping,
    ) -> None:
        self.request, self.times = request, times
        self.maximum = maximum_of(request.reward)
        self.events, self.bar, self.image = events, bar, events.sender.image
        self.safe, self.logged = safe, set()
        self.gallery = Gallery(events.sender.node_id)
        clock = device_clock(mm.get_torch_device())
        cost = nfe_per_particle(request.guider)
        self.purse = Purse(request.budget, cost, wait=clock or (lambda: None))
        window = request.window_start, request.window_end
        self.lead, self.inside = split_window(times[:-1], *window)
        self.batch = MicroBatch(request.micro_batch, clock=clock)
        self.trace = Trace(times, len(self.lead), watched=request.watchdog is not None)
        self.watchdog: Watchdog | None = None
        self.book = Book()
        self.outcome = Outcome()
        self.warnings = list(request.warnings)
        self.finished: dict[int, Tensor | None] = {}
        self.kept: Kept | None = None
        self.scored: Kept | None = None  # the best before anything was finished
        safe.begin(self.unfinished, self._saved)

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
        self.warnings += unspent(self.outcome.stopped, self.purse.nfe, request.budget)
        with aside("compare the replay with its report"):
            self.warnings += compare(request.search, float(self.outcome.top[0].reward))
        return Found(latent, self.images, self._report(self.outcome))

    def unfinished(self, error: BaseException | None) -> list[Part]:
        """The best picture so far and its report, for a search that `error` ended, or that runs:
        in any thread, so what may change is copied."""
        kept, top = self.kept, self.outcome.top
        if kept is None:
            return []
        if self.scored and top and int(top[0].ids) == int(self.scored.particle.ids):
            kept = self.scored  # it is clean, and its finish was worth less
        told = self._report(Outcome([kept.particle], "interrupt"))
        told["trace"] = [dict(row) for row in list(told["trace"])]
        if isinstance(error, Exception) and not cancelled(error):
            told["error"] = f"{type(error).__name__}: {error}"
        return [(frames(kept.picture), told)]

    def _saved(self, paths: list[str]) -> None:
        """Pictures of this search, or of those before it, were saved as it ended early."""
        files = [file for file in map(output_file, paths) if file is not None]
        self.events.unfinished(files, self.purse.nfe)

    def _report(self, outcome: Outcome) -> dict[str, Any]:
        request = self.request
        rules = request.rules
        budget = {"nfe": request.budget, "seconds": rules.seconds, "target_reward": rules.target}
        settings = request.all_settings(self.logged)
        beside = self.watchdog.objective.purse if self.watchdog is not None else None
        seed, purse = request.noise.seed, self.purse
        told = report(request.method, seed, settings, budget, purse, self.trace, outcome, beside)
        told["spent"] |= {"micro_batch": self.batch.size, "lookahead": self.outcome.lookahead}
        describe_winners(told, self.book.root)
        told |= {"image": request.image} if request.image else {}
        told |= {} if self.maximum is None else {"maximum": self.maximum}
        told |= request.made_with | ({"warnings": self.warnings} if self.warnings else {})
        with aside("report how the best particle came about", self.logged):
            told["lineage"] = entries(self.book.lineage(told["best"]["id"]))
        return told

    def _sample(
        self,
        model: Any,
        x: Tensor,
        sigmas: Tensor,
        extra_args: dict[str, Any],
        callback: Any = None,
        disable: bool | None = None,
    ) -> Tensor:
        request, purse = self.request, self.purse
        network = Network(model, extra_args, purse, watched=True)
        address = request.noise.seed, tuple(x.shape[1:]), x.device, request.image
        source = AddressedNoise(*address)

        def objective(vae: Any, reward: HostReward, purse: Purse) -> HostObjective:
            kept = 1 if request.watchdog is None else request.watchdog.at_once
            batch = self.batch
            return HostObjective(vae, reward, request.prompt, network, purse, batch, kept)

        reward = request.reward.fresh()
        final = scoring = objective(request.vae, reward, purse)
        if request.preview_vae is not None:
            scoring = objective(request.preview_vae, reward, purse)
        rules = request.rules
        if request.watchdog is not None:
            beside = objective(scoring.vae, request.watchdog.fresh(), Purse())
            self.watchdog = Watchdog(beside, self.trace)
            rules = replace(rules, beside=self.watchdog.pace)
        flow = Flow(
            denoiser=network,
            kernel=request.sampler.kernel,
            times=self.inside,
            lead=self.lead,
            end=self.times[-1],
            centre=network.centre(self.times[0]),
            start=network.starts(x, self.times[0], source),
            noise=network.noise(source),
            uniform=source.uniform,
            changing=network.changing,
        )
        task = Task(
            flow,
            purse,
            scoring,
            final,
            lookahead=request.lookahead,
            steering=steering(request.sampler.guidance, scoring, network),
            batch=self.batch,
            failed=self.trace.failed,
            counts_itself=True,
            on_call=self._after_call,
            on_made=self.book.add,
        )
        check_answers(request, network, task, network.clock.inward(x, self.times[0]))
        self.trace.spent = purse.nfe
        found = run(request.search, task, request.finish, rules, self.outcome, self.book.root)
        for event in found:
            self._show(event, final if event.kind == "finish" else scoring)
        self._settle(final)
        best = self.outcome.top[0]
        if not flow.end:
            return best.clean
        return network.clock.outward(best.x, flow.end)  # another sampler goes on from there

    def _after_call(self) -> None:
        stop_if_interrupted()
        self._progress(None)
        self.safe.tick()

    def _show(self, event: SearchEvent, objective: HostObjective) -> None:
        rows = self.trace.add(event)
        if not decoded(rows):  # nothing came to the objective: what it remembers is older
            objective.forget()
        better = event.kind in SCORED and self._keep(event, objective.picture)
        if self.watchdog is not None and self.watchdog.see(event, rows, objective.pictures):
            objective.restore(event.particles.clean)
        with aside("show a picture in the panel", self.logged):
            self._picture(event, rows, better, objective.small)
        self.events.send(event.kind, rows, self.purse.nfe, self.request.budget)
        if better:
            self._progress(self.kept.picture)
            self.safe.better(self.kept.finished)

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
        if event.kind == "finish":
            self.finished[int(event.particles.ids)] = picture
        better = ahead(self.kept, event, picture)
        if better is not None and better.finished and not self.kept.finished:
            self.scored = self.kept
        self.kept = better or self.kept
        return better is not None

    def _progress(self, picture: Tensor | None) -> None:
        shown = None
        with aside("make a preview", self.logged):
            if picture is not None and previewed(client_id()):
                shown = "JPEG", preview(picture), args.preview_size
        done = self.image * self.request.budget + self.purse.nfe
        self.bar.update_absolute(done, self.bar.total, shown)

    def _settle(self, final: HostObjective) -> None:
        """Leave out what failed, decode what has no picture yet, show the winner."""
        top = [p for p in self.outcome.top if math.isfinite(float(p.reward))]
        if not top:
            raise ValueError(all_failed(self.trace.rows))
        self.outcome.top = top
        if self.request.preview_vae is None:  # the best that was scored has its picture
            for kept in (self.scored, self.kept):
                if kept is not None and not kept.finished:
                    self.finished.setdefault(int(kept.particle.ids), kept.picture)
        missing = [p for p in top if int(p.ids) not in self.finished]
        self.finished |= {int(p.ids): final.decode(p.clean) for p in missing}
        watched = self.watchdog.score(Particles.cat(top), self.finished) if self.watchdog else []
        final.restore(top[0].x0)
        pictures = [self.finished[int(p.ids)] for p in top]
        self.images = frames(torch.cat(pictures))
        with aside("show a picture in the panel", self.logged):
            for size, p in [*[(THUMBNAIL, p) for p in top[:0:-1]], (RESULT, top[0])]:
                i = int(p.ids)
                small = shrink(self.finished[i][0])
                self.events.show(i, partial(self.gallery.message, i, small, size))
        best = int(top[0].ids)
        told = self.purse.nfe, self.request.budget, self.outcome.stopped
        self.events.done(watched, *told, best, self.book.root(best))
        self._progress(pictures[0])
        self.bar.update_absolute((self.image + 1) * self.request.budget)
