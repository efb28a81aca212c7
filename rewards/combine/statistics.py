"""Mean and deviation of a reward's first scores in a run, which bring rewards to one scale."""

import math
from dataclasses import dataclass, field

import torch

WARMUP = 8  # the first scores of each part in a run: their statistics standardise all its scores


@dataclass
class Statistics:
    """Mean and population variance of the first `warmup` finite scores, by Welford; then fixed.

    M_n = M_{n-1} + (r - mean_{n-1}) (r - mean_n),    std = sqrt(M_n / n), and 1 while M_n = 0.

    Args:
        warmup: number of scores to use.
        count: n, the scores so far, at most `warmup`.
        mean: mean_n.
        squares: M_n.
        scored: whether a call without gradients has been made.
        warned: whether the log has warned about this reward in this run.
    """

    warmup: int
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    scored: bool = False
    warned: bool = field(default=False, compare=False)

    def add(self, scores: torch.Tensor) -> None:
        """Use the finite ones of `scores` (B,), as many as the warm-up still needs."""
        finite = scores.detach()[scores.isfinite()]
        for value in finite.tolist()[: self.warmup - self.count]:
            self.count += 1
            deviation = value - self.mean
            self.mean += deviation / self.count
            self.squares += deviation * (value - self.mean)

    def standardise(self, scores: torch.Tensor) -> torch.Tensor:
        std = math.sqrt(self.squares / self.count) if self.squares > 0.0 else 1.0
        return (scores - self.mean) / std


def numbers_of(statistics: dict[int, Statistics] | None) -> list[list[float]] | None:
    """Count, mean and squares of each of the parts; None before they are final.

    Args:
        statistics: {slot: statistics} of a run, None without one.
    """
    parts = list((statistics or {}).values())
    if not parts or any(part.count < part.warmup for part in parts):
        return None
    return [[part.count, part.mean, part.squares] for part in parts]
