"""How the children of a particle differ from it: everywhere, or in one region."""

from __future__ import annotations

from collections.abc import Sequence

from ..task import Task
from ..types import Particles
from .aim import Aim
from .rounds import Facts

CHILDREN = {
    "choices": ("auto", "kernel", "region", "redraw"),
    "tooltip": "Where children differ: kernel everywhere, region in one rectangle, redraw there "
    "with all noise new. auto chooses by model.",
}


def settled(how: str, facts: Facts, blurred: str = "kernel") -> str:
    """How children differ, if that is automatic.

    Args:
        how: the setting.
        facts: of the run. With sharp predictions all noise is new, as few-step models are sampled.
        blurred: how they differ if predictions are blurred (docs/levers.md).
    """
    if how != "auto":
        return how
    if facts.sharp is None or facts.calls_network:
        return "kernel"
    return "redraw" if facts.sharp else blurred


def draw_children(
    task: Task,
    parents: Particles,
    counts: Sequence[int],
    how: str,
    aims: Sequence[Aim] = (),
    score: bool = True,
) -> Particles:
    """Children of some parents, one step on, those of each parent together.

    Args:
        task: proposes them.
        parents: K rows.
        counts: how many children each has, (K,).
        how: of CHILDREN's choices, but auto.
        aims: of each parent, if regions need them; none: new ones.
        score: whether the children are scored.
    """
    rows = [row for row, n in enumerate(counts) for _ in range(n)]
    if how == "kernel":
        return task.propose(parents[rows], score=score)
    aims = aims or [Aim(task, parents[i]) for i in range(len(parents))]
    boxes = [box for aim, n in zip(aims, counts, strict=True) if n for box in aim.boxes(n)]
    kernel = task.flow.redraw if how == "redraw" else None
    return task.propose(parents[rows], score=score, kernel=kernel, boxes=boxes)
