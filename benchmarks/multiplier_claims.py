"""What the rows of docs/results.md show, in sentences: what is ahead of best of N, what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np

from .best_of_n_curve import bootstrap
from .multiplier_plan import FLUX_PRICES
from .multiplier_tables import RESAMPLES, Cell, Estimate, Measured, estimate

ENOUGH = 20  # prompts: with fewer nothing is claimed
AHEAD, LEVEL, BEHIND, FEW = "ahead of best of N", "level", "behind", "too few prompts"
NAMED = {"auto": "`auto`, the default", "RBF, kernel": "RBF as published"}
DEAREST = FLUX_PRICES[-1]
Worth = Callable[[Cell], Estimate]


def verdict(cell: Cell, worth: Worth = Cell.in_nfe) -> str:
    """How a method compares with best of N: its whole interval is above 1, or below it, or neither.

    Args:
        cell: its runs.
        worth: the multiplier in some currency.
    """
    if len(cell.prompts) < ENOUGH:
        return FEW
    multiplier = worth(cell)
    if multiplier.capped()[1] > 1:  # above the curve's end, no more than that is known
        return AHEAD
    return BEHIND if multiplier.high < 1 else LEVEL


def main_budget(cells: Sequence[Cell]) -> int:
    """The budget at which most methods have enough prompts; of equals the largest."""
    whole = [cell.budget for cell in cells if len(cell.prompts) >= ENOUGH]
    return max((cell.budget for cell in cells), key=lambda b: (whole.count(b), b))


def at_main_budget(result: Measured) -> list[Cell]:
    """The methods with enough prompts at the main budget, the best first."""
    budget = main_budget(result.cells)
    cells = [c for c in result.cells if c.budget == budget and len(c.prompts) >= ENOUGH]
    return sorted(cells, key=lambda cell: -cell.success().mean())


def lead(first: Cell, second: Cell) -> tuple[Estimate, int]:
    """How much more often one method is right than another, and on how many shared prompts.

    Args:
        first: the runs of one.
        second: the runs of the other.
    """
    shared = sorted({*first.prompts} & {*second.prompts})
    rates = [dict(zip(cell.prompts, cell.success(), strict=True)) for cell in (first, second)]
    differences = np.array([rates[0][n] - rates[1][n] for n in shared])
    return estimate(bootstrap(len(shared), RESAMPLES) @ differences), len(shared)


def listed(words: Iterable[object]) -> str:
    """As in "a, b and c"."""
    *most, last = map(str, words)
    return f"{', '.join(most)} and {last}" if most else last


def quoted(cells: Iterable[Cell]) -> str:
    return listed(f"`{cell.method}`" for cell in cells)


def heading(result: Measured) -> str:
    """The claim about a set."""
    name, cells = f"`{result.weights}`, {result.name} prompts", at_main_budget(result)
    if not cells:
        return f"{name}: too few were run to say anything"
    ahead = [cell for cell in cells if verdict(cell) == AHEAD]
    at = f"{cells[0].budget} NFE"
    if not ahead:
        return f"{name}: at {at} no method is clearly ahead of best of N"
    if len(ahead) > 3:
        share = f"{len(ahead)} of {len(cells)}" if len(ahead) < len(cells) else f"all {len(cells)}"
        return f"{name}: at {at} {share} methods are ahead of best of N"
    verb = "are" if len(ahead) > 1 else "is"
    return f"{name}: at {at} {quoted(ahead)} {verb} ahead of best of N"


def best_rates(result: Measured, heights: Mapping[int, float]) -> str:
    """How often the best method and best of N are right.

    Args:
        result: what was measured.
        heights: NFE -> success of best of N.
    """
    first = at_main_budget(result)[0]
    text = (
        f"At {first.budget} NFE the most right results are those of `{first.method}`, with a share "
        f"of {first.success().mean():.2f}."
    )
    height = heights.get(first.budget)
    return text if height is None else f"{text} The share of best of N is {height:.2f}."


def lead_claim(result: Measured) -> list[str]:
    """A heading and a sentence on the best two methods of a set."""
    cells = at_main_budget(result)
    if len(cells) < 2:
        return []
    first, second = cells[:2]
    more, shared = lead(first, second)
    clear = more.low > 0
    claim = "is clear of chance" if clear else "may be chance"
    return [
        f"### The lead of `{first.method}` over `{second.method}` {claim}",
        f"On the {shared} prompts that both have at {first.budget} NFE, the share of "
        f"`{first.method}` minus that of `{second.method}` is {more.value:.2f} ({more.low:.2f} to "
        f"{more.high:.2f}).",
    ]


def method_claim(result: Measured, method: str) -> list[str]:
    """A heading and a sentence on one method at each budget; none if it was not run.

    Args:
        result: what was measured.
        method: its name.
    """
    cells = [cell for cell in result.cells if cell.method == method]
    groups = {
        name: [cell for cell in cells if verdict(cell) == name] for name in (AHEAD, LEVEL, BEHIND)
    }
    words = [f"{name} at {listed(c.budget for c in some)} NFE" for name, some in groups.items()
             if some]  # fmt: skip
    if not words:
        return []
    last = max((c for some in groups.values() for c in some), key=lambda cell: cell.budget)
    return [
        f"### {NAMED[method]}: {', '.join(words)}",
        f"At {last.budget} NFE it is worth {last.in_nfe().text()} times its evaluations.",
    ]


def regrets(result: Measured, method: str = "auto") -> list[tuple[str, ...]]:
    """For each budget how much more often the best other method is right, and on how many prompts.

    Args:
        result: what was measured.
        method: what the rivals are compared with.
    """
    rows = []
    for budget in sorted({cell.budget for cell in result.cells}):
        cells = [c for c in result.cells if c.budget == budget and len(c.prompts) >= ENOUGH]
        ours = [cell for cell in cells if cell.method == method]
        rivals = [cell for cell in cells if cell.method != method]
        if ours and rivals:
            pairs = [(*lead(rival, ours[0]), rival.method) for rival in rivals]
            more, shared, best = max(pairs, key=lambda pair: pair[0].value)
            gain = f"{more.value:+.2f} ({more.low:+.2f} to {more.high:+.2f})"
            rows.append((str(budget), f"`{best}`", gain, str(shared)))
    return rows


def seconds_claim(result: Measured) -> list[str]:
    """A heading and sentences on which leads stay when seconds are counted."""
    cells = at_main_budget(result)
    ahead = [cell for cell in cells if verdict(cell) == AHEAD]
    in_seconds = [cell for cell in cells if verdict(cell, Cell.in_seconds) == AHEAD]
    at_prices = [cell for cell in cells if verdict(cell, partial(_priced, DEAREST)) == AHEAD]
    number = f"{len(in_seconds)} of {len(cells)} methods" if in_seconds else "no method"
    claim = f"{number} {'are' if len(in_seconds) > 1 else 'is'} clearly ahead"
    lost = [cell for cell in ahead if cell not in in_seconds]
    return [
        f"### In CPU seconds {claim}",
        f"{f'Ahead: {quoted(in_seconds)}. ' if in_seconds else ''}"
        f"{f'The lead is lost by {quoted(lost)}. ' if lost else ''}"
        f"At the prices of FLUX ({DEAREST.name}) "
        f"{f'the lead is clear for {quoted(at_prices)}' if at_prices else 'no lead is clear'}.",
    ]


def _priced(flux: object, cell: Cell) -> Estimate:
    return cell.at_prices(flux)


def verdicts(result: Measured) -> list[tuple[str, ...]]:
    """For each budget the methods that are ahead, level and behind, and those with few prompts."""
    rows = []
    for budget in sorted({cell.budget for cell in result.cells}):
        cells = [cell for cell in result.cells if cell.budget == budget]
        judged = [(cell, verdict(cell)) for cell in cells]
        groups = ([c for c, name in judged if name == kind] for kind in (AHEAD, LEVEL, BEHIND, FEW))
        rows.append((str(budget), *(quoted(some) if some else "–" for some in groups)))
    return rows


def doubts(result: Measured) -> str:
    """What the rows of a set do not show."""
    counts = [len(cell.prompts) for cell in result.cells]
    most = max(len(cell.runs) / len(cell.prompts) for cell in result.cells)
    level = [c for c in at_main_budget(result) if verdict(c) in (LEVEL, BEHIND)]
    runs = f"{most:.0f} runs" if most > 1 else "one run"
    lines = [f"- {max(counts)} prompts at most, and {runs} for each."]
    if level:
        lines.append(
            f"- Not clearly better than best of N at {level[0].budget} NFE: {quoted(level)}."
        )
    behind = [f"`{c.method}` at {c.budget} NFE" for c in result.cells if verdict(c) == BEHIND]
    if behind:
        lines.append(f"- Clearly worse than best of N: {listed(behind)}.")
    return "\n".join(lines)
