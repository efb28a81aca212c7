"""How a search ends: its finish, its stop rules, and its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .purse import Purse
from .types import Particles

ROUNDING = 1e-6  # a score of the maximum may lack this much of it
Stopped = Literal["budget", "target", "time", "interrupt", "done"]


class Halt(Exception):
    """A stop rule holds and there is something to finish. Its argument is the `Stopped` reason."""


@dataclass(frozen=True)
class Finish:
    """How a search ends: with the `top_k` best particles, each finished by `steps` evaluations."""

    steps: int = 0
    top_k: int = 1

    def rows(self) -> int:
        """Network rows that it takes."""
        return self.steps * self.top_k

    def after(self, lookahead: int, end: float = 0.0, apart: bool = False) -> Finish:
        """The finish that remains after a lookahead, which replaces it if it is as long.

        Args:
            lookahead: evaluations.
            end: of the sampler. Above 0 no lookahead replaces the finish: it goes to 0.
            apart: whether a second model finishes that does not look ahead. It is not replaced.
        """
        replaced = lookahead >= self.steps and not end and not apart
        return Finish(0, self.top_k) if replaced else self

    def seconds(self, purse: Purse) -> float:
        """How long it will take at the pace so far. Gradients count, as they do in the NFE."""
        seconds = purse.seconds
        evaluations = seconds["network"] + seconds["gradient"]
        network = evaluations / max(1, purse.nfe) * self.rows() * purse.cost
        images = (seconds["decode"] + seconds["reward"]) / max(1, purse.counts["rewards"])
        return network + images * self.top_k


@dataclass(frozen=True)
class StopRules:
    """When a search ends early. None: never.

    Args:
        target: a reward that is enough.
        seconds: for everything, the finish included.
        stop_requested: whether the user wants to stop.
        extra_seconds: what each finished particle takes besides the search's own purse.
        maximum: the highest reward there is. A finished particle that has it ends the search.
    """

    target: float | None = None
    seconds: float | None = None
    stop_requested: Callable[[], bool] = lambda: False
    extra_seconds: Callable[[], float] = lambda: 0.0
    maximum: float | None = None

    def highest(self, particle: Particles) -> bool:
        """Whether no particle can score more."""
        return self.maximum is not None and at_maximum(float(particle.reward), self.maximum)

    def reason(self, best: Particles, finish: Finish, purse: Purse) -> Stopped | None:
        """Why the search should stop now, None if it should not.

        Args:
            best: the best particle so far.
            finish: what is still to do.
            purse: what was spent so far.
        """
        if self.stop_requested():
            return "interrupt"
        if self.target is not None and float(best.reward) >= self.target:
            return "target"
        if self.seconds is not None:
            last = finish.seconds(purse) + self.extra_seconds() * finish.top_k
            if purse.elapsed + last >= self.seconds:
                return "time"
        return None


def at_maximum(reward: float, maximum: float) -> bool:
    """Whether a reward is the highest there is, except for rounding."""
    return reward >= maximum - ROUNDING * max(1.0, abs(maximum))


@dataclass
class Outcome:
    """The result of a search, filled in while it runs.

    Args:
        top: the best particles so far, best first, one row each.
        stopped: why the search stopped.
        lookahead: with which its particles were scored.
    """

    top: list[Particles] = field(default_factory=list)
    stopped: Stopped = "budget"
    lookahead: int = 0
