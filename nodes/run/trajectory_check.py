"""Walks the beginning of one trajectory twice, and refuses a guider whose answers differ.

For searches by another sampler, which walk whole trajectories one at a time. There a step cache or
momentum may use earlier calls of the same trajectory. It must not use those of the one before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...samplers.purse import BudgetExceeded
from ...samplers.run import check_budget
from ...samplers.search.rounds import minimum
from ...samplers.trajectories import WholeTask
from ..host.any_sampler import HostTrajectory
from ..host.guiders import LEAST, is_pure
from .guider_check import SAME
from .plan import Job, Plan

STEPS = 3  # of the beginning, where the budget allows; all where two experts take turns


@dataclass
class TrajectoryCheck:
    """The check of one search's guider.

    Args:
        trajectory: what the search walks.
        after_call: called after each network call.
    """

    trajectory: HostTrajectory
    after_call: Callable[[], None]

    def __call__(self, x: Tensor, rows: int) -> None:
        """Refuse a guider that remembers the trajectory before.

        Args:
            x: (1,*D) latent at the first sigma.
            rows: network rows that are free for this.

        Raises:
            ValueError: the second walk had another end.
            BudgetExceeded: the rows are too few.
        """
        network = self.trajectory.network
        purse, before = network.purse, network.purse.nfe
        whole = len(self.trajectory.sigmas) - 1
        steps = min(whole if self.trajectory.experts else STEPS, rows // 2, whole)
        if rows < LEAST:
            raise BudgetExceeded(
                "The budget is too small to check whether the model remembers the image before: "
                f"got {rows} rows of {purse.total} NFE left, expected {LEAST}."
            )
        beginning = self.trajectory.beginning(steps)
        try:
            with purse.timed("network"), purse.spent_by(network.name):
                first, second = (beginning(x, 0, self._pay) for _ in range(2))
        finally:
            purse.end_check(before)
        off = distance(x, first, second)
        if off > SAME:
            raise ValueError(
                "The guider, or a patch on its model, remembers earlier calls: got images "
                f"{off:.2g} apart from the same noise, expected the same. Turn off what is not "
                "reset for each image: caches, momentum, running averages, step counters."
            )

    def _pay(self, rows: int, call: Callable[[], Tensor]) -> Tensor:
        """The answer of a call, which the network itself charges."""
        answer = call()
        self.after_call()
        return answer


def distance(x: Tensor, first: Tensor, second: Tensor) -> float:
    """Distance of the ends of two walks, as a share of the way.

    Args:
        x: (1,*D) where they begin.
        first, second: (1,*D) where they end. Only finite values count.
    """
    finite = first.isfinite() & second.isfinite()
    difference = (second - first)[finite].double()
    way = torch.where(finite, first - x, 0.0).double()
    return float(difference.norm() / way.norm().clamp_min(1e-12))


def check_trajectories(plan: Plan, job: Job, task: WholeTask, x: Tensor) -> None:
    """Before a search by another sampler, refuse a guider that remembers the trajectory before.

    A pure guider is not tested at once. The test runs after the first trajectory if a wrapper has
    changed one of its calls, or if blocks of the network were skipped. A replay is not tested.

    Args:
        plan: the node's.
        job: the search.
        task: what the search will do; the check is paid from its purse.
        x: (1,*D) latent at the first sigma.
    """
    if job.replayed:
        return
    purse, trajectory = task.purse, task.trajectory
    check = TrajectoryCheck(trajectory, task.on_call)
    if all(is_pure(guider, whole=True) for guider in plan.guiders.values()):
        for network in trajectory.networks:
            network.on_changed_call = lambda: check(x, int(task.left))
        return
    purse.reserve(job.finish.rows())
    steps = len(task.times)
    needed = minimum(job.search, steps, task.prices)
    check(x, int(task.left) - needed)
    budget, checked = plan.inputs.budget, purse.nfe
    check_budget(needed, steps, job.finish, budget, purse.cost, task.prices, checked)
