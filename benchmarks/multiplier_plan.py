"""The rows of docs/results.md: methods with their settings, and prices of an evaluation on FLUX."""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import plans
from .world import AUTOMATIC, Setting

BUDGETS = (25, 50, 100, 200)
CURVE_STEPS = {"fast": (1, 2, 4), "base": (5, 10)}  # of best of N
# Steps of the ODE under a regional search, chosen on other prompts.
REGIONAL_STEPS = {"fast": 2, "base": 5}
NAMES = {
    "rbf, VP-SDE": "RBF",
    "svdd, VP-SDE": "SVDD",
    "code, VP-SDE": "CoDe",
    "smc, VP-SDE": "SMC",
    "zero_order": "zero-order",
    "sop": "search over paths",
}


@dataclass(frozen=True)
class FluxPrices:
    """Seconds on a large model.

    Args:
        decoder: its name.
        evaluation: of one network evaluation.
        decode: of one image.
        score: of one image.
    """

    decoder: str
    evaluation: float
    decode: float
    score: float

    def seconds(self, nfe: float, decodes: float, scores: float) -> float:
        """Seconds of a search.

        Args:
            nfe: network evaluations.
            decodes: images decoded.
            scores: images scored.
        """
        return nfe * self.evaluation + decodes * self.decode + scores * self.score

    @property
    def name(self) -> str:
        return f"{self.decoder}, {self.score:g} s a score"


FLUX_PRICES = (
    FluxPrices("TAESD", 1.2, 0.05, 0.02),
    FluxPrices("TAESD", 1.2, 0.05, 0.5),
    FluxPrices("full VAE", 1.2, 0.25, 0.02),
    FluxPrices("full VAE", 1.2, 0.25, 0.5),
)


def methods(weights: str, budget: int) -> dict[str, Setting]:
    """Every method at one budget: settings of the quality tables, and the regional search."""
    rows = plans.searches(weights, budget)
    if "zero_order" in rows:  # there it has as many starts as neighbours
        rows["zero_order"] = replace(rows["zero_order"], options=())
    named = {NAMES[name]: setting for name, setting in rows.items() if name in NAMES}
    auto = replace(plans.sde("auto", budget, weights), lookahead=AUTOMATIC, finish=0, top_k=1)
    regional = plans.ode("regional", REGIONAL_STEPS[weights], budget)
    return named | {"regional": regional, "auto": auto}


def plan(weights: str, budgets: tuple[int, ...] = BUDGETS) -> dict[tuple[int, str], Setting]:
    """(budget, method) -> setting."""
    return {
        (budget, name): setting
        for budget in budgets
        for name, setting in methods(weights, budget).items()
    }
