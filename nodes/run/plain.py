"""The plain sampler's image of the same seed: shown beside the result, and the result if better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ...samplers.judging import judge
from ...samplers.leaders import Leaders
from ...samplers.lineage import Book
from ...samplers.plain import plain
from ...samplers.purse import Purse
from ...samplers.task import Task
from ...samplers.types import Particles, SearchEvent
from ..host.any_sampler import AnySampler
from ..host.objective import HostObjective, Images
from ..show.report import number
from .inputs import SearchInputs
from .plan import Job, Plan
from .record import Record


def plain_rows(inputs: SearchInputs, times: list[float]) -> int:
    """Evaluations that the plain image takes; 0 if none is needed.

    Args:
        inputs: of the node, with the sampler as the search takes it. A search by any other sampler
            begins with that sampler's own image, so that no other one has to be made.
        times: falling model times of the sigmas, the landing included.
    """
    made_anyway = isinstance(inputs.sampler, AnySampler)
    return len(times) - 1 if inputs.compare and not made_anyway else 0


class PlainImage:
    """Makes the plain image before a search. After it, the image competes with what was found.

    It is scored at the end, when all scores compare. A replay has none.

    Args:
        plan: of the node.
        job: the search.
        purse: pays for it.
    """

    def __init__(self, plan: Plan, job: Job, purse: Purse) -> None:
        self.plan, self.job, self.purse = plan, job, purse
        self.first_is_plain = plan.inputs.compare and not (job.plain or job.replayed)
        self.particle: Particles | None = None
        self.id: int | None = None  # in the trace, if it is there
        self.image: Tensor | None = None  # once it was scored
        self.book, self.nfe = Book(), 0

    def make(self, task: Task) -> None:
        """Make it, if the search does not."""
        if not self.job.plain:
            return
        before = self.purse.nfe
        self.purse.reserve(self.job.finish.rows())
        self.particle = plain(task, self.plan.times[:-1], self.book)
        self.nfe = self.purse.nfe - before

    def compete(self, record: Record, final: HostObjective) -> Iterator[SearchEvent]:
        """Let the image made apart be one of the results, if it is good enough.

        A sampler that ends before 0 has no image yet, so nothing competes.

        Args:
            record: of the search that has ended.
            final: decodes and scores it as the result.
        """
        if not self.nfe or self.plan.times[-1]:
            return
        made, trace, outcome = self.particle, record.trace, record.outcome
        self.id = record.book.adopt(self.book.lineage(int(made.ids)))
        reward = judge(final, made.clean, [self.id], trace.failed)
        columns = {"ids": self.id, "parents": -1, "steps": len(trace.places) - 1}
        tensors = {name: torch.tensor([value]) for name, value in columns.items()}
        self.particle = replace(made, reward=reward, **tensors)
        leaders = Leaders(self.job.finish.top_k, record.book.root)
        for each in [*outcome.top, self.particle]:
            leaders.add(each)
        outcome.top = leaders.best
        finished = any(row["kind"] == "finish" for row in trace.rows)
        yield SearchEvent("finish" if finished else "propose", self.particle, self.purse.nfe)

    def see(self, event: SearchEvent, rows: list[dict[str, Any]], images: Images) -> None:
        """Keep its image, and the first particle of a search that begins with the plain image.

        Args:
            event: of the search.
            rows: the trace rows that it added or changed.
            images: what the objective kept of it.
        """
        if self.first_is_plain and self.particle is None and event.kind == "born":
            self.particle = event.particles[0]
            self.id = int(self.particle.ids)
        elif self.nfe and event.particles is self.particle:
            self.image = images.best

    def entry(self, final: HostObjective) -> tuple[dict[str, Any], Tensor | None]:
        """Its entry of the report, empty without one, and the image (1,H,W,3) if it is finite.

        Args:
            final: decodes and scores it, if it did not compete.
        """
        if self.particle is None:
            return {}, None
        reward, image = float(self.particle.reward), self.image
        if image is None:
            image = final.decode(self.particle.clean)
            reward = float(final.judge(image))
        entry = {"reward": number(reward), "nfe": self.nfe}
        entry |= {} if self.id is None else {"id": self.id}
        return entry, image if bool(image.isfinite().all()) else None
