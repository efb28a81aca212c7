"""The end of a search: its best particles are carried to the clean image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from .crew.task import Ahead
from .leaders import Leaders
from .lookahead import is_clean
from .regions import part_of
from .rules import Finish, Halt, Outcome, Stopped, StopRules
from .task import Task
from .types import Particles, SearchEvent


@dataclass
class Finishing:
    """Carries the leaders of a search to their end.

    A finish may score less than its particle did. If the particle was a clean image, it is
    returned in place of its finish. If it was a blurred prediction, which a reward may like for its
    blur, the next best particle is finished too, while the budget lasts.

    Args:
        task: pays for it, and scores the results.
        finish: how many particles, and in how many steps.
        clean: whether all scored particles are known to be clean images.
        leaders: of the search.
        outcome: gets the results.
        root: id of a particle -> id of the start that it descends from.
    """

    task: Task
    finish: Finish
    clean: bool
    leaders: Leaders
    outcome: Outcome
    root: Callable[[int], int]

    def __post_init__(self) -> None:
        self.results = Leaders(self.finish.top_k, self.root)
        self.ended: set[int] = set()

    @property
    def needed(self) -> bool:
        """Whether a result differs at all from what was scored."""
        rescored = self.task.final_objective is not self.task.objective
        return bool(self.finish.steps or self.task.flow.end or rescored)

    def run(self, stopped: Callable[[], Stopped | None]) -> Iterator[SearchEvent]:
        """Finish the leaders, and spares while they may be better than the best result.

        `stopped` says whether a stop rule holds. After any but "target", spares are not finished.
        """
        leaders = [p for p in self.leaders.best if int(p.ids) not in self.ended]
        self.task.expect(partial(_finish_all, leaders=leaders, nodes=self.finish.steps))
        for particle in self.leaders.best:
            yield from self._end(particle)
        for particle in self.leaders.spares:
            best = self.results.best[0].reward
            room = 0 < self.finish.steps <= self.task.left
            if best >= particle.reward or not room or stopped() not in (None, "target"):
                break
            yield from self._end(particle)
        self.outcome.top = self.results.best

    def confirm(self, particle: Particles, rules: StopRules) -> Iterator[SearchEvent]:
        """End the search at a particle of the highest score, if its finish has that score too.

        If the finish scores less, the particle is worth no more than that, and leads no longer. If
        the budget does not suffice for the finish, the search goes on.

        Raises:
            Halt: the search ends.
        """
        if not rules.highest(particle):
            return
        if self.needed:
            if self.task.left < self.finish.steps:
                return
            yield from self._end(particle)
            if not rules.highest(self.results.best[0]):
                self.leaders.drop(particle)
                self.outcome.top = self.leaders.best or self.results.best
                return
        raise Halt("target")

    def _end(self, particle: Particles) -> Iterator[SearchEvent]:
        """Finish a particle, unless it was finished before."""
        if int(particle.ids) in self.ended:
            return
        self.ended.add(int(particle.ids))
        task, nodes = self.task, int(min(self.finish.steps, self.task.left))
        result = task.finish(particle, nodes)
        yield SearchEvent("finish", result, task.purse.nfe)
        worse = result.reward < particle.reward and nodes and not task.flow.end
        both = (part_of(each.clean, task.flow.part) for each in (particle, result))
        if worse and (self.clean or is_clean(*both)):
            if task.final_objective is not task.objective:  # both have to be scored by the same
                particle = task.finish(particle, 0)
                yield SearchEvent("finish", particle, task.purse.nfe)
            result = max(particle, result, key=lambda p: float(p.reward))
        self.results.add(result)
        self.outcome.top = self.results.best


def _finish_all(ahead: Ahead, leaders: Sequence[Particles], nodes: int) -> None:
    """Finish particles, one after the other."""
    for particle in leaders:
        ahead.attempt(partial(ahead.finish, particle, nodes))
