"""Three sets of prompts by how often the plain sampler is right: easy, medium and hard.

Each set has a pool: held-out captions of a form that tends to be of its class, drawn with a seed. A
prompt's success is measured on plain samples that nothing else uses. A set is the first prompts of
its pool whose success is in the range of the set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ..demo.scenes import caption, draw_kinds
from .kept_rows import Kept
from .shape_reader import is_right
from .world import SHAPE, World

BLOCK = 25  # samples made at once
SELECTION_STEPS = {"fast": 4, "base": 20, "eps": 10, "v": 10}  # the plain sampler's


@dataclass(frozen=True)
class Form:
    """The captions of a pool, and the successes of a set.

    Args:
        kinds: least and most kinds of things.
        things: least and most things in all.
        success: least success of the plain sampler, and a bound that it is below.
    """

    kinds: tuple[int, int]
    things: tuple[int, int]
    success: tuple[float, float]


FORMS = {
    "easy": Form((1, 3), (1, 12), (0.2, 1.01)),
    "medium": Form((2, 2), (7, 12), (0.05, 0.2)),
    "hard": Form((3, 3), (11, 12), (0.0, 0.05)),
}


def pool(form: Form, seed: int) -> Iterator[str]:
    """Endless different captions with a triple that no training scene has."""
    generator, past = torch.Generator().manual_seed(seed), set()
    while True:
        for kinds in draw_kinds(64, generator, held_out=True).tolist():
            counts = [count for count, *_ in kinds if count]
            fits = form.kinds[0] <= len(counts) <= form.kinds[1]
            if fits and form.things[0] <= sum(counts) <= form.things[1]:
                prompt = caption(kinds)
                if prompt not in past:
                    past.add(prompt)
                    yield prompt


def seed_of(*address: object) -> int:
    """A seed for each address; different addresses have unrelated seeds."""
    return int.from_bytes(hashlib.sha256(repr(address).encode()).digest()[:7], "big")


def samples(world: World, prompt: str, steps: int, n: int, seed: int) -> torch.Tensor:
    """n images (n,128,128,3) of the plain sampler.

    Args:
        world: the networks.
        prompt: what to draw.
        steps: even steps of the ODE.
        n: how many.
        seed: of the noise.
    """
    noise = torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))
    x = world.begin(noise, world.noisiest)
    return world.decode(plain(world.denoiser(prompt), x, steps, world.noisiest))


def plain(denoise: object, x: torch.Tensor, steps: int, noisiest: float = 1.0) -> torch.Tensor:
    """Latents (n,*D) at the end of `steps` even steps of the ODE from noise x (n,*D).

    Args:
        denoise: (x, t) -> x0.
        x: noise.
        steps: how many.
        noisiest: the first time.
    """
    for left in range(steps, 0, -1):
        x0 = denoise(x, noisiest * left / steps)
        x = x0 + (left - 1) / left * (x - x0)
    return x


def right_samples(world: World, prompt: str, steps: int, n: int) -> int:
    """How many of n plain samples are exactly right.

    Args:
        world: the networks.
        prompt: what to draw.
        steps: even steps of the ODE.
        n: how many.
    """
    right = 0
    for begin in range(0, n, BLOCK):
        seed = seed_of("selection", prompt, steps, begin)
        images = samples(world, prompt, steps, min(BLOCK, n - begin), seed)
        right += sum(is_right(image, prompt) for image in images)
    return right


def chosen(kept: Kept, name: str) -> list[str]:
    """The prompts of a set, in the order of its pool."""
    low, high = FORMS[name].success
    rates = [(prompt, right / kept.about["draws"]) for prompt, right in kept.rows[name]]
    return [prompt for prompt, rate in rates if low <= rate < high]
