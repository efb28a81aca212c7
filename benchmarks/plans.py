"""The rows of the quality tables."""

from __future__ import annotations

from dataclasses import replace

from world import AUTOMATIC, Finish, Prices, Setting

BUDGETS = (25, 50, 100, 200)
PLAIN_STEPS = {"fast": 4, "base": 20}
BEST_STEPS = {"fast": 4, "base": 10}  # of best of N: what won on prompt seed 0
# What a search shares with its rivals on each model; chosen on prompt seed 0.
COMMON = {
    "fast": {"finish": 2, "top_k": 3, "kernel": "eta", "norm": 1.0},
    "base": {"finish": 4, "top_k": 1, "kernel": "euler_maruyama", "norm": 3.0},
}
# The automatic lookahead looks at `fast` in vain, and 50 NFE do not carry it on `base`.
AHEAD = {"fast": {}, "base": {100: AUTOMATIC, 200: AUTOMATIC}}
# RBF's random starts, as a share of the budget: where one early look is worth much, many.
STARTS = {"fast": 4, "base": 12}
SOP = {"fast": (2, 3), "base": (4, 6)}  # steps up and down
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


def base_of(setting: Setting, weights: str) -> Setting:
    """Best of N at the same budget."""
    return ode("best_of_n", BEST_STEPS[model(weights)], setting.budget)


def searches(weights: str, budget: int) -> dict[str, Setting]:
    """Every method at one budget, on the path and kernel that are our defaults."""
    steps = BEST_STEPS[model(weights)]
    rows = {"best of N": ode("best_of_n", steps, budget)}
    rows |= {f"{m}, VP-SDE": sde(m, budget, weights) for m in (*PARTICLE_METHODS, "threshold")}
    rows["zero_order"] = ode("zero_order", steps, budget)
    up, down = SOP[model(weights)]
    options = (("paths", 1), ("forward", up), ("backward", down))
    rows["sop"] = ode("sop", steps, budget, options=options)
    return {name: setting for name, setting in rows.items() if affordable(setting)}


def affordable(setting: Setting) -> bool:
    """Whether the budget carries the search and its finish."""
    lead, times = setting.times()
    prices = Prices.of(len(lead), setting.transition().inner, setting.lookahead)
    least = setting.search().minimum(len(times), prices)
    return setting.budget >= least + Finish(setting.finish, setting.top_k).rows()


def plan(weights: str) -> dict[str, Setting]:
    """Name -> setting of every row; the names begin with the budget."""
    kind = model(weights)
    common, plain = COMMON[kind], PLAIN_STEPS[kind]
    rows = {f"{plain:03} plain ODE": ode("best_of_n", plain, plain)}
    for budget in BUDGETS:
        rows |= {f"{budget:03} {n}": s for n, s in searches(weights, budget).items()}
    for method in PARTICLE_METHODS:
        own = sde(method, 100, weights)
        rows[f"100 {method}, linear ODE"] = replace(own, norm=0.0, **LINEAR)
        rows[f"100 {method}, linear SDE"] = replace(own, **LINEAR)
        if kind == "base":
            rows[f"100 {method}, VP-SDE, lookahead 0"] = replace(own, lookahead=0)
    rbf, few = sde("rbf", 100, weights), sde("rbf", 25, weights).options
    # Each candidate costs three or four.
    rows["100 rbf, glass"] = replace(rbf, kernel="glass", inner=3, steps=5, options=few)
    if kind == "fast":
        rows["100 rbf, VP-SDE, lookahead 1"] = replace(rbf, lookahead=1, options=few)
        rows["100 rbf, VP-SDE, lookahead -1"] = replace(rbf, lookahead=AUTOMATIC)
    else:
        starts = (("init_particles", 3),)
        rows["050 rbf, 7 steps, lookahead 4"] = sde(
            "rbf", 50, weights, steps=7, lookahead=4, options=starts
        )
    for steps in (1, 2, 5, 10, 20):
        rows[f"100 best of N, {steps} steps"] = ode("best_of_n", steps, 100)
    rows["100 best of N, 1 step, finished"] = ode(
        "best_of_n", 1, 100, finish=common["finish"], top_k=common["top_k"]
    )
    return rows
