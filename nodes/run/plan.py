"""What a search node will do: everything that can be computed before the network is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...samplers.purse import Prices
from ...samplers.rules import Finish, StopRules
from ...samplers.search.rounds import Search
from ..host.any_sampler import AnySampler
from ..host.experts import LOW
from ..host.packed import Latents
from .inputs import SearchInputs


@dataclass(frozen=True)
class MethodChoice:
    """The method that a node runs.

    Args:
        name: its key in the registry, as the report has it.
        search: the method with its settings.
        entries: these settings as report entries.
        why: what the node chose by itself, and why, in one sentence; empty for nothing.
    """

    name: str
    search: Search
    entries: Mapping[str, Any]
    why: str = ""


def plain_won(report: Mapping[str, Any]) -> bool:
    """Whether the result of a report is the plain image, made apart from the search."""
    plain = report.get("plain", {})
    return bool(plain.get("nfe")) and plain.get("id") == report["best"]["id"]


@dataclass(frozen=True)
class Job:
    """The search for one latent of a batch.

    Args:
        search: the node's method, or the replay of an earlier search's winner.
        finish: how it ends.
        rules: when it ends early.
        lookahead: ODE evaluations before a particle is scored. -1 is automatic.
        image: index in the batch of the image whose noise its particles use.
        made_with: report entries that identify shape, CFG, conditioning and latent.
        replayed: the report of the search that a replay repeats. Empty for a new search.
        plain: evaluations that the plain sampler's image takes; 0 if it is not made apart.
        warnings: lines about the replay, for report and log.
    """

    search: Search
    finish: Finish
    rules: StopRules
    lookahead: int
    image: int
    made_with: Mapping[str, Any] = field(default_factory=dict)
    replayed: Mapping[str, Any] = field(default_factory=dict)
    plain: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def plain_again(self) -> bool:
        """Whether a replay repeats the plain image, which knows no search window."""
        return plain_won(self.replayed)


@dataclass(frozen=True)
class Plan:
    """What a search node will do.

    Args:
        inputs: of the node.
        method: of the node.
        entries: settings of the node and of what is connected to it, as report entries.
        times: falling model times of the sigmas, the landing included.
        lead: times before the search window, which the ODE crosses.
        inside: times at which the search works.
        cost: NFE of one network row.
        latent: the LATENT output, before its samples are replaced.
        samples: (B,*D) latents to start from, as the model takes them, or their parts.
        second: a guider for each second model, by the name of its input.
        jobs: one search for each of the B latents.
        graph: returns what a worker runs; None in a script.
    """

    inputs: SearchInputs
    method: MethodChoice
    entries: Mapping[str, Any]
    times: list[float]
    lead: list[float]
    inside: list[float]
    cost: int
    latent: dict[str, Any]
    samples: Latents
    second: Mapping[str, Any] = field(default_factory=dict)
    jobs: tuple[Job, ...] = ()
    graph: Callable[[], dict[str, Any]] | None = None

    @property
    def guiders(self) -> dict[str, Any]:
        """The guiders by the name of their model, in the order in which the host prepares them.

        The low-noise expert comes before the search's own model, which is then loaded last.
        """
        guiders = {"model": self.inputs.guider, **self.second}
        return {name: guiders[name] for name in (LOW, *guiders) if name in guiders}

    @property
    def base(self) -> Any:
        """The host's model that the node's guider samples."""
        return self.inputs.guider.model_patcher.model

    @property
    def whole(self) -> bool:
        """Whether another sampler walks whole trajectories, one at a time."""
        return isinstance(self.inputs.sampler, AnySampler)

    @property
    def mask(self) -> Latents | None:
        """The noise mask of the batch."""
        return self.latent.get("noise_mask")

    def way(self, job: Job) -> tuple[list[float], list[float]]:
        """Of a job, the times before the search window and those in it."""
        return ([], self.times[:-1]) if job.plain_again else (self.lead, self.inside)

    def prices(self, job: Job) -> Prices:
        """What one particle of a job costs."""
        sampler, (lead, _) = self.inputs.sampler, self.way(job)
        inner, slope = sampler.kernel.inner, sampler.guidance.rows
        return Prices.of(len(lead), inner, job.lookahead, slope)
