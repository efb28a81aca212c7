"""The samples and the searches that multiplier.py measures, and how their rows are kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..rewards.count.shape_count import ShapeCount
from . import prompt_sets
from .shape_reader import is_right
from .world import Setting, World

RIGHT = -0.5  # counts that are right have a higher reward
BLOCK = 25  # samples made at once, as many as best of N makes
# Of each run, in this order.
COLUMNS = (
    "prompt",  # its number in the set
    "seed",
    "right",  # by the held-out reader
    "reward",
    "nfe",
    "first",  # NFE when the reward was first right, 0: never
    "calls",  # of the network
    "decodes",
    "scores",
    "seconds",  # of the CPU, without the reader
)


@dataclass
class Counting:
    """The objective of a search: decodes and scores latents, says where they are wrong, and counts.

    Args:
        world: decodes.
        prompt: what to compare with.
        reward: scores.
        decodes: images decoded.
        scores: images scored.
    """

    world: World
    prompt: str
    reward: ShapeCount = field(default_factory=ShapeCount)
    decodes: int = 0
    scores: int = 0
    _last: tuple[Tensor, Tensor] | None = None

    def __call__(self, x0: Tensor) -> Tensor:
        images = self.decode(x0)
        self._last = (x0, images)
        self.scores += len(x0)
        return self.reward.score(images, [self.prompt] * len(x0))

    def decode(self, x0: Tensor) -> Tensor:
        self.decodes += len(x0)
        return self.world.decode(x0)

    def blame(self, x0: Tensor) -> Tensor:
        """Where a latent (1,16,16,16) is wrong, (1,16,16). The last images are used again."""
        latents, images = self._last or (x0[:0], x0[:0])
        rows = [row for row, latent in enumerate(latents) if torch.equal(latent, x0[0])]
        image = images[rows[:1]] if rows else self.decode(x0)
        blame = self.reward.blame(image, [self.prompt])
        return interpolate(blame[:, None].float(), x0.shape[2:], mode="area")[:, 0]


def run_search(world: World, prompt: str, setting: Setting, seed: int) -> list[float]:
    """One search: its row, from the column "right" on.

    Args:
        world: the networks.
        prompt: what to draw.
        setting: the search.
        seed: of its noise.
    """
    objective, begin = Counting(world, prompt), time.process_time()
    top, purse, events = world.search(prompt, setting, seed, objective, ShapeCount.maximum)
    seconds = time.process_time() - begin
    first = (e.spent for e in events if (e.particles.reward > RIGHT).any())
    image = world.decode(top[0].clean)[0]
    return [
        int(is_right(image, prompt)),
        round(float(top[0].reward), 3),
        purse.nfe,
        next(first, 0),
        purse.network_calls,
        objective.decodes,
        objective.scores,
        round(seconds, 3),
    ]


def run_draws(
    world: World, prompt: str, steps: int, begin: int, n: int
) -> tuple[list[float], list[bool], float]:
    """Rewards of plain samples, whether they are right, and CPU seconds without the reader.

    Args:
        world: the networks.
        prompt: what to draw.
        steps: of the ODE.
        begin: number of the first sample, a multiple of BLOCK.
        n: how many, a multiple of BLOCK.
    """
    reward, scores, right, seconds = ShapeCount(), [], [], 0.0
    for first in range(begin, begin + n, BLOCK):
        seed, clock = prompt_sets.seed_of("curve", prompt, steps, first), time.process_time()
        images = prompt_sets.samples(world, prompt, steps, BLOCK, seed)
        scores += reward.score(images, [prompt] * BLOCK).tolist()
        seconds += time.process_time() - clock
        right += [is_right(image, prompt) for image in images]
    return scores, right, seconds
