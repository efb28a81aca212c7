"""Auto: another method, chosen by what the run knows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from .best_of_n import BestOfN
from .rbf import RolloverBudgetForcing
from .regional import Regional
from .regional_paths import RegionalPaths
from .rounds import Choice, Facts, Method, Round, Search, minimum
from .svdd import SVDD

HALF = 2  # of the schedule's steps, the ODE walks one in so many
ALL = 1


@dataclass(frozen=True)
class Line:
    """A line of the rule: a method, and when it is chosen.

    Args:
        search: the method with its settings.
        sharp: of the first prediction; None: either, or not known.
        thinned: the ODE walks one in so many of the schedule's steps. 0: the kernel walks all.
        least: evaluations that the budget has to buy, for each step of the schedule.
        whole: whether another sampler makes whole images.
        second: whether a second model has to show the clean image of a particle at once.
    """

    search: Search
    sharp: bool | None = None
    thinned: int = 0
    least: int = 0
    whole: bool = False
    second: bool = False

    def holds(self, facts: Facts) -> bool:
        """Whether the facts call for this method, and the run can carry it."""
        search, steps, prices = self.search, self.ode_steps(facts) or facts.steps, facts.prices
        if self.thinned:
            prices = replace(prices, child=1)
        branches = any(r.begin in ("parent", "survivors") for r in search.rounds(steps))
        random = facts.draws() or facts.sharp  # then children are redrawn
        return (
            self.whole == facts.whole
            and self.sharp in (None, facts.sharp)
            and facts.budget >= self.least * facts.steps
            and (facts.second or not self.second)
            and (self.thinned or not branches or random)
            and not (facts.guided and (self.thinned or not search.guided or search.needs_noise))
            and minimum(search, steps, prices) <= facts.left
        )

    def ode_steps(self, facts: Facts) -> int | None:
        """As in `Choice`."""
        return math.ceil(facts.steps / self.thinned) if self.thinned else None


RULE = (  # the first line that holds; the last one where none does
    Line(Regional(), whole=True),
    Line(RolloverBudgetForcing(), sharp=True, least=15),
    Line(SVDD(), sharp=True),
    Line(RolloverBudgetForcing(), second=True),
    Line(RegionalPaths(), sharp=False, thinned=HALF),
    Line(SVDD(), sharp=False),
    Line(BestOfN(), thinned=ALL),
    Line(BestOfN()),
)


@dataclass(frozen=True)
class Auto(Method):
    """The first line of RULE that holds:

    - If another sampler makes whole images, it is the regional search.
    - A model whose first prediction is sharp gets Rollover Budget Forcing if the budget buys 15
      evaluations for each step of the schedule, else SVDD. Children are redrawn in one region.
    - If a second model shows the image of a particle at once, it is Rollover Budget Forcing.
    - Any other model gets the regional search over paths. The ODE walks half of the schedule's
      steps, which leaves more images to try.
    - With guidance that moves no step of the ODE, it gets SVDD.
    - What is left gets best of N, by the ODE.

    Methods that branch are passed over where the kernel draws no noise, and so are those that the
    budget cannot carry. Prices of decoder and reward do not count, since they are known in seconds
    alone: with them, a seed would not be a result.
    """

    description: ClassVar[str] = (
        "Looks at the model first, and chooses one of the methods below. The report says which."
    )

    whole_trajectories: ClassVar[bool] = True

    def rounds(self, steps: int) -> list[Round]:
        """A look at the first time, and one whole trajectory: the least that best of N needs."""
        return [Round(0, 0, "noise", scored=False), Round(0, steps - 1, "survivors")]

    def choice(self, facts: Facts) -> Choice:
        line = next((line for line in RULE if line.holds(facts)), RULE[-1])
        share = facts.budget // facts.steps
        source = f"{facts.source}, and the budget buys {share} evaluations a step"
        return Choice(line.search.choice(facts).search, line.ode_steps(facts), source)
