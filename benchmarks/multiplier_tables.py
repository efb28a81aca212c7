"""From the kept rows of multiplier.py to success and multipliers with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from . import prompt_sets
from .best_of_n_curve import Curve, Draws, bootstrap, interval, price_of_success
from .kept_rows import Kept
from .multiplier_plan import CURVE_STEPS, FluxPrices, plan
from .multiplier_runs import COLUMNS, RIGHT

RESAMPLES = 2000  # of the prompts, for an interval


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Args:
        value: infinite if best of N's curve does not go so high.
        low: end of the interval.
        high: end of the interval.
        most: what an infinite number is more than.
    """

    value: float
    low: float
    high: float
    most: float = np.inf

    def text(self, digits: int = 1) -> str:
        """As in "2.1 (1.4 to > 6)"."""
        cells = [self._cell(number, digits) for number in (self.value, self.low, self.high)]
        return "{} ({} to {})".format(*cells)

    def capped(self) -> tuple[float, float, float, bool]:
        """Value and interval up to `most`, and whether the interval goes on."""
        value, low, high = (min(x, self.most) for x in (self.value, self.low, self.high))
        return value, low, high, self.high > self.most

    def _cell(self, number: float, digits: int) -> str:
        above = number > self.most * (1 + 1e-9)
        return f"> {self.most:.{digits}f}" if above else f"{number:.{digits}f}"


def estimate(values: np.ndarray, most: float = np.inf) -> Estimate:
    """Of resampled values (rows,), the first of which is the number itself."""
    return Estimate(float(values[0]), *interval(values), most)


@dataclass(frozen=True)
class Cell:
    """The runs of one method at one budget on one set.

    Args:
        budget: NFE.
        method: its name.
        runs: (runs, columns) as COLUMNS.
        draws: steps -> samples of each prompt of the set; None where there are none.
        rate: CPU seconds of one NFE, timed by themselves; 0: each run has its own.
        sample_seconds: steps -> CPU seconds of a sample, timed by themselves.
        curves: what the cells of one set have computed of best of N's success.
    """

    budget: int
    method: str
    runs: np.ndarray
    draws: dict[int, list[Draws | None]]
    rate: float = 0.0
    sample_seconds: Mapping[int, float] = field(default_factory=dict)
    curves: dict[tuple, np.ndarray] = field(default_factory=dict, repr=False)

    @cached_property
    def prompts(self) -> list[int]:
        """The prompts that have runs and samples at each number of steps."""
        numbers = sorted(set(self.column("prompt").astype(int)))
        complete = [n for n in numbers if all(rows[n] for rows in self.draws.values())]
        return complete

    @cached_property
    def weights(self) -> np.ndarray:
        return bootstrap(len(self.prompts), RESAMPLES)

    def column(self, name: str) -> np.ndarray:
        return self.runs[:, COLUMNS.index(name)]

    def means(self, name: str) -> np.ndarray:
        """For each prompt the mean of a column over seeds."""
        return self.by_prompt(self.column(name))

    def by_prompt(self, values: np.ndarray) -> np.ndarray:
        """For each prompt the mean of values (runs,) over seeds."""
        numbers = self.column("prompt")
        return np.array([values[numbers == n].mean() for n in self.prompts])

    def success(self, by_reward: bool = False) -> np.ndarray:
        """For each prompt how often it is right, by the reader or by the reward."""
        right = self.column("reward") > RIGHT if by_reward else self.column("right") > 0
        return self.by_prompt(right.astype(float))

    def samples(self, steps: int) -> list[Draws]:
        return [self.draws[steps][n] for n in self.prompts]

    def multiplier(self, prices: Sequence[float], spent: np.ndarray, by_reward: bool) -> Estimate:
        """What best of N pays for the same success, as a multiple of what the method pays.

        Args:
            prices: of a sample, for each number of steps.
            spent: by the method, for each prompt.
            by_reward: success by the reward, not by the reader.
        """
        means = [self.curve(steps, by_reward) for steps in self.draws]
        level = self.weights @ self.success(by_reward)
        spent = self.weights @ spent
        needed = price_of_success(prices, means, level)
        most = max(p * (mean.shape[1] - 1) for p, mean in zip(prices, means, strict=True))
        return estimate(needed / spent, most / spent[0])

    def curve(self, steps: int, by_reward: bool) -> np.ndarray:
        """Success of best of N at each N, (resamples, most + 1).

        Args:
            steps: of a sample.
            by_reward: success by the reward, not by the reader.
        """
        key = steps, by_reward, *self.prompts
        if key not in self.curves:
            curve = Curve.of(self.samples(steps), 1.0, by_reward)
            self.curves[key] = curve.mean(self.weights)
        return self.curves[key]

    def in_nfe(self, by_reward: bool = False) -> Estimate:
        budget = np.full(len(self.prompts), float(self.budget))
        return self.multiplier(list(self.draws), budget, by_reward)

    def seconds(self) -> np.ndarray:
        """For each prompt the CPU seconds of a run."""
        return self.rate * self.means("nfe") if self.rate else self.means("seconds")

    def in_seconds(self) -> Estimate:
        """At equal CPU seconds."""
        prices = [self.sample_seconds.get(n) or self._sample_seconds(n) for n in self.draws]
        return self.multiplier(prices, self.seconds(), False)

    def _sample_seconds(self, steps: int) -> float:
        samples = self.samples(steps)
        return sum(draws.seconds for draws in samples) / sum(draws.n for draws in samples)

    def at_prices(self, flux: FluxPrices) -> Estimate:
        """At the prices of a large model."""
        prices = [flux.seconds(steps, 1, 1) for steps in self.draws]
        spent = flux.seconds(*map(self.means, ("nfe", "decodes", "scores")))
        return self.multiplier(prices, spent, False)


