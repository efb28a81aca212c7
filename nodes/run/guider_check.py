"""Calls a guider twice with the same latent, and refuses it if the answers differ.

A search calls the guider for many particles, and not in the order of the steps. Momentum, running
averages, step counters and caches would mix the particles, and so would means over the rows of a
call. Guiders, patches and wrappers may have any of these, and no list of names covers them all. So
before the search spends more, one row goes down the schedule as in any sampler. Then the same calls
are made again: together with another row, after other times, and at a sigma between those of the
schedule.

    x at t_0, y at t_k, z at s | x beside another at t_0 | z at s again | y at t_k again

s is the lowest sigma between those of the schedule at which the search will call. The second time
the next float32 is used, because a guider that looks sigmas up in a table finds neither. If the
search calls at no such sigma, s is the last of the schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import comfy.model_management as mm
import numpy as np
import torch
from torch import Tensor

from ...samplers.batching import MicroBatch, OneAtATime, OutOfMemory
from ...samplers.interpolants.linear import Linear
from ...samplers.lookahead import AUTOMATIC, longest
from ...samplers.ode import ODE
from ...samplers.purse import BudgetExceeded
from ...samplers.run import check_budget
from ...samplers.search.rounds import minimum
from ...samplers.task import Task
from ..host.caches import Mixed, StepCache
from ..host.experts import LOW
from ..host.guiders import LEAST, is_pure, mixes_rows
from ..host.memory import out_of_memory
from ..host.network import Network
from .plan import Job, Plan

WHO = "The guider, or a patch on its model,"
SAME = 1e-5  # tolerance for the same call twice: devices mostly give the same bits
NEAR = 1e-3  # tolerance for calls of other shapes, or at the next float32


@dataclass
class Answer:
    """A call of one row, and the network's answer.

    Args:
        x: (1,*D) latent of the call.
        t: time of the call.
        x0: (1,*D) predicted clean latent.
        cost: NFE of the call.
    """

    x: Tensor
    t: float
    x0: Tensor
    cost: int


@dataclass
class GuiderCheck:
    """The check of one search's guider.

    Args:
        network: of the guider's model.
        batch: how many rows go together.
        times: falling times of the schedule.
        between: falling times between these, at which the search will also call.
        after_call: called after each network call.
    """

    network: Network
    batch: MicroBatch
    times: list[float]
    between: list[float] = field(default_factory=list)
    after_call: Callable[[], None] = lambda: None

    @property
    def rows(self) -> int:
        """Network rows of the whole check.

        The least (LEAST) are x once and z twice. Then two rows are not tested together, so
        particles go one by one.
        """
        return 6 + len(self.between)

    def __call__(self, x: Tensor, rows: int) -> None:
        """Refuse a guider that remembers.

        Raises:
            ValueError: it gave another answer.
            BudgetExceeded: `rows`, the network rows that are free for this, are too few.
        """
        purse, before = self.network.purse, self.network.purse.nfe
        if rows < LEAST:
            raise BudgetExceeded(
                "The budget is too small to check whether a wrapper on the model remembers calls: "
                f"got {rows} rows of {purse.total} NFE left, expected {LEAST}."
            )
        purse.begin_check()  # the rows show what one costs
        try:
            with purse.timed("network"), purse.spent_by(self.network.name):
                self._ask_all(x, rows >= self.rows)
        finally:
            purse.end_check(before)

    def _ask_all(self, x: Tensor, whole: bool) -> None:
        first = self._ask(x, self.times[0])
        if not whole:
            self._again(self._lowest(first, self.between[-1:]), first)
            self.batch.alone()
            return
        middle = self.times[len(self.times) // 2]
        second = self._ask(self._step(first, middle), middle)
        lowest = self._lowest(second, self.between)
        self._beside(first)
        self._again(lowest, second)
        if self.between:
            self._repeat(second)

    def _lowest(self, before: Answer, between: list[float]) -> Answer:
        """The answer at the lowest time, on the way down from an earlier answer."""
        if not between:
            return self._ask(self._step(before, self.times[-1]), self.times[-1])
        for t in between:
            before = self._ask_between(self._step(before, t), t)
        return before

    def _ask_between(self, x: Tensor, t: float) -> Answer:
        try:
            return self._ask(x, t)
        except (mm.InterruptProcessingException, BudgetExceeded, StepCache, Mixed):
            raise
        except Exception as error:
            if out_of_memory(error):
                raise
            why = f"an error ({type(error).__name__}: {error})"
            raise self._tied(t, why) from error

    def _again(self, lowest: Answer, before: Answer) -> None:
        """Repeat the call at the lowest time; `before` is the answer that led to it."""
        if not self.between:
            return self._repeat(lowest)
        t = float(np.nextafter(np.float32(lowest.t), np.float32(0.0)))
        off = self._off(lowest, self._ask_between(lowest.x, t))
        if off <= self._tolerance(NEAR):
            return None
        self._ask(before.x, before.t)  # does it remember at the sigmas of the schedule, too?
        last = self._ask(lowest.x, self.times[-1])
        self._ask(lowest.x, self.times[0])
        self._repeat(last)  # after another time,
        self._repeat(last)  # and after itself
        raise self._tied(t, f"an answer that the call before changed by {off:.2g}")

    def _repeat(self, answer: Answer) -> None:
        """Repeat a call, again with this row alone."""
        off = self._off(answer, self._ask(answer.x, answer.t))
        if off > self._tolerance(SAME):
            raise self._remembers(answer.t, off)

    def _beside(self, answer: Answer) -> None:
        """Repeat a call together with a second row, the mirror image of the first."""
        mirrored = 0.5 * answer.x.flip(-1)
        pair = None
        if self.batch.size > 1:
            try:
                pair = self._ask(torch.cat([answer.x, mirrored]), answer.t)
            except (OneAtATime, OutOfMemory):
                self.batch.alone()
        if pair is None:
            return self._repeat(answer)
        row = Answer(answer.x, answer.t, pair.x0[:1], pair.cost)
        off = self._off(answer, row)
        if off > self._tolerance(NEAR):
            self._repeat(answer)
            raise self._mixes(answer.t, off)
        return None

    def _ask(self, x: Tensor, t: float) -> Answer:
        purse = self.network.purse
        before = purse.nfe
        x0 = self.network(x, t)
        self.after_call()
        return Answer(x, t, x0, (purse.nfe - before) // len(x))

    def _step(self, answer: Answer, s: float) -> Tensor:
        return ODE(Linear())(answer.x, answer.x0, answer.t, s).mean

    def _off(self, first: Answer, second: Answer) -> float:
        """Distance of two answers, as a share of the noise that they remove.

        Values that are not finite are left out. It is 1 where the two cost different NFE.
        """
        if first.cost != second.cost:
            return 1.0
        finite = first.x0.isfinite() & second.x0.isfinite()
        difference = (second.x0 - first.x0)[finite].double()
        removed = (first.x - first.x0)[finite].double()
        if not difference.any():
            return 0.0
        return float(difference.norm() / removed.norm().clamp_min(1e-12))

    def _tolerance(self, least: float) -> float:
        """`least`, or the network's own rounding where that is more.

        Tiny FLUX and SD3.5 with CFG 7 differed by 1.8 roundings at the next float32, and by 1.3 in
        a call of two rows. Deep networks differ by more.
        """
        base = self.network.base
        dtype = getattr(base, "manual_cast_dtype", None) or base.get_dtype()
        eps = min(torch.finfo(dtype).eps, torch.finfo(torch.bfloat16).eps)
        return max(least, (2 if least == SAME else 16) * eps)

    def _remembers(self, t: float, off: float) -> ValueError:
        return ValueError(
            f"{WHO} remembers earlier calls: got answers {off:.2g} apart for one question at sigma "
            f"{self._sigma(t):.4g}, expected the same. Turn off momentum, running averages, step "
            "counters, caches and random noise."
        )

    def _mixes(self, t: float, off: float) -> ValueError:
        return ValueError(
            f"{WHO} mixes particles: got an answer {off:.2g} off in a call of two rows at sigma "
            f"{self._sigma(t):.4g}, expected no more than rounding. Set micro_batch to 1."
        )

    def _tied(self, t: float, what: str) -> ValueError:
        return ValueError(
            f"{WHO} works only at the sigmas of the schedule: got {what} at sigma "
            f"{self._sigma(t):.4g} between them, expected one that depends on the call alone. Set "
            "finish_steps and lookahead to 0, and choose another kernel than glass."
        )

    def _sigma(self, t: float) -> float:
        return self.network.clock.sigma(t)


def check_answers(
    plan: Plan, job: Job, networks: Mapping[str, Network], task: Task, x: Tensor
) -> None:
    """Before a search, refuse guiders that give two answers to the same call.

    A pure guider is not tested at once: the test runs if a wrapper changes one of its calls. A
    replay follows one particle, so it is not tested.

    Args:
        plan: the node's.
        job: the search.
        networks: of the guiders' models, by name.
        task: what the search will do; the checks are paid from its purse.
        x: (1,*D) latent at the first sigma.
    """
    purse, batch, budget = task.purse, task.batch, plan.inputs.budget
    if any(map(mixes_rows, plan.guiders.values())):
        batch.alone()
    if job.replayed:
        return
    purse.reserve(job.finish.rows() + job.plain)
    times, steps = [*task.flow.lead, *task.times], len(task.times)
    needed = minimum(job.search, steps, task.prices)
    for name in dict.fromkeys(network.name for network in networks.values()):
        network = networks[name]
        between = sigmas_between(job, task, network)
        check = GuiderCheck(network, batch, times, between, task.on_call)
        if is_pure(plan.guiders[name]):
            network.on_changed_call = lambda check=check: check(x, int(task.left))
        else:
            check(x, int(task.left) - needed)
            spent, cost, prices = purse.nfe, purse.cost, task.prices
            check_budget(needed, steps, job.finish, budget, cost, prices, spent, job.plain)


def sigmas_between(job: Job, task: Task, network: Network) -> list[float]:
    """The first and last sigma between those of the schedule, at which a network will be called.

    Args:
        job, task: the search.
        network: one of its models.
    """
    t, flow, ahead = task.times[-1], task.flow, task.lookahead
    is_main = network.name in ("model", LOW)
    ahead = longest(job.search, task) if ahead == AUTOMATIC else ahead
    steps = job.finish.steps if job.finish.rows() else 0
    descents = [(flow.finish_denoiser, steps, flow.end), (flow.look_denoiser, ahead, 0.0)]
    mine = [  # the first evaluation of a second model is at a sigma of the schedule
        (nodes - (second is not None), end)
        for second, nodes, end in descents
        if second is network or (second is None and is_main)
    ]
    nodes, end = max(mine, key=lambda descent: descent[0], default=(0, 0.0))
    if nodes > 0:
        ends = dict.fromkeys((1, nodes))
        return [end + (t - end) * (1.0 - i / (nodes + 1)) for i in ends]
    if is_main and flow.kernel.inner > 1 and len(task.times) > 1:
        return [0.5 * (task.times[0] + task.times[1])]
    return []
