"""A lever that is not in the pack, on best of N: noise on the conditioning.

It walks plain samples of the ODE as best of N does, WAVE at a time, and ends when a sample has the
highest reward.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from ..demo.text import encode
from ..rewards.count.shape_count import ShapeCount
from ..samplers.search.waves import WAVE
from .multiplier_runs import RIGHT
from .shape_reader import is_right
from .world import SHAPE, Setting, World

UNTIL = 0.5  # the time above which the draft acts: the layout is decided there
Step = Callable[[Tensor, float, float], Tensor]  # (latents at t, t, s) -> latents at s


def run_draft(world: World, prompt: str, setting: Setting, seed: int) -> list[float]:
    """Best of N with a lever: a row as that of `run_search`.

    Args:
        world: the networks.
        prompt: what to draw.
        setting: `method` is a key of DRAFTS, and its options are that draft's.
        seed: of the noise.
    """
    reward, begin, options = ShapeCount(), time.process_time(), dict(setting.options)
    generator = torch.Generator().manual_seed(seed)
    left, calls, first, best, image = setting.budget // setting.steps, 0, 0, -math.inf, None
    spent = 0
    while left and best < reward.maximum:
        k = min(WAVE, left)
        x, step = torch.randn(k, *SHAPE, generator=generator), DRAFTS[setting.method]
        step = step(world, prompt, k, generator, **options)
        for i in range(setting.steps):
            t, s = 1.0 - i / setting.steps, 1.0 - (i + 1) / setting.steps
            x = step(x, t, s)
        images = world.decode(x)
        scores = reward.score(images, [prompt] * k)
        left, spent, calls = left - k, spent + k * setting.steps, calls + setting.steps
        if float(scores.max()) > best:
            best, image = float(scores.max()), images[int(scores.argmax())]
        first = first or spent * (best > RIGHT)
    decodes = spent // setting.steps
    right, seconds = int(is_right(image, prompt)), time.process_time() - begin
    return [right, round(best, 3), spent, first, calls, decodes, decodes, round(seconds, 3)]


def noisy_text(world: World, prompt: str, k: int, generator: torch.Generator, share: float) -> Step:
    """Tokens with noise above UNTIL, each sample with its own, whose norms stay.

    Args:
        world: the networks.
        prompt: what to draw.
        k: samples.
        generator: of the noise.
        share: of the noise, as long as a token at 1.
    """
    tokens, pooled = (rows.expand(k, *rows.shape[1:]) for rows in encode([prompt]))
    norms = tokens.norm(dim=-1, keepdim=True)
    z = torch.randn(tokens.shape, generator=generator) / math.sqrt(tokens.shape[-1])
    moved = tokens + share * norms * z
    moved = norms * moved / moved.norm(dim=-1, keepdim=True).clamp(min=1e-12)

    def step(x: Tensor, t: float, s: float) -> Tensor:
        text = moved if t > UNTIL else tokens
        return x + (s - t) * world.net(x, torch.full((k,), t), text, pooled)

    return step


DRAFTS = {"conditioning noise": noisy_text}
