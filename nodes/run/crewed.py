"""A search whose particles are evaluated by workers: when it has them, and what they give back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ...samplers.automatic import Settled
from ...samplers.batching import MicroBatch
from ...samplers.crew.foreman import Foreman
from ...samplers.crew.job import Answer, Job
from ...samplers.crew.task import CrewedTask
from ...samplers.task import Task
from ...samplers.types import Origins, Particles
from ..host.objective import HostObjective, Images
from ..workers.crew import crew_of
from ..workers.gpus import count_here
from ..workers.packing import array
from ..workers.ray_start import NotStarted
from .plan import Job as SearchJob
from .plan import Plan

NOT_USED = "The workers were not used: {}"
ROUNDING = 0.01  # relative difference of the same x0 on two devices
NOT_SENT = ("budget", "replay", "journal", "micro_batch", "stop_at_maximum", "target_reward",
            "time_limit", "top_k", "lookahead")  # fmt: skip


def refusal(plan: Plan, job: SearchJob) -> str:
    """Why a search does not use its workers, in one sentence. Empty if it does."""
    inputs, reason = plan.inputs, ""
    if job.replayed:
        reason = "a replay has one particle at a time"
    elif plan.whole:
        reason = "this sampler walks whole images by itself"
    elif inputs.sampler.guidance.strength:
        reason = "guidance needs gradients"
    elif plan.graph is None:
        reason = "there is no graph to run on them"
    elif plan.samples.is_nested:
        reason = "the latent has several parts, such as video and sound"
    elif not inputs.workers.address and not count_here(inputs.workers):
        reason = "this computer has no other GPU"
    return NOT_USED.format(f"{reason}.") if reason else ""


@dataclass
class Workers:
    """The workers of one search.

    Args:
        foreman: of the crew.
        objectives: what scores particles of a kind. `scoring` scores all others.
    """

    foreman: Foreman
    objectives: dict[str, HostObjective] = field(default_factory=dict)

    def task(self, scoring: HostObjective, final: HostObjective) -> Callable[..., Task]:
        """What makes the task of the search."""
        self.objectives = {"finish": final}
        hooks = {"kept": self._kept, "on_answers": self._show, "ready": self._ready}
        self.scoring = scoring
        return partial(CrewedTask, crew=self.foreman, **hooks)

    def spent(self) -> dict[str, int]:
        """Entries of `spent` in the report: NFE of workers that the search did not use."""
        return {"discarded_nfe": self.discarded}

    @property
    def discarded(self) -> int:
        """NFE that the search did not use: ahead, twice, lost, and first answers."""
        return self.foreman.discarded + self.foreman.checked

    def state(self) -> dict[str, Any]:
        """What the workers do, for the panel. `rate` is NFE a second since the worker joined."""
        engine, rows = self.foreman.engine, []
        for name in engine.names:
            state, nfe = engine.state(name), self.foreman.nfe[name]
            seconds = time.monotonic() - engine.since.get(name, math.inf)
            rate = round(nfe / seconds, 2) if seconds > 0 and state == "ready" else None
            row = {"name": name, "where": engine.where.get(name, ""), "state": state}
            rows.append(row | {"nfe": nfe, "rate": rate, "why": engine.refused.get(name, "")})
        return {"discarded": self.discarded, "each": rows}

    def devices(self) -> list[dict[str, Any]]:
        """What each worker did, as the report has it."""
        refused, where = self.foreman.engine.refused, self.foreman.engine.where
        names = sorted({*self.foreman.nfe, *refused})
        return [
            {"device": name, "nfe": self.foreman.nfe[name]}
            | ({"where": where[name]} if name in where else {})
            | ({"refused": refused[name]} if name in refused else {})
            for name in names
        ]

    def settled(self, settled: Settled) -> None:
        """What workers have to know before they evaluate particles of the search."""
        steps = len(settled.task.times) if "ode_steps" in settled.chosen else 0
        self.foreman.engine.settled = steps, settled.task.lookahead

    def _ready(self) -> bool:
        """Whether the reward has learned its scale. Workers get what it has learned."""
        learned = self.scoring.reward.learned
        self.foreman.engine.learned = learned
        return learned is not None

    def _of(self, kind: Origins) -> HostObjective:
        return self.objectives.get(kind, self.scoring)

    def _kept(self, job: Job) -> list[dict[int, Tensor]]:
        images = self._of(job.kind).images
        return [dict(images.whole), dict(images.small)]

    def _show(
        self, particles: Particles, kind: Origins, answers: Sequence[Answer], order: Sequence[int]
    ) -> None:
        """Give the objective the images of all answers, as if it had scored the particles."""
        objective, whole, small, first = self._of(kind), {}, {}, 0
        for answer in answers:
            rows = order[first : first + len(answer.reward)]
            first += len(rows)
            if answer.images is not None:
                for target, kept in zip((whole, small), answer.images, strict=True):
                    target.update({rows[i]: image for i, image in kept.items()})
        rewards = particles.reward.tolist()
        best = sorted(whole, key=lambda row: (-rewards[row], row))
        if particles.reward.isnan().all():
            return
        shown = sorted(small, key=lambda row: (-rewards[row], row))[: objective.SMALL]
        objective.latents = particles.clean
        objective.images = Images(
            {row: whole[row] for row in best[: objective.remember]},
            {row: small[row] for row in shown},
        )
        record = max((r for r in rewards if r == r), default=-torch.inf)
        self.foreman.engine.record = max(self.foreman.engine.record, record)


def difference(expected: Answer, got: Answer) -> str:
    """Why a worker's answer is not the search's, in one sentence. Empty if it is, up to rounding.

    Args:
        expected: of the search.
        got: of the worker, for the same job.
    """
    if torch.equal(expected.x0, got.x0):
        return ""
    largest = float(expected.x0.abs().max())
    off = float((expected.x0 - got.x0).abs().max()) / max(largest, 1e-9)
    if off < ROUNDING:
        return ""
    return (
        f"It draws another image: got a relative difference of {off:.2g}, expected less than "
        f"{ROUNDING}. Compare its weights, LoRA and settings."
    )


@contextmanager
def workers_of(
    plan: Plan,
    job: SearchJob,
    noise: Tensor,
    samples: Tensor,
    mask: Tensor | None,
    warn: Callable[[str], None],
) -> Iterator[Workers | None]:
    """The workers of a search while it runs; None if it has none.

    Args:
        plan: of the node.
        job: the search.
        noise, samples, mask: as of OneSearch.
        warn: called with the reason if the search does not use its workers.
    """
    inputs = plan.inputs
    if inputs.workers is None:
        yield None
        return
    with ExitStack() as stack:
        foreman, why = None, refusal(plan, job)
        if not why:
            crew = crew_of(inputs.workers, plan.graph(), _sent(plan, job, noise, samples, mask),
                           difference)  # fmt: skip
            try:
                foreman = stack.enter_context(crew)
            except NotStarted as error:
                why = NOT_USED.format(error)
        if why:
            warn(why)
        yield Workers(foreman) if foreman else None


def _sent(
    plan: Plan, job: SearchJob, noise: Tensor, samples: Tensor, mask: Tensor | None
) -> dict[str, Any]:
    """What workers need besides the graph. The arguments are those of `workers_of`."""
    inputs = plan.inputs
    values = {name: value for name, value in inputs.values().items() if name not in NOT_SENT}
    values |= {"lookahead": job.lookahead, "micro_batch": inputs.workers.rows, "budget": 1_000_000}
    return {
        "noise": array(noise), "samples": array(samples), "sigmas": array(inputs.sigmas),
        "mask": array(mask), "seed": inputs.noise.seed, "image": job.image, "values": values,
        "device": str(plan.inputs.guider.model_patcher.load_device),
    }  # fmt: skip


def batch_of(plan: Plan, job: SearchJob, batch: MicroBatch) -> MicroBatch:
    """The micro-batch of a search: with workers, the rows of their jobs.

    Args:
        plan: of the node.
        job: the search.
        batch: without workers.
    """
    if plan.inputs.workers is None or refusal(plan, job):
        return batch
    return MicroBatch(plan.inputs.workers.rows)
