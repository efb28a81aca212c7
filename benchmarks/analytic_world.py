"""The mixture of analytic.py: exact denoisers, rewards, and tasks for a search.

Each dimension is a mixture of N(-1, .2^2), weight .3, and N(2, .2^2), weight .7, on the linear path
x_t = (1 - t) x0 + t eps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtr

from ..samplers.batching import MicroBatch
from ..samplers.flow import Flow
from ..samplers.purse import Purse
from ..samplers.task import Task
from .world import Setting

MEANS, WEIGHTS, WIDTH, DIMENSIONS = (-1.0, 2.0), (0.3, 0.7), 0.2, 4
PERIOD = 0.1  # of the reward of a detail
_MEANS, _LOG_WEIGHTS = torch.tensor(MEANS), torch.tensor(WEIGHTS).log()


def posterior_mean(x: torch.Tensor, t: float) -> torch.Tensor:
    """E[x0 | x_t] on the linear path, which an undistilled model is trained to predict."""
    alpha, variance = 1.0 - t, (1.0 - t) ** 2 * WIDTH**2 + t * t
    away = x[..., None] - alpha * _MEANS
    shares = torch.softmax(_LOG_WEIGHTS - away * away / (2.0 * variance), -1)
    return (shares * (_MEANS + alpha * WIDTH**2 / variance * away)).sum(-1)


def cdf(x: np.ndarray, t: float) -> np.ndarray:
    """P(x_t <= x)."""
    spread = math.hypot((1.0 - t) * WIDTH, t)
    return sum(w * ndtr((x - (1.0 - t) * m) / spread) for m, w in zip(MEANS, WEIGHTS, strict=True))


_GRID = np.linspace(-3.0, 4.0, 14001)
_RISES = np.diff(cdf(_GRID, 0.0), prepend=-1.0) > 0
_GRID = _GRID[_RISES]
_LEVELS = cdf(_GRID, 0.0)


def ode_end(x: torch.Tensor, t: float) -> torch.Tensor:
    """The end of the exact ODE through (x, t); in one dimension it keeps P(x_t <= x)."""
    return torch.from_numpy(np.interp(cdf(x.double().numpy(), t), _LEVELS, _GRID)).float()


def layout(x0: torch.Tensor) -> torch.Tensor:
    """-|mean of the dimensions + 1|; the best, 0, needs the rare mode in all four (.3^4)."""
    return -(x0.mean(1) + 1.0).abs()


def detail(x0: torch.Tensor) -> torch.Tensor:
    """Minus the mean distance to multiples of PERIOD, scaled: -1 to 0, and -.5 by chance."""
    turns = x0 / PERIOD
    return -2.0 * (turns - turns.round()).abs().mean(1)


class Noise:
    """Standard normal rows from one generator; the benchmark draws in a fixed order."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, ids: list[int]) -> torch.Tensor:
        return torch.randn(len(ids), DIMENSIONS, generator=self.generator)

    def uniform(self, _: int, n: int) -> torch.Tensor:
        return torch.rand(n, generator=self.generator, dtype=torch.float64)


@dataclass(frozen=True)
class Part:
    """One table: a model, a reward, and the settings that suit them.

    Args:
        title: of the chart.
        denoiser: (x, t) -> x0.
        objective: x0 -> rewards.
        finish: ODE steps of the finish.
        temperature: of SMC.
        threshold: of the verifier threshold.
    """

    title: str
    denoiser: Callable
    objective: Callable
    finish: int
    temperature: float
    threshold: float = -0.1


PARTS = {
    "undistilled-layout": Part(
        "Undistilled model, reward of the layout", posterior_mean, layout, 4, 0.2
    ),
    "few-step-layout": Part("Few-step model, reward of the layout", ode_end, layout, 0, 0.2),
    "undistilled-detail": Part(
        "Undistilled model, reward of a detail", posterior_mean, detail, 4, 0.05
    ),
    "few-step-detail": Part("Few-step model, reward of a detail", ode_end, detail, 0, 0.05),
}


def new_task(setting: Setting, part: Part, seed: int) -> Task:
    """A task for one search.

    Args:
        setting: the search.
        part: model and reward.
        seed: of the noise.
    """
    noise, times = Noise(seed), setting.times()[1]
    flow = Flow(
        part.denoiser,
        setting.transition(),
        times,
        start=lambda ids: times[0] * noise(ids),
        noise=noise,
        uniform=noise.uniform,
    )
    purse, batch = Purse(total=setting.budget), MicroBatch(1_000_000)
    return Task(flow, purse, part.objective, lookahead=setting.lookahead, batch=batch)