@dataclass(frozen=True)
class Measured:
    """What was measured of one model on one set.

    Args:
        weights: fast or base.
        name: of the set.
        prompts: of the set.
        pool: how many prompts of the pool were looked at.
        about: how the prompts were chosen.
        draws: steps -> samples of each prompt, None where there are none.
        cells: the methods that were run.
    """

    weights: str
    name: str
    prompts: list[str]
    pool: int
    about: dict
    draws: dict[int, list[Draws | None]]
    cells: list[Cell]

    @property
    def sampled(self) -> list[int]:
        """Prompts with samples at each number of steps."""
        rows = self.draws.values()
        return [i for i in range(len(self.prompts)) if all(samples[i] for samples in rows)]


def measured(folder: Path, weights: str, name: str) -> Measured | None:
    """What the files of a folder hold of one model and set; None: nothing.

    Args:
        folder: of the kept rows.
        weights: fast or base.
        name: of the set.
    """
    sets = Kept(folder / f"prompts_{weights}.json")
    if name not in sets.rows:
        return None
    prompts = prompt_sets.chosen(sets, name)
    rows = Kept(folder / f"draws_{weights}_{name}.json").rows
    draws = {
        steps: [Draws.of(rows[p][str(steps)]) if str(steps) in rows.get(p, {}) else None
                for p in prompts]
        for steps in CURVE_STEPS[weights]
    }  # fmt: skip
    searches = Kept(folder / f"searches_{weights}_{name}.json").rows
    timed = Kept(folder / f"seconds_{weights}_{name}.json").rows
    ours = {
        "sample_seconds": {s: timed[f"draws {s}"] for s in draws if f"draws {s}" in timed},
        "curves": {},
    }
    cells = [
        Cell(budget, method, np.array(searches[repr(setting)], dtype=float), draws,
             timed.get(repr(setting), 0.0), **ours)
        for (budget, method), setting in plan(weights).items()
        if repr(setting) in searches
    ]  # fmt: skip
    cells = [cell for cell in cells if cell.prompts]
    return Measured(weights, name, prompts, len(sets.rows[name]), sets.about, draws, cells)
