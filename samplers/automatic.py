"""What is automatic in a search, decided before it begins: its method, settings and lookahead."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from .lookahead import (
    AUTOMATIC,
    LOOK,
    SHARP,
    blur,
    carries,
    chooses_early,
    lengths,
    may_look,
    shared,
)
from .paid_network import MODELS
from .regions import part_of
from .rules import Finish
from .search import SEARCHES
from .search.rounds import Choice, Facts, Search
from .task import Task
from .trajectories import WholeTask

NAMES = {search: name for name, search in SEARCHES.items()}


@dataclass(frozen=True)
class Settled:
    """A search with nothing automatic left.

    Args:
        search: the method that runs.
        task: with its lookahead, and the times that it works at.
        finish: how it ends.
        clean: whether particles that it scores are known to be clean images.
        chosen: what automatic settings came to, and `why` in one sentence: the report's entry.
            Empty if there was nothing to choose.
    """

    search: Search
    task: Task
    finish: Finish
    clean: bool
    chosen: dict[str, Any] = field(default_factory=dict)


def settle(search: Search, task: Task, finish: Finish) -> Settled:
    """Decide what is automatic. The purse keeps what the finish takes.

    A look costs a birth and LOOK evaluations. An automatic lookahead needs one, unless the method
    first chooses between nearly clean particles. None is taken if the budget cannot carry a search
    with a lookahead of LOOK. The same look serves an automatic method and its settings. If the
    lookahead is set, that says what the model is: with 0 its first prediction is sharp. If a second
    model looks ahead, the look is at that one, and the search's own model is taken for blurred.

    Args:
        search: the method.
        task: the image to find. Its lookahead may be automatic.
        finish: how the search ends. A lookahead that was automatic replaces it if it is as long.
    """
    task.purse.reserve(finish.rows())
    automatic, ahead, clean = task.lookahead == AUTOMATIC, task.lookahead, task.lookahead > 0
    sharp, source = _sharpness(search, task)
    facts = _facts(task, sharp, source)
    choice = search.choice(facts)
    if choice.ode_steps:
        task = replace(task, flow=task.flow.coarser(choice.ode_steps))
    if automatic:
        able = (n for n in lengths(task, sharp) if carries(choice.search, task, n))
        ahead = next(able, 0)
        clean = ahead > 0 or bool(facts.sharp)
        finish = finish.after(ahead, task.flow.end, task.flow.finishes_apart)
        task.purse.reserve(finish.rows())
    task = replace(task, lookahead=ahead)
    if task.first_look.answers:
        task.first_look.leave(shared(choice.search, task, ahead))
    return Settled(
        choice.search, task, finish, clean, _chosen(search, choice, facts, task, automatic)
    )


def _sharpness(search: Search, task: Task) -> tuple[bool | None, str]:
    """Whether the first prediction is sharp, and where that is known from."""
    if isinstance(task, WholeTask):
        return None, "The sampler makes whole images"
    if task.lookahead == AUTOMATIC:
        return _look(search, task)
    return task.lookahead == 0, f"The lookahead is set to {task.lookahead}"


def _look(search: Search, task: Task) -> tuple[bool | None, str]:
    """As `_sharpness`, by a look."""
    if not chooses_early(search, task):
        return None, "The search first chooses between clear predictions"
    if not may_look(search, task):
        return None, "The budget is too small for a look at the model"
    missed = blur(*(part_of(x, task.flow.part) for x in task.look(LOOK)))
    if math.isnan(missed):
        return None, "The first prediction is not finite"
    second = task.flow.look_denoiser is not None
    sharp = missed < SHARP
    whose = f" of {MODELS['look_denoiser']}" if second else ""
    return sharp, f"The first prediction{whose} is {'sharp' if sharp else 'blurred'}"


def _facts(task: Task, sharp: bool | None, source: str) -> Facts:
    second = task.flow.look_denoiser is not None
    ahead = lengths(task, sharp)[0] if task.lookahead == AUTOMATIC else task.lookahead
    return Facts(
        False if second else sharp,
        source,
        steps=len(task.times),
        budget=int(task.purse.total // task.purse.cost),
        left=int(task.left),
        prices=replace(task.prices, score=ahead),
        guided=_only_kernel_guided(task),
        draws=task.flow.draws,
        whole=isinstance(task, WholeTask),
        calls_network=task.flow.kernel.inner > 0,
        second=second and (task.lookahead != AUTOMATIC or sharp is not False),
    )


def _only_kernel_guided(task: Task) -> bool:
    """Whether guidance moves steps of the kernel, and none of the ODE's."""
    steering = task.steering
    return steering is not None and steering.guidance.strength > 0.0 and not steering.moves_ode


def _chosen(
    search: Search, choice: Choice, facts: Facts, task: Task, automatic: bool
) -> dict[str, Any]:
    """The report's entry."""
    changed = type(choice.search) is not type(search)
    before = vars(type(choice.search)()) if changed else vars(search)
    entries: dict[str, Any] = {"method": NAMES[type(choice.search)]} if changed else {}
    entries |= {"ode_steps": len(task.times)} if choice.ode_steps else {}
    entries |= {k: value for k, value in vars(choice.search).items() if value != before[k]}
    entries |= {"lookahead": task.lookahead} if automatic else {}
    if not entries:
        return {}
    *first, last = (_clause(name, value) for name, value in entries.items())
    said = f"{', '.join(first)} and {last}" if first else last
    return entries | {"why": f"{choice.source or facts.source}. So {said}."}


def _clause(name: str, value: Any) -> str:
    """What an entry means, in words that need no manual."""
    if name == "children":
        return f"children differ {'everywhere' if value == 'kernel' else 'in one region'}"
    if name == "lookahead" and not value:
        return "particles are scored as they are"
    steps = "1 plain step {}s" if value == 1 else f"{value} plain steps {{}}"
    clauses = {
        "method": f"the method is {value}",
        "ode_steps": steps.format("remain"),
        "init_particles": f"it begins with {value} particles",
        "lookahead": f"{steps.format('sharpen')} each particle",
    }
    return clauses.get(name, f"{name.replace('_', ' ')} is {value}")
