"""The rows of docs/levers.md: a setting of a method, and the plain method it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from . import plans
from .world import Guided, Helped, Setting

BUDGET = 100  # NFE
POOL = 77  # seed of the prompts; that of docs/results.md is 20
SET = "hard"
PROMPTS = 60  # what is to be run of each lever
# The last commit with pruned best of N, and the arguments of its levers.py.
DRAFT = "6d63ecf"
DRAFT_ARGUMENTS = '--weights base --prompts 16 --only "best of N|pruned"'


@dataclass(frozen=True)
class Lever:
    """A setting, and what it is compared with on the same prompts and seeds.

    Args:
        name: of the lever.
        weights: fast or base.
        search: method and steps, as in "zero-order, 2 steps".
        setting: with the lever.
        rival: what the lever is compared with, in words.
        plain: without the lever.
        state: what the pack does: default, off or left out.
    """

    name: str
    weights: str
    search: str
    setting: Setting
    rival: str
    plain: Setting
    state: str

    @property
    def is_in_the_tree(self) -> bool:
        """Whether its runs can be made here."""
        return self.setting.method != "pruned"


def with_options(setting: Setting, **options: object) -> Setting:
    """The setting with other settings of its method."""
    return replace(setting, options=tuple(options.items()))


def random_share(weights: str, steps: int) -> Lever:
    """A quarter of the budget for random starts of zero-order, or as many starts as neighbours."""
    auto = plans.ode("zero_order", steps, BUDGET)
    few = with_options(auto, starts=4)
    search = f"zero-order, {steps} steps"
    return Lever("random share first", weights, search, auto, "4 starts", few, "default")


def patience(number: int) -> Lever:
    """New starts of the regional search after so many proposals in vain, or none."""
    plain = plans.ode("regional", 2, BUDGET)
    patient = with_options(plain, patience=number)
    name, search = f"restarts, patience {number}", "regional, 2 steps"
    return Lever(name, "fast", search, patient, "patience 0", plain, "off")


def automatic_starts() -> Lever:
    """A quarter of the budget for the starts of RBF, or the fixed number that it replaced."""
    setting = plans.sde("rbf", BUDGET, "fast")
    auto, fixed = (
        with_options(setting, init_particles=number, children="kernel") for number in (0, 8)
    )
    name, search = "automatic starts", "RBF, 10 steps"
    return Lever(name, "fast", search, auto, "8 starts", fixed, "default")


def redrawn(method: str, weights: str) -> Lever:
    """Children that are redrawn in one region, or drawn everywhere by the kernel."""
    plain = plans.sde(method, BUDGET, weights)
    redrawn = with_options(plain, **dict(plain.options) | {"children": "redraw"})
    name, search = "children redrawn in a region", f"{method.upper()}, 10 steps"
    state = "off" if (method, weights) == ("rbf", "base") else "default"
    return Lever(name, weights, search, redrawn, "children by the kernel", plain, state)


def in_region(method: str, weights: str) -> Lever:
    """Children by the kernel in one region, or everywhere."""
    plain = plans.sde(method, BUDGET, weights)
    region = with_options(plain, **dict(plain.options) | {"children": "region"})
    name, search = "kernel noise in a region", f"{method.upper()}, 10 steps"
    return Lever(name, weights, search, region, "everywhere", plain, "off")


def in_mid_trajectory() -> Lever:
    """Regions noised back up in the middle of the trajectory, or drawn anew at its start."""
    paths, plain = (plans.ode(name, 5, BUDGET) for name in ("regional_paths", "regional"))
    name, search = "regions in mid-trajectory", "regional paths, 5 steps"
    return Lever(name, "base", search, paths, "regional, 5 steps", plain, "default")


def blame() -> Lever:
    """Regions where the reward sees mistakes, or anywhere."""
    paths = plans.ode("regional_paths", 5, BUDGET)
    blind = with_options(paths, follow_blame=False)
    name, search = "blame", "regional paths, 5 steps"
    return Lever(name, "base", search, paths, "regions anywhere", blind, "default")


def second_model() -> Lever:
    """`fast` looks one step ahead for `base` and finishes, or `base` looks ahead for itself."""
    plain = plans.sde("rbf", BUDGET, "base")
    starts = {"init_particles": 0, "children": "kernel"}
    helped = with_options(replace(plain, lookahead=1, finish=1), **starts)
    helped = Helped(**{f.name: getattr(helped, f.name) for f in fields(helped)})
    name, search = "another model looks ahead", "RBF, 10 steps"
    return Lever(name, "base", search, helped, "no other model", plain, "by a wire")


def pruned(steps: int) -> Lever:
    """Best of N that drops the worse half at 40 % and at 60 % of the steps."""
    setting, plain = plans.ode("pruned", steps, BUDGET), plans.ode("best_of_n", 5, BUDGET)
    search, rival = f"best of N, {steps} steps", "best of N, 5 steps"
    return Lever("pruning", "base", search, setting, rival, plain, "left out")


def drafted(weights: str, name: str, words: str, **options: float) -> Lever:
    """Best of N with a lever that is not in the pack (drafts.py), or plain best of N.

    Args:
        weights: fast or base.
        name: of the draft.
        words: its setting.
        options: of the draft.
    """
    steps = plans.BEST_STEPS[weights][BUDGET] if weights == "base" else 2
    plain = plans.ode("best_of_n", steps, BUDGET)
    setting = replace(plain, method=name, options=tuple(options.items()))
    search = f"best of N, {steps} steps"
    return Lever(f"{name}, {words}", weights, search, setting, "best of N", plain, "left out")


def velocity(weights: str, search: str, plain: Setting, strength: float) -> Lever:
    """Guidance by the gradient of soft counts, which no search scores by.

    Args:
        weights: fast or base.
        search: the method, in words.
        plain: without guidance.
        strength: of the guidance.
    """
    guided = Guided(**vars(plain), strength=strength)
    name = f"velocity guidance {strength:g}"
    search = f"{search}, {plain.steps} steps"
    return Lever(name, weights, search, guided, "no guidance", plain, "by a setting")


LEVERS = (
    random_share("fast", 2),
    random_share("fast", 4),
    redrawn("rbf", "fast"),
    redrawn("svdd", "fast"),
    redrawn("rbf", "base"),
    redrawn("svdd", "base"),
    in_region("svdd", "fast"),
    in_region("svdd", "base"),
    in_region("rbf", "base"),
    in_mid_trajectory(),
    blame(),
    second_model(),
    automatic_starts(),
    patience(20),
    random_share("base", 10),
    pruned(10),
    pruned(20),
    *(
        drafted(weights, "conditioning noise", f"{share:g} of a token", share=share)
        for weights in ("fast", "base")
        for share in (0.2, 0.5)
    ),
    velocity("fast", "best of N", plans.ode("best_of_n", 2, BUDGET), 0.1),
    velocity("fast", "best of N", plans.ode("best_of_n", 2, BUDGET), 0.3),
    velocity("base", "best of N", plans.ode("best_of_n", 5, BUDGET), 0.1),
    velocity("base", "best of N", plans.ode("best_of_n", 5, BUDGET), 0.3),
    velocity("base", "regional paths", plans.ode("regional_paths", 5, BUDGET), 0.1),
)
NOT_MEASURED = {
    "prompt variants as arms": "not in the pack. The demo model reads a caption in one form, and "
    "the order of its phrases has no meaning",
}
