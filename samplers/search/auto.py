"""Auto: another method, chosen by what the run knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from .best_of_n import BestOfN
from .rbf import RolloverBudgetForcing
from .regional import Regional
from .rounds import Choice, Facts, Method, Round, Search, minimum
from .svdd import SVDD

ALL = 1 << 30  # times: as many as there are


@dataclass(frozen=True)
class Line:
    """A line of the rule: a method, and when it is chosen.

    Args:
        search: the method with its settings.
        sharp: of the first prediction; None: either, or not known.
        least: evaluations that the budget has to buy, for each step of the schedule.
        ode_steps: as in `Choice`.
        whole: whether another sampler makes whole images.
    """

    search: Search
    sharp: bool | None = None
    least: int = 0
    ode_steps: int | None = None
    whole: bool = False

    def holds(self, facts: Facts) -> bool:
        """Whether the facts call for this method, and the run can carry it."""
        search, steps, prices = self.search, facts.steps, facts.prices
        if self.ode_steps:
            steps, prices = min(steps, self.ode_steps), replace(prices, child=1)
        branches = any(r.begin in ("parent", "survivors") for r in search.rounds(steps))
        return (
            self.whole == facts.whole
            and self.sharp in (None, facts.sharp)
            and facts.budget >= self.least * facts.steps
            and (not branches or facts.draws())
            and not (facts.guided and (self.ode_steps or not search.guided or search.needs_noise))
            and minimum(search, steps, prices) <= facts.left
        )


RULE = (  # the first line that holds; the last one where none does
    Line(Regional(), whole=True),
    Line(Regional(), sharp=True, ode_steps=2),
    Line(RolloverBudgetForcing(), sharp=True),
    Line(SVDD(), sharp=False, least=15),
    Line(Regional(), sharp=False, ode_steps=ALL),
    Line(BestOfN(), ode_steps=ALL),
    Line(BestOfN()),
)


@dataclass(frozen=True)
class Auto(Method):
    """The first line of RULE that holds:

    - If another sampler makes whole images, it is the regional search.
    - A model whose first prediction is sharp gets the regional search, on 2 steps of the schedule.
      With guidance, which moves no step of the ODE, it gets Rollover Budget Forcing.
    - Any other model gets SVDD if the budget buys 15 evaluations for each step of the schedule,
      3 children with a lookahead of 4. Else it gets the regional search, on all steps. SMC is as
      good as SVDD, but its temperature is in the reward's units, which nobody knows here.
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
        source = f"{facts.source}, with {share} evaluations a step"
        return Choice(line.search.choice(facts).search, line.ode_steps, source)
