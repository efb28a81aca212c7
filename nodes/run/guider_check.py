"""Whether a guider answers the same whatever was asked before: it is asked again.

A search asks for many particles in no order of steps. Momentum, running averages, step counters and
caches of guiders, patches and wrappers would then mix them, and means over a call's rows do. No
list of names knows them all. So before the search spends more, one row goes down the schedule as
in any sampler, and what it was answered is asked again: beside another row, after other times, and
between the sigmas of the schedule where the search will ask there.

    x at t_0, y at t_k, z at s | x beside another at t_0 | z at s again | y at t_k again

s is the lowest sigma that the search asks for between those given (then, the second time, the next
float32: a guider that looks sigmas up knows neither), or else the last of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import comfy.model_management as mm
import numpy as np
import torch
from torch import Tensor

from ...samplers.batching import MicroBatch, OneAtATime, OutOfMemory
from ...samplers.interpolants.linear import Linear
from ...samplers.kernels import ODE
from ...samplers.lookahead import AUTOMATIC, LOOK, may_look
from ...samplers.purse import BudgetExceeded
from ...samplers.replay import Replay
from ...samplers.run import check_budget
from ...samplers.search.rounds import minimum
from ...samplers.task import Task
from ..host.caches import Mixed, StepCache
from ..host.guiders import LEAST, is_pure, mixes_rows
from ..host.memory import out_of_memory
from ..host.network import Network
from .request import Request

WHO = "The guider, or what is on its model,"
SAME = 1e-5  # of one question twice: devices mostly give the same bits
NEAR = 1e-3  # of calls of other shapes, or at the next float32


@dataclass
class Answer:
    """What a row was answered with, at what price in NFE."""

    x: Tensor
    t: float
    x0: Tensor
    cost: int


@dataclass
class GuiderCheck:
    """One search's check. `between`: falling times between the `times` that the search asks at."""

    network: Network
    batch: MicroBatch
    times: list[float]
    between: list[float] = field(default_factory=list)
    after_call: Callable[[], None] = lambda: None

    @property
    def rows(self) -> int:
        """Network rows of the whole check. LEAST are x, and z twice: no neighbour is tried then, so
        particles go one by one."""
        return 6 + len(self.between)

    def __call__(self, x: Tensor, rows: int) -> None:
        """Refuse a guider that remembers, for no more than `rows` network rows of x (1,*D)."""
        purse, before = self.network.purse, self.network.purse.nfe
        if rows < LEAST:
            raise BudgetExceeded(
                f"budget of {purse.total} NFE given, {before} of it spent, wanted {LEAST} rows to "
                "see whether a wrapper on the model remembers calls."
            )
        purse.begin_check()  # what the rows cost is seen
        try:
            with purse.timed("network"):
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
        """The answer at the last time, or by way of those between."""
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
            why = f"it failed ({type(error).__name__}: {error})"
            raise self._tied(t, why) from error

    def _again(self, lowest: Answer, before: Answer) -> None:
        """Ask for the lowest again; `before` is what came before it on its way."""
        if not self.between:
            return self._repeat(lowest)
        t = float(np.nextafter(np.float32(lowest.t), np.float32(0.0)))
        off = self._off(lowest, self._ask_between(lowest.x, t))
        if off <= self._tolerance(NEAR):
            return None
        self._ask(before.x, before.t)  # does it remember at the sigmas that it was given, too?
        given = self._ask(lowest.x, self.times[-1])
        self._ask(lowest.x, self.times[0])
        self._repeat(given)  # after another time,
        self._repeat(given)  # and after itself
        raise self._tied(t, f"the call before changed its answer by {off:.2g}")

    def _repeat(self, known: Answer) -> None:
        """Ask for a row that is known, alone as then."""
        off = self._off(known, self._ask(known.x, known.t))
        if off > self._tolerance(SAME):
            raise self._remembers(known.t, off)

    def _beside(self, known: Answer) -> None:
        """Ask for a row that is known together with another, its mirror image."""
        other = 0.5 * known.x.flip(-1)
        pair = None
        if self.batch.size > 1:
            try:
                pair = self._ask(torch.cat([known.x, other]), known.t)
            except (OneAtATime, OutOfMemory):
                self.batch.alone()
        if pair is None:
            return self._repeat(known)
        row = Answer(known.x, known.t, pair.x0[:1], pair.cost)
        off = self._off(known, row)
        if off > self._tolerance(NEAR):
            self._repeat(known)
            raise self._mixes(known.t, off)
        return None

    def _ask(self, x: Tensor, t: float) -> Answer:
        purse = self.network.purse
        before = purse.nfe
        x0 = self.network(x, t)
        self.after_call()
        return Answer(x, t, x0, (purse.nfe - before) // len(x))

    def _step(self, known: Answer, s: float) -> Tensor:
        return ODE(Linear())(known.x, known.x0, known.t, s).mean

    def _off(self, known: Answer, again: Answer) -> float:
        """How far two answers are apart, as a part of the noise they take away; what is not finite
        failed, and tells nothing. 1 where they differ in price."""
        if known.cost != again.cost:
            return 1.0
        sound = known.x0.isfinite() & again.x0.isfinite()
        differ = (again.x0 - known.x0)[sound].double()
        taken = (known.x - known.x0)[sound].double()
        if not differ.any():
            return 0.0
        return float(differ.norm() / taken.norm().clamp_min(1e-12))

    def _tolerance(self, least: float) -> float:
        """`least`, or what the network's own numbers are rounded to. Tiny FLUX and SD3.5 with cfg 7
        came to 1.8 roundings at the next float32 and 1.3 beside another; deep ones come to more."""
        base = self.network.base
        dtype = getattr(base, "manual_cast_dtype", None) or base.get_dtype()
        eps = min(torch.finfo(dtype).eps, torch.finfo(torch.bfloat16).eps)
        return max(least, (2 if least == SAME else 16) * eps)

    def _remembers(self, t: float, off: float) -> ValueError:
        return ValueError(
            f"{WHO} remembers earlier calls: asked the same twice at sigma {self._sigma(t):.4g} it "
            f"gave answers {off:.2g} apart, wanted the same. Turn off momentum, running averages, "
            "step counters, caches and random noise."
        )

    def _mixes(self, t: float, off: float) -> ValueError:
        return ValueError(
            f"{WHO} mixes candidates: beside another one its answer at sigma {self._sigma(t):.4g} "
            f"was {off:.2g} off, wanted no more than rounding. Set micro_batch to 1."
        )

    def _tied(self, t: float, what: str) -> ValueError:
        return ValueError(
            f"{WHO} knows only the sigmas it was given: at sigma {self._sigma(t):.4g}, between "
            f"them, {what}, wanted an answer by the sigma alone. Set finish_steps and lookahead to "
            "0, and use another kernel than glass."
        )

    def _sigma(self, t: float) -> float:
        return self.network.clock.sigma(t)


def check_answers(request: Request, network: Network, task: Task, x: Tensor) -> None:
    """Before a search from x (1,*D): ask its guider, unless it is known; where it is, what wraps
    the network is asked once it changes a call.

    A replay goes one particle's way, and is not asked.
    """
    search, finish, purse, batch = request.search, request.finish, task.purse, task.batch
    if mixes_rows(request.guider):
        batch.alone()
    if isinstance(search, Replay):
        return
    times, steps = [*task.flow.lead, *task.times], len(task.times)
    purse.reserve(finish.rows())
    between = sigmas_between(request, task)
    check = GuiderCheck(network, batch, times, between, task.on_call)
    needed = minimum(search, steps, task.prices)
    if is_pure(request.guider):
        network.on_changed_call = lambda: check(x, int(task.left))
        return
    check(x, int(task.left) - needed)
    spent = purse.nfe
    check_budget(needed, steps, finish, request.budget, purse.cost, task.prices, spent)


def sigmas_between(request: Request, task: Task) -> list[float]:
    """The sigmas between the given ones that finish, lookahead or kernel ask for: of the lowest
    way down, the first and the last."""
    t, end, nodes = task.times[-1], 0.0, task.lookahead
    if nodes == AUTOMATIC:
        nodes = LOOK if may_look(request.search, task) else 0
    if request.finish.rows() and request.finish.steps >= nodes:
        nodes, end = request.finish.steps, task.flow.end
    if nodes > 0:
        ends = dict.fromkeys((1, nodes))
        return [end + (t - end) * (1.0 - i / (nodes + 1)) for i in ends]
    if task.flow.kernel.inner > 1 and len(task.times) > 1:
        return [0.5 * (task.times[0] + task.times[1])]
    return []
