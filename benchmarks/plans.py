"""The rows of the quality tables."""

from __future__ import annotations

from dataclasses import replace

from ..samplers.search.rounds import minimum
from .world import AUTOMATIC, Finish, Prices, Setting

BUDGETS = (25, 50, 100, 200)
TIMED = 6  # prompts, for the seconds of a row
PLAIN_STEPS = {"fast": 4, "base": 20}
BEST_STEPS = {  # of best of N: what won on prompt seed 0, or where that was not tried on these
    "fast": dict.fromkeys(BUDGETS, 1),
    "base": dict.fromkeys(BUDGETS, 5),
}
OTHER_STEPS = {  # of best of N, beside these
    "fast": {25: (2, 4), 50: (2, 4), 100: (2, 4, 5, 10, 20), 200: (4,)},
    "base": {25: (3, 4, 10), 50: (3, 4, 7, 10), 100: (2, 4, 7, 10, 20), 200: (10,)},
}
# What a search shares with its rivals on each model; chosen on prompt seed 0.
COMMON = {
    "fast": {"finish": 2, "top_k": 3, "kernel": "eta", "norm": 1.0},
    "base": {"finish": 4, "top_k": 1, "kernel": "euler_maruyama", "norm": 3.0},
}
# The automatic lookahead looks at `fast` in vain, and 50 NFE do not carry it on `base`.
AHEAD = {"fast": {}, "base": {100: AUTOMATIC, 200: AUTOMATIC}}
# RBF's random starts, as a share of the budget: where one early look is worth much, many.
STARTS = {"fast": 4, "base": 12}
# Steps, and of these up and down.
SOP = {"fast": (4, 1, 2), "base": (10, 4, 6)}
RIGHT = -0.5  # the reward of right counts is above
LINEAR = {"path": "linear", "clock": "linear", "spacing": "linear"}
PARTICLE_METHODS = ("rbf", "svdd", "code", "smc")


def ode(method: str, steps: int, budget: int, **other: object) -> Setting:
    """A method that draws by the plain ODE with `steps` even steps."""
    fixed = {"norm": 0.0, "kernel": "eta", "finish": 0, **LINEAR}
    return Setting(method, budget, steps, **fixed | other)


def sde(method: str, budget: int, weights: str, **other: object) -> Setting:
    """A particle method on the path and kernel that are our defaults."""
    kind = model(weights)
    starts = (("init_particles", budget // STARTS[kind]),) if method == "rbf" else ()
    shared = COMMON[kind] | {"lookahead": AHEAD[kind].get(budget, 0), "options": starts}
    return Setting(method, budget, **shared | other)


def model(weights: str) -> str:
    return weights if weights in COMMON else "fast"


def base_of(budget: int, weights: str) -> Setting:
    """Best of N at its best."""
    kind = model(weights)
    steps = BEST_STEPS[kind].get(budget, PLAIN_STEPS[kind])  # the plain sampler's is itself
    return ode("best_of_n", steps, budget)


def searches(weights: str, budget: int) -> dict[str, Setting]:
    """Every method at one budget, on the path and kernel that are our defaults."""
    steps, up, down = SOP[model(weights)]
    rows = {"best of N": base_of(budget, weights)}
    rows |= {f"{m}, VP-SDE": sde(m, budget, weights) for m in PARTICLE_METHODS}
    options = (("threshold", RIGHT),)
    rows["threshold, VP-SDE"] = sde("threshold", budget, weights, options=options)
    rows["zero_order"] = ode("zero_order", steps, budget)
    options = (("paths", 1), ("backward", down), ("forward", up))
    rows["sop"] = ode("sop", steps, budget, options=options)
    return {name: setting for name, setting in rows.items() if affordable(setting)}


def affordable(setting: Setting) -> bool:
    """Whether the budget carries the search and its finish."""
    lead, times = setting.times()
    prices = Prices.of(len(lead), setting.transition().inner, setting.lookahead)
    least = minimum(setting.search(), len(times), prices)
    return setting.budget >= least + Finish(setting.finish, setting.top_k).rows()


def plan(weights: str) -> dict[str, Setting]:
    """Name -> setting of every row; the names begin with the budget."""
    kind = model(weights)
    common, plain = COMMON[kind], PLAIN_STEPS[kind]
    rows = {f"{plain:03} plain ODE": ode("best_of_n", plain, plain)}
    for budget in BUDGETS:
        rows |= {f"{budget:03} {n}": s for n, s in searches(weights, budget).items()}
        for steps in OTHER_STEPS[kind][budget]:
            rows[f"{budget:03} best of N, {steps} steps"] = ode("best_of_n", steps, budget)
    for method in PARTICLE_METHODS:
        own = sde(method, 100, weights)
        rows[f"100 {method}, linear ODE"] = replace(own, norm=0.0, **LINEAR)
        rows[f"100 {method}, linear SDE"] = replace(own, **LINEAR)
        if kind == "base":
            rows[f"100 {method}, VP-SDE, lookahead 0"] = replace(own, lookahead=0)
    for method in PARTICLE_METHODS:  # a candidate costs three or more, so it takes fewer steps
        few = sde(method, 25, weights).options
        glass = {"kernel": "glass", "inner": 3, "steps": 5, "options": few}
        rows[f"100 {method}, glass"] = sde(method, 100, weights, **glass)
        if kind == "base":
            rows[f"100 {method}, glass, lookahead 0"] = sde(
                method, 100, weights, lookahead=0, **glass
            )
    if kind == "fast":
        few = sde("rbf", 25, weights).options
        rows["100 rbf, VP-SDE, lookahead 1"] = sde("rbf", 100, weights, lookahead=1, options=few)
        rows["100 best of N, finished"] = ode(
            "best_of_n", 1, 100, finish=common["finish"], top_k=common["top_k"]
        )
    else:  # fewer steps leave more candidates to each, and 50 NFE carry a lookahead
        few = {"steps": 7, "lookahead": 4}
        starts = (("init_particles", 3),)
        rows["050 rbf, 7 steps, lookahead 4"] = sde("rbf", 50, weights, options=starts, **few)
        rows["050 code, 7 steps, lookahead 4"] = sde("code", 50, weights, **few)
        for method in PARTICLE_METHODS:
            rows[f"100 {method}, VP-SDE, 7 steps"] = sde(method, 100, weights, steps=7)
    return rows
