"""What pruning is worth over best of N: python benchmarks/pruning.py --weights base --set hard

Samples of the ODE are scored at the looks of the method `pruned` and at their end. A search is a
choice among some of them. So many searches are drawn from the same samples, as best of N's curve is
(best_of_n_curve.py). Prompts, reward and reader are those of levers.py. Samples are kept in
benchmarks/results/levers/ and not made again. --write puts the table into docs/levers.md.
"""

from __future__ import annotations

import argparse
import itertools
import runpy
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks import prompt_sets
from pack.benchmarks.kept_rows import Kept, Workers
from pack.benchmarks.levers import FOLDER, PAGE, POOL, mean_error
from pack.benchmarks.shape_reader import is_right
from pack.benchmarks.world import SHAPE, Prices, World
from pack.rewards.count.shape_count import ShapeCount
from pack.samplers.search.pruned import Pruned
from pack.samplers.search.rounds import least_rows
from pack.tools.sections import put, table

BLOCK = 32  # samples made at once
SEARCHES = 200  # drawn from the samples of a prompt
HEADS = ("NFE", "steps", "prompts", "best of N", "pruned", "gain", "N", "begun")
NEVER = Pruned(keep=1.0)  # best of N


def run_draws(world: World, prompt: str, steps: int, n: int) -> list[list[float]]:
    """Of each sample the rewards at the looks and at the end, and whether it is right.

    Args:
        world: the networks.
        prompt: what to draw.
        steps: even steps of the ODE.
        n: how many samples, a multiple of BLOCK.
    """
    reward, denoise, rows = ShapeCount(), world.denoiser(prompt), []
    scored = [r.bottom for r in Pruned().rounds(steps)]
    for begin in range(0, n, BLOCK):
        generator = torch.Generator().manual_seed(prompt_sets.seed_of("off", prompt, begin))
        x, columns = torch.randn(BLOCK, *SHAPE, generator=generator), []
        for step in range(steps):
            left = steps - step
            x0 = denoise(x, left / steps)
            x = x0 + (left - 1) / left * (x - x0)
            if step in scored:
                images = world.decode(x0)
                columns.append(reward.score(images, [prompt] * BLOCK).tolist())
        columns.append([float(is_right(image, prompt)) for image in images])
        rows += [[round(value, 3) for value in row] for row in zip(*columns, strict=True)]
    return rows


def waves(search: Pruned, steps: int, budget: int) -> list[list[int]]:
    """How many trajectories each wave of a search has in each round.

    Args:
        search: with or without pruning.
        steps: of the ODE.
        budget: NFE.
    """
    counts = []
    while wave := search.affordable(steps, Prices(), budget):
        budget -= least_rows(search, wave, Prices())
        counts.append([block.tries for block in wave])
    return counts


def success(samples: Tensor, counts: list[list[int]], generator: torch.Generator) -> float:
    """The share of searches whose result is right.

    Args:
        samples: (n, looks + 2) as run_draws gives them.
        counts: as `waves` gives them.
        generator: draws the samples that a search has.
    """
    right = 0.0
    for _ in range(SEARCHES):
        order, ends = torch.randperm(len(samples), generator=generator), []
        for begun, *later in counts:
            rows, order = samples[order[:begun]], order[begun:]
            for look, kept in enumerate(later):
                rows = rows[rows[:, look].argsort(descending=True)[:kept]]
            ends.append(rows)
        ended = torch.cat(ends)
        right += float(ended[ended[:, -2].argmax(), -1])
    return right / SEARCHES


def shown(kept: Kept, budgets: list[int]) -> str:
    """The table of one model and set."""
    lines = []
    for budget, steps in itertools.product(budgets, sorted({int(s) for s in kept.rows})):
        prompts = [torch.tensor(rows) for rows in kept.rows[str(steps)].values()]
        plans = [waves(search, steps, budget) for search in (NEVER, Pruned())]
        begun = [sum(wave[0] for wave in plan) for plan in plans]
        if max(begun) > kept.about["draws"]:
            continue
        plain, pruned = (
            [
                success(rows, plan, torch.Generator().manual_seed(i))
                for i, rows in enumerate(prompts)
            ]
            for plan in plans
        )
        gain = [a - b for a, b in zip(pruned, plain, strict=True)]
        means = (mean_error(plain), mean_error(pruned), mean_error(gain, "+"))
        lines.append((budget, steps, len(prompts), *means, *begun))
    return table(HEADS, lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="base", choices=("fast", "base"))
    parser.add_argument("--set", default="hard", choices=tuple(prompt_sets.FORMS))
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--steps", type=int, nargs="*", default=[5, 10])
    parser.add_argument("--draws", type=int, default=64, help="samples of each prompt and steps")
    parser.add_argument("--budgets", type=int, nargs="*", default=[100, 200])
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin nothing later")
    parser.add_argument("--write", action="store_true", help="put the table into docs/levers.md")
    args = parser.parse_args()
    name = f"{args.weights}_{args.set}"
    kept = Kept(FOLDER / f"pruning_{name}.json", {"draws": args.draws, "pool": POOL})
    if not args.write:
        pool = prompt_sets.pool(prompt_sets.FORMS[args.set], POOL)
        prompts = list(itertools.islice(pool, args.prompts))
        jobs = [
            (prompt, steps, args.draws)
            for prompt, steps in itertools.product(prompts, args.steps)
            if prompt not in kept.rows.get(str(steps), {})
        ]
        workers = Workers(args.weights, args.jobs, args.minutes)
        for (prompt, steps, _), rows in workers.each(run_draws, jobs):
            kept.rows.setdefault(str(steps), {})[prompt] = rows
            kept.save()
    text = shown(kept, args.budgets)
    print(text)
    if args.write:
        put(PAGE, f"pruning, {args.weights}, {args.set}", text)


if __name__ == "__main__":
    main()
