"""The tries of a path: children of one parent, drawn several at once and handed out one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field

from ..crew.task import Ahead
from ..task import Task
from ..types import Particles
from .aim import Aim
from .children import draw_children


@dataclass
class Path:
    """Where one path of Rollover Budget Forcing stands.

    Args:
        parent: (1 row) whose children are tried.
        allowed: children that it may try from this parent.
        last_step: of the search. A path does not move to it, it only tries children there.
        share: children that the budget still buys it.
        tried: children of this parent so far.
        record: r*, the highest reward that it has moved to or, at the last step, tried.
        best: the best of the children tried that can have children.
        aim: draws regions for children of this parent; None: not needed so far.
    """

    parent: Particles
    allowed: int
    last_step: int
    share: int
    tried: int = 0
    record: float = field(init=False)
    best: Particles | None = None
    aim: Aim | None = None

    def __post_init__(self) -> None:
        self.record = float(self.parent.reward)

    @property
    def at_the_end(self) -> bool:
        """Whether children are at the last step."""
        return int(self.parent.steps) >= self.last_step - 1

    @property
    def left(self) -> int:
        """What is left of the quota."""
        return self.allowed - self.tried

    @property
    def used_up(self) -> bool:
        """Whether the quota is used up, so that the path has to move."""
        return self.left == 0 and not self.at_the_end

    def room(self, at_once: int) -> int:
        """How many children to draw next, at most `at_once`."""
        return min(at_once, self.share if self.at_the_end else min(self.share, self.left))

    def accepts(self, child: Particles, quota: int) -> bool:
        """Whether a child is better than all before. The path moves to it at once.

        Args:
            child: of its parent.
            quota: children that the path may try per step. What is left of it rolls over.
        """
        if not child.reward > self.record:
            return False
        self.record = float(child.reward)
        self._move(child, self.left + quota)
        return True

    def exhausts(self, quota: int) -> bool:
        """Whether the path moves to its best child, as it may try no more. The record stays.

        Args:
            quota: as of `accepts`. A path without a child to go on from may try as many again.
        """
        if not self.used_up:
            return False
        if self.best is None:
            self.allowed += quota
            return False
        self._move(self.best, quota)
        return True

    def _move(self, child: Particles, allowed: int) -> None:
        """Go on from a child, which may try `allowed` children; at the last step, stay."""
        if not self.at_the_end:
            self.parent, self.allowed, self.tried = child, allowed, 0
            self.best = self.aim = None

    def aimed(self, task: Task) -> Aim:
        """What draws regions for children of its parent."""
        self.aim = self.aim or Aim(task, self.parent)
        return self.aim

    def ahead(self, task: Task) -> Path:
        """A copy for a task that looks ahead."""
        path = copy(self)
        path.aim = self.aim and self.aim.on(task)
        return path

    def count(self, n: int) -> None:
        """Note that `n` children were drawn."""
        self.tried += n
        self.share -= n

    def hand_out(self, children: Particles) -> Iterator[Particles]:
        """Children one by one, up to the first that the path moves to.

        All count as tried, those behind it too. A child that cannot have children is skipped.
        """
        self.count(len(children))
        parent = self.parent
        for child in (children[i] for i in range(len(children))):
            if not child.alive:
                continue
            if self.best is None or child.reward > self.best.reward:
                self.best = child
            yield child
            if self.parent is not parent:
                return


def draw(task: Task, paths: Sequence[Path], at_once: int, how: str) -> Particles:
    """The next children of all paths, in one step of the task.

    Args:
        task: proposes them.
        paths: whose parents.
        at_once: children of one path, at most.
        how: they differ, as in `draw_children`.
    """
    counts = [path.room(at_once) for path in paths]
    parents = Particles.cat([path.parent for path in paths])
    aims = [] if how == "kernel" else [path.aimed(task) for path in paths]
    return draw_children(task, parents, counts, how, aims)


def draw_ahead(ahead: Ahead, paths: Sequence[Path], at_once: int, how: str) -> None:
    """Draw as `draw` does again and again, as long as no path moves.

    Args:
        ahead: looks ahead for the task.
        paths, at_once, how: as of `draw`.
    """
    paths = [path.ahead(ahead) for path in paths]
    while any(counts := [path.room(at_once) for path in paths]):
        ahead.attempt(lambda: draw(ahead, paths, at_once, how))
        for path, n in zip(paths, counts, strict=True):
            path.count(n)
        if any(path.used_up for path in paths):
            return


def foresee(ahead: Ahead, path: Path, at_once: int, how: str, quota: int, moves: int = 1) -> None:
    """As `draw_ahead` for a path that is alone, and on from its best child that has an answer.

    Args:
        ahead: looks ahead for the task.
        path: where the search stands.
        at_once, how: as of `draw`.
        quota: children that the path may try per step.
        moves: how often it may move, at most once. Then a particle's id, its parent's id and the
            step still say what the particle is.
    """
    path, parent, open_tries = path.ahead(ahead), path.parent, 0
    while moves >= 0 and (n := path.room(at_once)):
        children = ahead.attempt(lambda: draw(ahead, [path], at_once, how))
        if children is None:
            path.count(n)
            open_tries += n
        else:
            for child in path.hand_out(children):
                path.accepts(child, quota)
        if path.used_up and open_tries and ahead.crew.answers_soon:
            return
        if path.used_up and not path.exhausts(quota):
            return
        if path.parent is not parent:
            parent, open_tries, moves = path.parent, 0, moves - 1
