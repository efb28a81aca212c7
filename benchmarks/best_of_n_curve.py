"""How often best of N is right, at each N, from one set of samples; no search is run.

Best of N keeps the sample of the highest reward, and another reader judges it. Of n samples take N
at random. The best of these is in the group g of equal rewards with probability

    P_g = (C(n - a_g, N) - C(n - a_g - m_g, N)) / C(n, N),

m_g being the size of the group and a_g the number of samples with higher rewards. If r_g of the
group are right, success at N is the sum of P_g r_g / m_g, for equals are chosen from at random. It
is unbiased for N <= n. If the reward and the reader agree on the c right samples, it is pass@k
(Chen et al., arXiv 2107.03374, Eq. 1):

    1 - C(n - c, N) / C(n, N).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import gammaln

FINE = 100  # rewards are kept in units of 1/100
COARSE = 4  # below -4 they are kept as whole numbers: best of N hardly ever picks one


@dataclass
class Draws:
    """Samples of one prompt, counted by their reward.

    Args:
        levels: penalty in units of 1 / FINE -> [samples, right ones]; the penalty is minus the
            reward.
        seconds: CPU seconds that they took, without the reader.
    """

    levels: dict[int, list[int]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def n(self) -> int:
        return sum(samples for samples, _ in self.levels.values())

    def add(self, rewards: Iterable[float], right: Iterable[bool], seconds: float) -> None:
        """Count more samples.

        Args:
            rewards: of each.
            right: whether each is, by the reader.
            seconds: that they took.
        """
        for reward, is_right in zip(rewards, right, strict=True):
            level = self.levels.setdefault(penalty(reward), [0, 0])
            level[0] += 1
            level[1] += bool(is_right)
        self.seconds = round(self.seconds + seconds, 3)

    def row(self) -> dict:
        """As JSON, best first."""
        levels = {str(k): v for k, v in sorted(self.levels.items())}
        return {"seconds": self.seconds, "levels": levels}

    @classmethod
    def of(cls, row: Mapping) -> Draws:
        return cls({int(k): list(v) for k, v in row["levels"].items()}, row["seconds"])

    def reward_right(self) -> int:
        """How many have right counts by the reward."""
        return sum(n for level, (n, _) in self.levels.items() if level < FINE / 2)

    def right(self) -> int:
        """How many are right by the reader."""
        return sum(right for _, right in self.levels.values())

    def both_right(self) -> int:
        """How many are right by the reward and by the reader."""
        return sum(right for level, (_, right) in self.levels.items() if level < FINE / 2)

    def groups(self, by_reward: bool = False) -> list[tuple[int, int]]:
        """(samples, right ones) of each reward, best first.

        Args:
            by_reward: right is what the reward calls right, not the reader.
        """
        ordered = sorted(self.levels.items())
        if by_reward:
            return [(n, n * (level < FINE / 2)) for level, (n, _) in ordered]
        return [(n, right) for _, (n, right) in ordered]


def penalty(reward: float) -> int:
    """Minus the reward, in units of 1 / FINE."""
    whole = int(-reward)
    return whole * FINE if whole >= COARSE else round(-reward * FINE)


def success(groups: list[tuple[int, int]], numbers: np.ndarray) -> np.ndarray:
    """How often the best of N samples is right, (k,).

    Args:
        groups: (samples, right ones) of each reward, best first.
        numbers: N, (k,) integers from 0 to the number of samples; at 0 nothing is right.
    """
    n = sum(samples for samples, _ in groups)
    left, total = n, np.zeros(len(numbers))
    before = _share(n, n, numbers)
    for samples, right in groups:
        left -= samples
        after = _share(left, n, numbers)
        total += right / samples * (before - after)
        before = after
    return total


def _share(left: int, n: int, numbers: np.ndarray) -> np.ndarray:
    """C(left, N) / C(n, N) for each N."""
    fits = numbers <= left
    some = np.where(fits, numbers, 0)
    logs = gammaln(left + 1) - gammaln(left - some + 1) - gammaln(n + 1) + gammaln(n - some + 1)
    return np.where(fits, np.exp(logs), 0.0)


@dataclass(frozen=True)
class Curve:
    """Success of best of N at one number of steps, for each prompt.

    Args:
        price: of one sample: NFE or seconds.
        values: (prompts, most + 1), success at N = 0, 1, …, most.
    """

    price: float
    values: np.ndarray

    def mean(self, weights: np.ndarray) -> np.ndarray:
        """Success at each N, (rows, most + 1), for weights (rows, prompts) that sum to 1."""
        return weights @ self.values

    @classmethod
    def of(cls, draws: list[Draws], price: float, by_reward: bool = False) -> Curve:
        """The curve up to as many samples as each prompt has.

        Args:
            draws: of each prompt.
            price: of one sample.
            by_reward: right is what the reward calls right.
        """
        numbers = np.arange(min(d.n for d in draws) + 1)
        return cls(price, np.stack([success(d.groups(by_reward), numbers) for d in draws]))


def price_of_success(
    prices: Sequence[float], means: Sequence[np.ndarray], level: np.ndarray
) -> np.ndarray:
    """The least price at which best of N has a success, (rows,), at its best number of steps.

    Between two N success is taken as linear. It is infinite if no curve goes so high.

    Args:
        prices: of a sample, for each number of steps.
        means: success at each N, (rows, most + 1), for each number of steps.
        level: the success, (rows,).
    """
    costs = [price * _number(mean, level) for price, mean in zip(prices, means, strict=True)]
    return np.min(costs, axis=0)


def _number(means: np.ndarray, level: np.ndarray) -> np.ndarray:
    """The least N, a real number, at which each row of (rows, most + 1) reaches its level."""
    reached = means >= level[:, None] - 1e-12
    after = reached.argmax(1)
    rows = np.arange(len(means))
    before = np.maximum(after - 1, 0)
    low, high = means[rows, before], means[rows, after]
    part = np.where(high > low, (level - low) / np.where(high > low, high - low, 1.0), 0.0)
    return np.where(reached.any(1), before + np.where(after > 0, part, 0.0), np.inf)


def bootstrap(prompts: int, rows: int, seed: int = 0) -> np.ndarray:
    """Weights (rows, prompts) of prompts drawn with replacement; the first row is all prompts.

    Args:
        prompts: how many.
        rows: how many.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(prompts, np.full(prompts, 1 / prompts), size=rows)
    counts[0] = 1
    return counts / prompts


def interval(values: np.ndarray, part: float = 0.95) -> tuple[float, float]:
    """The middle part of values (rows,), infinite ones included."""
    ordered = np.sort(values)
    edge = (1 - part) / 2
    last = len(ordered) - 1
    low, high = math.floor(edge * last), math.ceil((1 - edge) * last)
    return float(ordered[low]), float(ordered[high])
