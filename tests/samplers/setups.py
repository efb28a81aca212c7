"""Every search under any settings, on the mixture of world.py: what its property tests share."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from hypothesis import settings
from hypothesis import strategies as st
from pack.samplers.interpolants.linear import Linear
from pack.samplers.kernels.eta import Eta
from pack.samplers.kernels.euler_maruyama import EulerMaruyama
from pack.samplers.kernels.glass import Glass
from pack.samplers.leaders import SPARES
from pack.samplers.ode import ODE
from pack.samplers.purse import Prices
from pack.samplers.resampling import RESAMPLERS
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import run
from pack.samplers.search import SEARCHES
from pack.samplers.search.code import CoDe
from pack.samplers.search.rbf import RolloverBudgetForcing
from pack.samplers.search.regional import Regional
from pack.samplers.search.regional_paths import RegionalPaths
from pack.samplers.search.rounds import Search, minimum
from pack.samplers.search.smc import SMC, TEMPERINGS
from pack.samplers.search.sop import SearchOverPaths
from pack.samplers.search.svdd import SVDD
from pack.samplers.search.threshold import VerifierThreshold
from pack.samplers.search.zero_order import ZeroOrder
from pack.samplers.types import Particles, SearchEvent

from .world import Kept, new_task

NO_FINISH, NO_RULES = Finish(), StopRules()
SCORED = ("born", "propose")  # kinds of the events before the finish whose particles are new
NEVER = 9.0  # a reward beyond reach
KERNELS = {
    "euler_maruyama": EulerMaruyama(Linear(), "square", 3.0),
    "eta": Eta(Linear(), "sigma", 1.0),
    "ode": ODE(Linear()),
    "glass": Glass(2),
    "long glass": Glass(3),
}
CHILDREN = st.sampled_from(["kernel", "kernel", "region", "redraw"])
ANY = {
    "rbf": st.builds(
        RolloverBudgetForcing,
        init_particles=st.integers(1, 4),
        paths=st.integers(1, 3),
        quota=st.integers(0, 3),
        speculation=st.integers(1, 4),
        children=CHILDREN,
    ),
    "smc": st.builds(
        SMC,
        temperature=st.sampled_from([0.01, 0.5, 20.0]),
        tempering=st.sampled_from(TEMPERINGS),
        ess_threshold=st.sampled_from([0.0, 0.5, 1.0]),
        resampling=st.sampled_from(sorted(RESAMPLERS)),
    ),
    "svdd": st.builds(
        SVDD,
        paths=st.integers(1, 3),
        alpha=st.sampled_from([0.0, 0.01, 1.0]),
        children=CHILDREN,
    ),
    "code": st.builds(CoDe, block=st.integers(1, 4), paths=st.integers(1, 3)),
    "sop": st.integers(1, 3).flatmap(
        lambda forward: st.builds(
            SearchOverPaths,
            paths=st.integers(1, 3),
            forward=st.just(forward),
            backward=st.integers(forward + 1, forward + 3),
        )
    ),
    "threshold": st.builds(VerifierThreshold, st.sampled_from([-9.0, 0.5, 1.5, NEVER])),
    "zero_order": st.builds(
        ZeroOrder, st.integers(1, 5), st.sampled_from([0.1, 0.5, 1.0]), st.integers(0, 6)
    ),
    "regional": st.builds(
        Regional,
        starts=st.integers(0, 3),
        smallest=st.sampled_from([0.25, 0.5]),
        largest=st.sampled_from([0.5, 1.0]),
        at_once=st.integers(1, 3),
        patience=st.sampled_from([0, 0, 1, 3]),
    ),
    "regional_paths": st.builds(
        RegionalPaths,
        starts=st.integers(0, 3),
        smallest=st.sampled_from([0.25, 0.5]),
        largest=st.sampled_from([0.5, 1.0]),
        at_once=st.integers(1, 3),
        patience=st.sampled_from([0, 0, 1, 3]),
        forward=st.integers(0, 4),
    ),
}
METHODS = [name for name in SEARCHES if name != "auto"]  # it is one of these once it begins
# One of each that spends its whole budget, on more than one path where it can.
EACH: dict[str, Search] = {name: cls() for name, cls in SEARCHES.items()} | {
    "rbf": RolloverBudgetForcing(init_particles=3, paths=2),
    "svdd": SVDD(paths=2),
    "code": CoDe(paths=2),
    "threshold": VerifierThreshold(NEVER),
}


def any_search(name: str) -> st.SearchStrategy[Search]:
    return ANY[name] if name in ANY else st.builds(SEARCHES[name])


def pinned(examples: int) -> settings:
    return settings(max_examples=examples, derandomize=True, database=None, deadline=None)


def grid(points: int) -> list[float]:
    return [0.95 * (1.0 - i / points) for i in range(points)]


@dataclass(frozen=True)
class Setup:
    """A search and all it is run with; `extra` NFE above the least it needs."""

    search: Search
    steps: int = 5
    extra: int = 0
    kernel: str = "euler_maruyama"
    lead: int = 0
    lookahead: int = 0
    finish: Finish = NO_FINISH
    cost: int = 1
    micro_batch: int = 0
    seed: int = 0
    fixed: dict[str, Any] = field(default_factory=dict)  # further arguments of world.new_task

    @property
    def prices(self) -> Prices:
        inner = KERNELS[self.kernel].inner
        gradient = self.fixed["steering"].rows if "steering" in self.fixed else 0
        return Prices(self.lead + 1, inner or 1, self.lookahead, gradient)

    @property
    def minimum(self) -> int:
        return minimum(self.search, self.steps, self.prices)

    @property
    def least(self) -> int:
        return (self.minimum + self.finish.rows()) * self.cost

    @property
    def total(self) -> int:
        return self.least + self.extra

    def task(self, **settings: Any) -> Kept:
        every = grid(self.lead + self.steps)
        own = dict(budget=self.total, seed=self.seed, cost=self.cost, micro_batch=self.micro_batch)
        return new_task(
            KERNELS[self.kernel],
            every[self.lead :],
            lead=every[: self.lead],
            **own | {"lookahead": self.lookahead} | self.fixed | settings,
        )

    def run(self, task: Kept | None = None, rules: StopRules = NO_RULES, **settings: Any):
        """(events, outcome, task) of a whole run; on `task` if it is given."""
        task, outcome = task or self.task(**settings), Outcome()
        events = run(self.search, task, self.finish, rules, outcome, task.book.root)
        return list(events), outcome, task


FIELDS = dict(  # made once: hypothesis takes as long to make a strategy as to draw from it
    steps=st.integers(1, 6),
    extra=st.integers(0, 40),
    kernel=st.sampled_from(sorted(KERNELS)),
    lead=st.sampled_from([0, 0, 1, 3]),
    lookahead=st.sampled_from([0, 0, 1, 2]),
    finish=st.builds(Finish, st.integers(0, 3), st.integers(1, 4)),
    cost=st.integers(1, 2),
    micro_batch=st.sampled_from([0, 0, 1, 3]),
    seed=st.integers(0, 99),
)


@st.composite
def setups(draw, name: str, **fixed: Any) -> Setup:
    """Any setup of the method `name`; a field is drawn unless `fixed`."""
    fields = {"search": any_search(name)} | FIELDS
    setup = Setup(**{n: draw(s) for n, s in fields.items() if n not in fixed}, **fixed)
    if KERNELS[setup.kernel].inner and getattr(setup.search, "children", "kernel") != "kernel":
        return replace(setup, search=replace(setup.search, children="kernel"))  # it needs that
    return setup


def root(task: Kept, particle: int) -> int:
    """The start that a particle goes back to, step by step."""
    origin = task.book.origins[particle]
    while origin.parent >= 0:
        if origin.kind == "born" and origin.radius == 1.0 and not origin.box:
            break
        origin = task.book.origins[origin.parent]
    return origin.id


def standing(events: list[SearchEvent], task: Kept) -> tuple[list, list]:
    """(reward, id) of all scored particles, best first: the best of each start; the others.

    By reward, then the later step, then the earlier id. One that failed stands for no start.
    """
    rows = []
    for event in events:
        if event.kind in SCORED:
            p = event.particles
            rows += zip((-p.reward).tolist(), (-p.steps).tolist(), p.ids.tolist(), strict=True)
    starts, firsts, others = set(), [], []
    for row in sorted(rows):
        start = root(task, row[2])
        first = row[0] < math.inf and start not in starts
        (firsts if first else others).append(row)
        starts.add(start)
    return firsts, others


def ranked(events: list[SearchEvent], k: int, task: Kept) -> list[int]:
    """Ids of the k best, one of each start where there are as many."""
    firsts, others = standing(events, task)
    return [row[2] for row in sorted((firsts + others)[:k])]


def source(task: Kept, particle: Particles) -> int:
    """The scored particle that a result is, or is the finish of."""
    origin = task.book.origins[int(particle.ids)]
    return origin.parent if origin.kind == "finish" else origin.id


def check_finishes(setup: "Setup", events: list[SearchEvent], outcome: Outcome, task: Kept):
    """The leaders were finished, then the next best while none is worth what that was scored; the
    best of them are the result, each as it was scored if that was clean and worth more."""
    searched = [event for event in events if event.kind != "finish"]
    finished = [event for event in events if event.kind == "finish"]
    scored = {int(p.ids): p for e in searched if e.kind in SCORED for p in map(
        e.particles.__getitem__, range(len(e.particles)))}  # fmt: skip
    k, nodes = setup.finish.top_k, setup.finish.steps
    best = ranked(searched, k, task)
    if not nodes:
        assert not finished and [source(task, p) for p in outcome.top] == best
        return
    firsts, others = standing(searched, task)
    rest = sorted((firsts[: k + SPARES] + others[: k + SPARES])[k:])
    left, results = setup.total - searched[-1].spent, []
    for event, particle in zip(finished, best + [row[2] for row in rest], strict=False):
        assert int(event.particles.parents) == particle
        was, now = scored[particle], event.particles
        if len(results) >= k:
            assert max(results) < float(was.reward) and left >= nodes * setup.cost
            assert outcome.stopped not in ("interrupt", "time")
        left -= nodes * setup.cost
        kept = float(was.reward) > float(now.reward) and (setup.lookahead or sharp(was, now))
        results.append(float(was.reward if kept else now.reward))
    assert len(finished) >= len(best)
    if outcome.stopped not in ("interrupt", "time") and len(finished) < len(best) + len(rest):
        row = rest[len(finished) - len(best)]
        assert max(results) >= -row[0] or left < nodes * setup.cost
    rewards = [float(p.reward) for p in outcome.top]
    if len(finished) == len(best):
        assert rewards == sorted(results, reverse=True)
    assert rewards[0] == max(results) and rewards == sorted(rewards, reverse=True)


def sharp(was: Particles, now: Particles) -> bool:
    """Whether a prediction misses less than 3 % of what its finish varies by."""
    a, b = was.clean[was.clean != now.clean], now.clean[was.clean != now.clean]
    return not len(a) or float((a - b).square().mean() / b.var()) < 0.03


def arithmetic(x: torch.Tensor, t: float) -> torch.Tensor:
    """A denoiser of IEEE operations only: the same bits whatever rows share the call."""
    return x / (1.0 + t * t + x * x)


def same(a, b) -> bool:
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in a.__dataclass_fields__)


def assert_same_run(first, second) -> None:
    (events, outcome, task), (others, other, other_task) = first, second
    for a, b in zip(events, others, strict=True):
        assert (a.kind, a.spent, a.quota) == (b.kind, b.spent, b.quota)
        assert same(a.particles, b.particles)
        assert (a.log_w is None and b.log_w is None) or torch.equal(a.log_w, b.log_w)
    assert outcome.stopped == other.stopped and task.failed == other_task.failed
    assert all(same(a, b) for a, b in zip(outcome.top, other.top, strict=True))
