"""The rows of the quality tables."""

from __future__ import annotations

from dataclasses import replace

from ..samplers.search.rounds import minimum
from .world import AUTOMATIC, Finish, Prices, Setting

BUDGETS = (25, 50, 100, 200)
TIMED = 6  # prompts that the seconds of a row are measured on
PLAIN_STEPS = {"fast": 4, "base": 20}
BEST_STEPS = {  # of best of N: the best on prompt seed 0; where that was not tried, on these
    "fast": dict.fromkeys(BUDGETS, 1),
    "base": dict.fromkeys(BUDGETS, 5),
}
OTHER_STEPS = {  # other steps of best of N in the tables
    "fast": {25: (2, 4), 50: (2, 4), 100: (2, 4, 5, 10, 20), 200: (4,)},
    "base": {25: (3, 4, 10), 50: (3, 4, 7, 10), 100: (2, 4, 7, 10, 20), 200: (10,)},
}
# What all searches share on each model; chosen on prompt seed 0.
COMMON = {
    "fast": {"finish": 2, "top_k": 3, "kernel": "eta", "norm": 1.0},
    "base": {"finish": 4, "top_k": 1, "kernel": "euler_maruyama", "norm": 3.0},
}
# On `fast` the automatic lookahead finds nothing to do; on `base` 50 NFE are too few for it.
AHEAD = {"fast": {}, "base": {100: AUTOMATIC, 200: AUTOMATIC}}
# The budget divided by this is the number of RBF's random starts.
STARTS = {"fast": 4, "base": 12}
# (steps, steps up, steps down) of the search over paths.
SOP = {"fast": (4, 1, 2), "base": (10, 4, 6)}
RIGHT = -0.5  # right counts have a higher reward
LINEAR = {"path": "linear", "clock": "linear", "spacing": "linear"}
CHOOSING = ("rbf", "svdd")  # how their children differ is a setting; these tables have the paper's
PARTICLE_METHODS = ("rbf", "svdd", "code", "smc")


def ode(method: str, steps: int, budget: int, **changes: object) -> Setting:
    """A method that samples by the plain ODE.

    Args:
        method: a key of SEARCHES.
        steps: even steps of the ODE.
        budget: NFE.
        changes: other fields of the setting.
    """
    fixed = {"norm": 0.0, "kernel": "eta", "finish": 0, **LINEAR}
    return Setting(method, budget, steps, **fixed | changes)


def sde(method: str, budget: int, weights: str, **changes: object) -> Setting:
    """A particle method with the default path and kernel.

    Args:
        method: a key of SEARCHES.
        budget: NFE.
        weights: fast, base or a file.
        changes: other fields of the setting.
    """
    kind = model(weights)
    starts = (("init_particles", budget // STARTS[kind]),) if method == "rbf" else ()
    how = (("children", "kernel"),) if method in CHOOSING else ()
    shared = COMMON[kind] | {"lookahead": AHEAD[kind].get(budget, 0), "options": starts + how}
    return Setting(method, budget, **shared | changes)


def model(weights: str) -> str:
    return weights if weights in COMMON else "fast"


def base_of(budget: int, weights: str) -> Setting:
    """Best of N with the steps that suit it best."""
    kind = model(weights)
    steps = BEST_STEPS[kind].get(budget, PLAIN_STEPS[kind])  # the plain sampler's is itself
    return ode("best_of_n", steps, budget)


def searches(weights: str, budget: int) -> dict[str, Setting]:
    """Every method at one budget, with the default path and kernel."""
    steps, up, down = SOP[model(weights)]
    rows = {"best of N": base_of(budget, weights)}
    rows |= {f"{m}, VP-SDE": sde(m, budget, weights) for m in PARTICLE_METHODS}
    options = (("threshold", RIGHT),)
    rows["threshold, VP-SDE"] = sde("threshold", budget, weights, options=options)
    options = (("starts", 4),)  # as many as neighbours: the paper's
    rows["zero_order"] = ode("zero_order", steps, budget, options=options)
    options = (("paths", 1), ("backward", down), ("forward", up))
    rows["sop"] = ode("sop", steps, budget, options=options)
    return {name: setting for name, setting in rows.items() if affordable(setting)}


def affordable(setting: Setting) -> bool:
    """Whether the budget pays for the search and its finish."""
    lead, times = setting.times()
    prices = Prices.of(len(lead), setting.transition().inner, setting.lookahead)
    least = minimum(setting.search(), len(times), prices)
    return setting.budget >= least + Finish(setting.finish, setting.top_k).rows()


def plan(weights: str) -> dict[str, Setting]:
    """Name -> setting of each row; a name begins with the budget."""
    kind = model(weights)
    plain = PLAIN_STEPS[kind]
    rows = {f"{plain:03} plain ODE": ode("best_of_n", plain, plain)}
    for budget in BUDGETS:
        rows |= {f"{budget:03} {n}": s for n, s in searches(weights, budget).items()}
        for steps in OTHER_STEPS[kind][budget]:
            rows[f"{budget:03} best of N, {steps} steps"] = ode("best_of_n", steps, budget)
    for method in PARTICLE_METHODS:
        rows |= other_paths(method, weights)
    for method in PARTICLE_METHODS:
        rows |= by_glass(method, weights)
    return rows | (few_step_rows(weights) if kind == "fast" else many_step_rows(weights))


def other_paths(method: str, weights: str) -> dict[str, Setting]:
    """A particle method with the ODE and the SDE of the linear path, at 100 NFE."""
    usual = sde(method, 100, weights)
    rows = {
        f"100 {method}, linear ODE": replace(usual, norm=0.0, **LINEAR),
        f"100 {method}, linear SDE": replace(usual, **LINEAR),
    }
    if model(weights) == "base":
        rows[f"100 {method}, VP-SDE, lookahead 0"] = replace(usual, lookahead=0)
    return rows


def by_glass(method: str, weights: str) -> dict[str, Setting]:
    """A particle method by GLASS at 100 NFE. A particle costs three or more, so steps are fewer."""
    few = sde(method, 25, weights).options
    glass = {"kernel": "glass", "inner": 3, "steps": 5, "options": few}
    rows = {f"100 {method}, glass": sde(method, 100, weights, **glass)}
    if model(weights) == "base":
        rows[f"100 {method}, glass, lookahead 0"] = sde(method, 100, weights, lookahead=0, **glass)
    return rows


def few_step_rows(weights: str) -> dict[str, Setting]:
    """What is tried on the few-step model alone."""
    few, common = sde("rbf", 25, weights).options, COMMON["fast"]
    return {
        "100 rbf, VP-SDE, lookahead 1": sde("rbf", 100, weights, lookahead=1, options=few),
        "100 best of N, finished": ode(
            "best_of_n", 1, 100, finish=common["finish"], top_k=common["top_k"]
        ),
    }


def many_step_rows(weights: str) -> dict[str, Setting]:
    """What is tried on the undistilled model alone.

    With fewer steps each has more particles, and 50 NFE pay for a lookahead.
    """
    few, starts = {"steps": 7, "lookahead": 4}, (("init_particles", 3), ("children", "kernel"))
    rows = {
        "050 rbf, 7 steps, lookahead 4": sde("rbf", 50, weights, options=starts, **few),
        "050 code, 7 steps, lookahead 4": sde("code", 50, weights, **few),
    }
    for method in PARTICLE_METHODS:
        rows[f"100 {method}, VP-SDE, 7 steps"] = sde(method, 100, weights, steps=7)
    return rows
