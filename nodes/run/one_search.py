"""The search for one latent, inside `guider.sample`: whatever the host samples can be searched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import comfy.model_management as mm
import torch
from torch import Tensor

from ...samplers.automatic import Settled
from ...samplers.batching import MicroBatch, device_clock
from ...samplers.purse import Purse
from ...samplers.rules import Outcome, StopRules
from ...samplers.run import run
from ...samplers.task import Task
from ...samplers.trajectories import WholeTask
from ...samplers.types import Particles, SearchEvent
from ..host.cancel import stop_if_interrupted
from ..host.decode import frames
from ..host.devices import count_devices
from ..host.experts import Experts, experts_of
from ..host.guard import cancelled, guard
from ..host.kernel import steering
from ..host.network import Network
from ..host.objective import HostObjective
from ..host.reward import HostReward
from ..host.second_model import Sampling
from ..show.best import Best, finite
from ..show.events import Sender
from ..show.live import Live
from ..show.progress import Bar, Progress
from ..show.report import Trace, all_failed, decoded, itemise, unspent, unused
from .crewed import Workers, batch_of, workers_of
from .guider_check import check_answers
from .plain import PlainImage
from .plan import Job, Plan
from .record import Record
from .replay import compare
from .safekeeping import Safekeeping
from .survival import Part
from .trajectory_check import check_trajectories
from .walk import flow_of, trajectory_of
from .watchdog import Watchdog

log = logging.getLogger("flow_search")


@dataclass(frozen=True)
class Result:
    """What one search returns.

    Args:
        latent: (1,*D), as the host's samplers return it.
        images: (N,H,W,3) of its `top_k` particles, best first. For videos, all frames.
        report: JSON-ready.
        plain: file of the plain image in the temp folder, as /view takes it.
    """

    latent: Tensor
    images: Tensor
    report: dict[str, Any]
    plain: dict[str, str] | None = None


class OneSearch:
    """One search and its watchers: each event goes to the trace, then to each watcher.

    The watchers are the best image, the plain one, the watchdog, the panel and the bars. Their
    order matters: later ones use what earlier ones found. A better image also goes to the journal.

    Args:
        plan: of the node.
        job: this search.
        sender: sends its events to the browser.
        progress: the bars of the node.
        safe: saves what is found.
    """

    def __init__(
        self, plan: Plan, job: Job, sender: Sender, progress: Progress, safe: Safekeeping
    ) -> None:
        inputs, clock = plan.inputs, device_clock(mm.get_torch_device())
        purse = Purse(inputs.budget, plan.cost, wait=clock or (lambda: None))
        trace = Trace(plan.times, watched=inputs.watchdog is not None)
        self.plan, self.job, self.safe, self.sender = plan, job, safe, sender
        self.workers: Workers | None = None
        devices = 1 if job.replayed else count_devices(plan.guiders.values())
        batch = batch_of(plan, job, MicroBatch(inputs.micro_batch, devices=devices, clock=clock))
        self.record = Record(plan, job, purse, batch, trace)
        self.best, logged = Best(), self.record.logged
        self.live = Live(sender, self.best, purse, logged)
        self.bar, self.progress = Bar(progress, self.best, purse, sender.image, logged), progress
        self.plain = PlainImage(plan, job, purse)
        self.watchdog: Watchdog | None = None
        safe.begin(self.unfinished, self.live.unfinished)

    def __call__(self, noise: Tensor, samples: Tensor, mask: Tensor | None) -> Result:
        """Search.

        Args:
            noise: (1,*D), or its parts.
            samples: the latent to start from, alike.
            mask: its part of the noise mask.
        """
        plan, record = self.plan, self.record
        inputs = plan.inputs
        self.progress.begin(self.sender.image, self.sender.images)
        limit = self.job.rules.seconds
        self.live.begin(plan.method.name, plan.times, record.maximum, limit)
        settings = plan, self.job, noise, samples, mask, self._warn
        with workers_of(*settings) as self.workers:
            self.live.events.workers = self.workers.state if self.workers else None
            latent = self.sampling(noise, samples, mask).run(self._sample)
        self.live.events.workers = None
        if self.workers is not None:
            record.by_workers, record.devices = self.workers.spent(), self.workers.devices()
        record.warnings += unspent(record.outcome.stopped, record.purse.nfe, inputs.budget)
        record.warnings += unused(record.purse.by_model, plan.second)
        with guard("compare the replay with its report"):
            record.warnings += compare(self.job.replayed, float(record.outcome.top[0].reward))
        return Result(latent, self.images, record.report(), self.live.plain_file)

    def _warn(self, why: str) -> None:
        log.warning(why)
        self.record.warnings.append(why)

    def sampling(self, noise: Tensor, samples: Tensor, mask: Tensor | None) -> Sampling:
        """The sampling of all guiders.

        Args:
            noise, samples, mask: as of a call.
        """
        plan, record = self.plan, self.record
        settings = noise, samples, plan.inputs.sigmas, mask, plan.inputs.noise.seed
        kinds = {"devices": record.batch.devices, "whole": plan.whole}
        return Sampling(plan.guiders, record.purse, *settings, **kinds)

    def unfinished(self, error: BaseException | None) -> list[Part]:
        """The best image so far and its report. Safe in any thread: what may change is copied.

        Args:
            error: what ended the search; None while it runs.
        """
        best = self.best.leading(self.record.outcome.top)
        if best is None:
            return []
        report = self.record.report(Outcome([best.particle], "interrupt"))
        report["trace"] = [dict(row) for row in list(report["trace"])]
        if isinstance(error, Exception) and not cancelled(error):
            report["error"] = f"{type(error).__name__}: {error}"
        return [(frames(best.image), report)]

    def _sample(self, x: Tensor, networks: Mapping[str, Network]) -> Tensor:
        """The best latent. x (1,*D) is what the host gives the sampler of the guider."""
        plan, job, record, network = self.plan, self.job, self.record, networks["model"]
        experts = experts_of(networks, plan.inputs.boundary)
        scoring, final = self._objectives(experts)
        task = self._task(networks, x, scoring, final)
        start = network.clock.to_search(x, plan.times[0])
        if plan.whole:
            check_trajectories(plan, job, task, start)
        else:
            check_answers(plan, job, networks, task, start)
        self.plain.make(task)
        record.trace.spent = record.purse.nfe
        ending = job.finish, self._rules(), record.outcome, record.book.root
        self._follow(run(job.search, task, *ending, self._settled), scoring, final)
        self._follow(self.plain.compete(record, final), scoring, final)
        self._end(final)
        best, end = record.outcome.top[0], plan.times[-1]
        if not end:
            return best.clean
        return network.clock.to_host(best.x, end)  # another sampler goes on from there

    def _settled(self, settled: Settled) -> None:
        """Note what is automatic, before the search begins."""
        self.record.trace.walk(settled.task.times)
        reasons = self.plan.method.why, settled.chosen.get("why", "")
        why = " ".join(filter(None, reasons))
        self.record.chosen = settled.chosen | ({"why": why} if why else {})
        self.live.chosen(self.record.chosen)
        if self.workers is not None:
            self.workers.settled(settled)

    def _objectives(self, network: Network | Experts) -> tuple[HostObjective, HostObjective]:
        """What scores particles, and what scores finished ones. Also makes the watchdog."""
        inputs, record = self.plan.inputs, self.record
        remember = 1 if inputs.watchdog is None else inputs.watchdog.at_once

        def objective(vae: Any, reward: HostReward, purse: Purse) -> HostObjective:
            return HostObjective(vae, reward, inputs.prompt, network, purse, record.batch, remember)

        reward = inputs.reward.fresh()
        final = scoring = objective(inputs.vae, reward, record.purse)
        if inputs.preview_vae is not None:
            scoring = objective(inputs.preview_vae, reward, record.purse)
        if inputs.watchdog is not None:
            record.watchdog = Purse()
            watching = objective(scoring.vae, inputs.watchdog.fresh(), record.watchdog)
            self.watchdog = Watchdog(watching, record.trace)
        return scoring, final

    def _rules(self) -> StopRules:
        if self.watchdog is None:
            return self.job.rules
        return replace(self.job.rules, extra_seconds=self.watchdog.pace)

    def _task(
        self,
        networks: Mapping[str, Network],
        x: Tensor,
        scoring: HostObjective,
        final: HostObjective,
    ) -> Task:
        """What the search may do. x (1,*D) is what the host gave the sampler."""
        plan, job, record = self.plan, self.job, self.record
        inputs = plan.inputs
        flow = flow_of(plan, job, networks, x)
        kind: Callable[..., Task] = Task
        if plan.whole:
            trajectory = trajectory_of(plan, job, networks, x)
            kind = partial(WholeTask, trajectory=trajectory, root=record.book.root)
        elif self.workers is not None:
            kind = self.workers.task(scoring, final)
        return kind(
            flow,
            record.purse,
            scoring,
            final,
            lookahead=job.lookahead,
            steering=steering(inputs.sampler.guidance, scoring, networks["model"]),
            batch=record.batch,
            failed=record.trace.failed,
            counts_itself=True,
            on_call=self._after_call,
            on_made=record.book.add,
        )

    def _after_call(self) -> None:
        stop_if_interrupted()
        self.bar.advance()
        self.live.advance()
        self.safe.tick()

    def _follow(
        self, events: Iterator[SearchEvent], scoring: HostObjective, final: HostObjective
    ) -> None:
        """Run the search, and show each event to every watcher."""
        watchers = [self.best, self.plain, self.watchdog, self.live, self.bar]
        for event in events:
            objective = final if event.kind == "finish" else scoring
            rows = self.record.trace.add(event)
            if not decoded(rows):  # nothing came to the objective: what it keeps is older
                objective.forget()
            for watcher in filter(None, watchers):
                watcher.see(event, rows, objective.images)
            if self.best.improved:
                self.safe.better(self.best.image.finished)

    def _end(self, final: HostObjective) -> None:
        """Leave out what failed, decode what has no image yet, show the winner."""
        outcome, best = self.record.outcome, self.best
        top = outcome.top = finite(outcome.top)
        if not top:
            raise ValueError(all_failed(self.record.trace.rows))
        if self.plan.inputs.preview_vae is None:
            best.keep_scored()
        for particle in top:
            if int(particle.ids) not in best.finished:
                best.finished[int(particle.ids)] = final.decode(particle.clean)
        rows = self.watchdog.score(Particles.cat(top), best.finished) if self.watchdog else []
        self.record.plain, plain = self.plain.entry(final)
        rows += self._itemise(final)
        final.restore(top[0].x0)
        winners = {int(particle.ids): best.finished[int(particle.ids)] for particle in top}
        self.images = frames(torch.cat(list(winners.values())))
        first = int(top[0].ids)
        start = self.record.book.root(first)
        if plain is not None:
            self.live.plain(plain, self.record.plain)
        self.live.end(winners, rows, outcome.stopped, first, start)
        self.bar.end(winners[first])

    def _itemise(self, final: HostObjective) -> list[dict[str, Any]]:
        """Say in the rows of the best particles what holds in their images. Returns these rows."""
        rows: list[dict[str, Any]] = []
        if not final.reward.itemised:
            return rows
        with guard("say what holds in the best images"), self.record.purse.timed("reward"):
            for particle in self.record.outcome.top:
                row = self.record.trace.by_id[int(particle.ids)]
                (items,) = final.reward.items(self.best.finished[row["id"]], final.prompt)
                rows.append(itemise(row, items))
        return rows
