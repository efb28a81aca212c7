"""The watchdog of a search: a second reward that is told in the report and never optimised."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...samplers.types import SCORED, Particles, SearchEvent
from ..host.objective import HostObjective
from ..show.report import Trace, decoded, number

Rows = list[dict[str, Any]]


class Watchdog:
    """Scores the particles that a search moves to and returns, each once, in their trace rows.

    The search learns nothing of it. A picture is scored while it is at hand: the best are of those
    seen since the search last moved, `HostObjective.kept` of them. Any other (one survivor of
    many, a far brother) is decoded again. What this costs is in the purse of `objective`, which is
    not the search's. A failed particle is not scored.
    """

    def __init__(self, objective: HostObjective, trace: Trace) -> None:
        self.objective, self.trace = objective, trace
        self.at_hand: dict[int, Tensor] = {}  # pictures by id
        self.moved = False
        self.scored: set[int] = set()

    def pace(self) -> float:
        """Seconds that a picture at hand has taken so far."""
        purse = self.objective.purse
        return purse.seconds["reward"] / max(1, purse.counts["rewards"])

    def see(self, event: SearchEvent, rows: Rows, pictures: dict[int, Tensor]) -> Rows:
        """Follow the search: an event, its trace rows, the pictures that its objective remembers.

        Returns the rows scored; if there are any, the network may have been unloaded.
        """
        if event.kind not in SCORED:
            self.moved = True
            return self.score(event.particles, self.at_hand)
        ids = [row["id"] for row in decoded(rows)]
        new = {ids[row]: picture for row, picture in pictures.items()}
        if event.kind == "finish":
            return self.score(event.particles, new)
        known = new if self.moved else self.at_hand | new
        for picture in known.values():
            self.objective.measure(picture)
        best = sorted(known, key=lambda i: -self.trace.by_id[i]["reward"])
        self.at_hand = {i: known[i] for i in best[: self.objective.kept]}
        self.moved = False
        return []

    def score(self, particles: Particles, pictures: dict[int, Tensor]) -> Rows:
        """Score those not scored before; `pictures` by id, where there are. Returns their rows."""
        own = {i: at for at, i in enumerate(particles.ids.tolist()) if i not in self.scored}
        due = [i for i in own if self.trace.by_id[i]["reward"] is not None]
        self.scored.update(due)
        size = self.objective.together(particles.clean)
        for first in range(0, len(due), size):
            some = due[first : first + size]
            lost = [i for i in some if i not in pictures]
            if lost:
                again = self.objective.decode(particles.clean[[own[i] for i in lost]])
                pictures = pictures | dict(zip(lost, again.split(1), strict=True))
            scores = self.objective.judge(torch.cat([pictures[i] for i in some]))
            for i, score in zip(some, scores.tolist(), strict=True):
                self.trace.by_id[i]["watchdog"] = number(score)
        return [self.trace.by_id[i] for i in due]
