"""The best particle of a search so far, with its image."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ...samplers.types import SCORED, Particles, SearchEvent
from ..host.objective import Images


@dataclass(frozen=True)
class BestImage:
    """A particle and its image.

    Args:
        particle: one scored particle.
        image: (1,H,W,3) or video (1,T,H,W,3), on the CPU.
        finished: whether the particle was finished.
    """

    particle: Particles
    image: Tensor
    finished: bool

    @property
    def id(self) -> int:
        return int(self.particle.ids)

    @property
    def rank(self) -> tuple[bool, float]:
        """Finished images first: rewards by a preview decoder differ from those by the full one."""
        return self.finished, float(self.particle.reward)


@dataclass
class Best:
    """Watches a search for its best image.

    Args:
        image: the best so far.
        scored: the best before anything was finished.
        finished: images of finished particles by id; None where one failed.
        improved: whether the last event brought a better image.
    """

    image: BestImage | None = None
    scored: BestImage | None = None
    finished: dict[int, Tensor | None] = field(default_factory=dict)
    improved: bool = False

    def see(self, event: SearchEvent, rows: list[dict[str, Any]], images: Images) -> None:
        """Keep the image of the event's best particle if it is better.

        Args:
            event: of the search.
            rows: the trace rows that it added or changed.
            images: what the objective kept of it.
        """
        self.improved = False
        if event.kind not in SCORED:
            return
        finished = event.kind == "finish"
        if finished:
            self.finished[int(event.particles.ids)] = images.best
        if images.best is None:  # all failed
            return
        particle = event.particles[event.particles.best()]
        latest = BestImage(particle, images.best, finished)
        if self.image is not None and latest.rank <= self.image.rank:
            return
        if finished and self.image is not None and not self.image.finished:
            self.scored = self.image
        copy = images.best.to("cpu", copy=True)
        self.image, self.improved = BestImage(particle, copy, finished), True

    def leading(self, top: list[Particles]) -> BestImage | None:
        """The best image of a search, which may still run.

        If the best particle scored less after its finish, this is the image before the finish.

        Args:
            top: the best particles so far.
        """
        if self.scored and top and int(top[0].ids) == self.scored.id:
            return self.scored
        return self.image

    def keep_scored(self) -> None:
        """Let the scored images count as finished: they were decoded with the full VAE."""
        for kept in (self.scored, self.image):
            if kept is not None and not kept.finished:
                self.finished.setdefault(kept.id, kept.image)


def finite(particles: list[Particles]) -> list[Particles]:
    """Those of the particles, one row each, that have a score."""
    return [particle for particle in particles if math.isfinite(float(particle.reward))]
