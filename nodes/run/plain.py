"""The plain sampler's image of the same seed, which the panel shows beside the result."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ...samplers.plain import plain
from ...samplers.purse import Purse
from ...samplers.task import Task
from ...samplers.types import SearchEvent
from ..host.any_sampler import AnySampler
from ..host.objective import HostObjective, Images
from ..show.report import number
from .inputs import SearchInputs
from .plan import Job, Plan


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
    """Makes the plain image before a search, and scores it at the end, when all scores compare.

    A replay has none.

    Args:
        plan: of the node.
        job: the search.
        purse: pays for it.
    """

    def __init__(self, plan: Plan, job: Job, purse: Purse) -> None:
        self.plan, self.job, self.purse = plan, job, purse
        self.first_is_plain = plan.inputs.compare and not (job.plain or job.replayed)
        self.clean: Tensor | None = None
        self.nfe = 0

    def make(self, task: Task) -> None:
        """Make it, if the search does not."""
        if not self.job.plain:
            return
        before = self.purse.nfe
        self.purse.reserve(self.job.finish.rows())
        self.clean = plain(task, self.plan.times[:-1])
        self.nfe = self.purse.nfe - before

    def see(self, event: SearchEvent, rows: list[dict[str, Any]], images: Images) -> None:
        """Keep the first particle of a search that begins with the plain image.

        Args:
            event: of the search.
            rows: the trace rows that it added or changed.
            images: what the objective kept of it.
        """
        if self.first_is_plain and self.clean is None and event.kind == "born":
            self.clean = event.particles.clean[:1].clone()

    def score(self, final: HostObjective) -> tuple[dict[str, Any], Tensor | None]:
        """Its entry of the report, empty without one, and the image (1,H,W,3) if it is finite.

        Args:
            final: decodes and scores it as the result.
        """
        if self.clean is None:
            return {}, None
        image = final.decode(self.clean)
        reward = number(float(final.judge(image)))
        finite = bool(image.isfinite().all())
        return {"reward": reward, "nfe": self.nfe}, image if finite else None
