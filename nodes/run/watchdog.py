"""The watchdog of a search: a second reward that is only reported, never optimised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...samplers.types import SCORED, Particles, SearchEvent
from ..host.objective import HostObjective, Images
from ..show.report import Trace, decoded, number

Rows = list[dict[str, Any]]


class Watchdog:
    """Scores the particles that a search moves to and returns, each once, in their trace rows.

    The search learns nothing of it. Images are taken from the objective while it has them: the
    best `HostObjective.kept` of those scored since the search last moved. Any other image is
    decoded again. A failed particle is not scored.

    Args:
        objective: scores with the second reward. Its purse is not the search's.
        trace: of the search.
    """

    def __init__(self, objective: HostObjective, trace: Trace) -> None:
        self.objective, self.trace = objective, trace
        self.images: dict[int, Tensor] = {}  # by particle id
        self.moved = False
        self.scored: set[int] = set()

    def pace(self) -> float:
        """Seconds that a score has taken so far."""
        purse = self.objective.purse
        return purse.seconds["reward"] / max(1, purse.counts["rewards"])

    def see(self, event: SearchEvent, rows: Rows, images: Images) -> None:
        """Follow the search, and load the network again where a score may have unloaded it.

        Args:
            event: of the search.
            rows: the trace rows that it added or changed.
            images: what the search's objective kept of it.
        """
        if event.kind not in SCORED:
            self.moved = True
            scored = self.score(event.particles, self.images)
        else:
            ids = [row["id"] for row in decoded(rows)]
            latest = {ids[row]: image for row, image in images.whole.items()}
            if event.kind == "finish":
                scored = self.score(event.particles, latest)
            else:
                scored = self._remember(latest)
        if scored:
            self.objective.restore(event.particles.clean)

    def _remember(self, latest: Mapping[int, Tensor]) -> Rows:
        """Keep the best images since the search last moved."""
        images = dict(latest) if self.moved else self.images | latest
        for image in images.values():
            self.objective.measure(image)
        best = sorted(images, key=lambda i: -self.trace.by_id[i]["reward"])
        self.images = {i: images[i] for i in best[: self.objective.kept]}
        self.moved = False
        return []

    def score(self, particles: Particles, images: Mapping[int, Tensor]) -> Rows:
        """Score those that were not scored before; returns their trace rows.

        Args:
            particles: (K,) of the search.
            images: some of their images by id.
        """
        place = {i: at for at, i in enumerate(particles.ids.tolist()) if i not in self.scored}
        due = [i for i in place if self.trace.by_id[i]["reward"] is not None]
        self.scored.update(due)
        size = self.objective.together(particles.clean)
        for first in range(0, len(due), size):
            part = due[first : first + size]
            if lost := [i for i in part if i not in images]:
                decoded_again = self.objective.decode(particles.clean[[place[i] for i in lost]])
                images = {**images, **dict(zip(lost, decoded_again.split(1), strict=True))}
            scores = self.objective.judge(torch.cat([images[i] for i in part]))
            for i, score in zip(part, scores.tolist(), strict=True):
                self.trace.by_id[i]["watchdog"] = number(score)
        return [self.trace.by_id[i] for i in due]
