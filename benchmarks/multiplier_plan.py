"""The rows of docs/results.md: methods with their settings, and prices of an evaluation on FLUX."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..demo.diffusion import PREDICTIONS
from ..samplers.search.waves import whole_waves
from . import plans
from .twin_world import TwinSetting
from .world import AUTOMATIC, Setting

BUDGETS = (25, 50, 100, 200)
MODELS, SETS = ("fast", "base", *PREDICTIONS), ("hard", "medium", "easy")
CURVE_STEPS = {"fast": (1, 2, 4), "base": (5, 10), "eps": (5, 10), "v": (5, 10)}  # of best of N
# Steps of the ODE under a regional search, chosen on other prompts.
REGIONAL_STEPS = {"fast": 2, "base": 5}
PATHS_STEPS = {"base": 5}
# Steps of the schedule, chosen on other prompts: where children are redrawn, and of auto.
STEPS = {"fast": {"children": 5, "auto": 5}, "base": {"children": 5, "auto": 10}}
FINISH = {"fast": 2, "base": 0}  # of auto
INIT = {"fast": 4, "base": 20}  # the budget divided by this is the number of RBF's random starts
NAMES = {
    "rbf, VP-SDE": "RBF, kernel",
    "svdd, VP-SDE": "SVDD, kernel",
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
    """Every method at one budget: settings of the quality tables, and those of regional search.

    Diffusion models have those of the flow model that they were made from, and some of their own.
    """
    if weights in PREDICTIONS:
        rows = methods("base", budget)
        if published := rows.get("RBF, kernel"):
            rows["RBF, ancestral"] = replace(published, kernel="eta", norm=1.0)
            rows["RBF, kernel, no look"] = replace(published, lookahead=0)
        return {name: TwinSetting(**vars(setting)) for name, setting in rows.items()}
    rows = plans.searches(weights, budget)
    if "zero_order" in rows:  # there it has as many starts as neighbours
        rows["zero_order"] = replace(rows["zero_order"], options=())
    named = {NAMES[name]: setting for name, setting in rows.items() if name in NAMES}
    steps = STEPS[weights]
    ours = {name: redrawn(name.lower(), budget, weights) for name in ("RBF", "SVDD")}
    ours["regional"] = plans.ode("regional", REGIONAL_STEPS[weights], budget)
    if weights in PATHS_STEPS:
        ours["regional paths"] = plans.ode("regional_paths", PATHS_STEPS[weights], budget)
    auto = plans.sde("auto", budget, weights, steps=steps["auto"])
    ours["auto"] = replace(auto, lookahead=AUTOMATIC, finish=FINISH[weights], top_k=1)
    return ours | named


def redrawn(method: str, budget: int, weights: str) -> Setting:
    """A method whose children are redrawn in one region.

    Args:
        method: rbf or svdd.
        budget: NFE.
        weights: fast or base.
    """
    steps = STEPS[weights]["children"]
    options = [("children", "redraw")]
    if method == "rbf":
        options.insert(0, ("init_particles", whole_waves(budget // INIT[weights])))
    return plans.sde(method, budget, weights, steps=steps, options=tuple(options))


def plan(weights: str, budgets: tuple[int, ...] = BUDGETS) -> dict[tuple[int, str], Setting]:
    """(budget, method) -> setting."""
    return {
        (budget, name): setting
        for budget in budgets
        for name, setting in methods(weights, budget).items()
    }
