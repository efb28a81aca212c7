"""What a search is worth, as a multiple of its NFE: python benchmarks/multiplier.py prompts

Five steps. Each goes on where it was stopped, and `--minutes` stops it.

    prompts     draws the sets easy, medium and hard (prompt_sets.py)
    draws       samples that best of N's curve is estimated from (best_of_n_curve.py)
    searches    runs of the methods (multiplier_plan.py)
    seconds     times some of them by themselves; nothing else should run on the machine
    write       makes docs/results.md and its charts from what was measured

The reward is `shape_count`, and a result is right if `shape_reader` reads exactly the prompt in it.
Rows are kept in benchmarks/results/multiplier/. Needs the environment of `python dev.py test`.
"""

from __future__ import annotations

import argparse
import itertools
import re
import runpy
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks import multiplier_page, prompt_sets
from pack.benchmarks.best_of_n_curve import Draws
from pack.benchmarks.kept_rows import Kept, Workers
from pack.benchmarks.multiplier_plan import CURVE_STEPS, MODELS, methods
from pack.benchmarks.multiplier_runs import BLOCK, COLUMNS, run_draws, run_search
from pack.benchmarks.prompt_sets import seed_of

TIMED = 3  # prompts whose seconds are taken
EMPTY = {"seconds": 0.0, "levels": {}}
FOLDER = ROOT / "benchmarks" / "results" / "multiplier"


def measure_prompts(args: argparse.Namespace, workers: Workers) -> None:
    """Draw prompts from the pools until each set has enough."""
    steps = prompt_sets.SELECTION_STEPS[args.weights]
    about = {"seed": args.seed, "draws": args.selection_draws, "steps": steps}
    kept = Kept(args.folder / f"prompts_{args.weights}.json", about)
    for name in args.sets:
        pool = prompt_sets.pool(prompt_sets.FORMS[name], args.seed)
        judged = kept.rows.setdefault(name, [])
        past = [next(pool) for _ in judged]
        if past != [prompt for prompt, _ in judged]:
            raise SystemExit("The pool is not that of the kept rows. Use another --folder.")
        while len(prompt_sets.chosen(kept, name)) < args.prompts and not workers.late:
            some = [(next(pool), steps, about["draws"]) for _ in range(workers.jobs)]
            for (prompt, *_), right in workers.each(prompt_sets.right_samples, some):
                judged.append([prompt, right])
                kept.save()
                print(name, right, prompt, flush=True)


def prompts_of(args: argparse.Namespace, name: str) -> list[str]:
    """The first prompts of a set."""
    kept = Kept(args.folder / f"prompts_{args.weights}.json")
    return prompt_sets.chosen(kept, name)[: args.prompts]


def measure_draws(args: argparse.Namespace, workers: Workers) -> None:
    """Add samples until each prompt has enough, a few for all prompts at a time."""
    for name in args.sets:
        kept = Kept(args.folder / f"draws_{args.weights}_{name}.json", {"block": BLOCK})
        prompts, steps = prompts_of(args, name), args.steps or CURVE_STEPS[args.weights]
        rows = {
            (p, s): Draws.of(kept.rows.get(p, {}).get(str(s), EMPTY))
            for p in prompts
            for s in steps
        }
        while least := [key for key, draws in rows.items() if draws.n * key[1] < args.nfe]:
            if workers.late:
                break
            fewest = min(rows[key].n for key in least)
            jobs = [(*key, fewest, 2 * BLOCK) for key in least if rows[key].n == fewest]
            for (prompt, count, *_), (rewards, right, seconds) in workers.each(run_draws, jobs):
                rows[prompt, count].add(rewards, right, seconds)
                kept.rows.setdefault(prompt, {})[str(count)] = rows[prompt, count].row()
                kept.save()
            print(name, "samples:", min(draws.n for draws in rows.values()), flush=True)


def measure_searches(args: argparse.Namespace, workers: Workers) -> None:
    """Run the methods on every prompt and seed, seed by seed and budget by budget."""
    for name in args.sets:
        kept = Kept(
            args.folder / f"searches_{args.weights}_{name}.json", {"columns": list(COLUMNS)}
        )
        prompts = prompts_of(args, name)
        for seed, budget in itertools.product(range(args.seeds), args.budgets):
            rows = {n: s for n, s in methods(args.weights, budget).items() if matches(args, n)}
            jobs = [(p, s, seed_of(seed, p)) for p in prompts for s in rows.values()]
            done = {(k, r[0], r[1]) for k, runs in kept.rows.items() for r in runs}
            number = {prompt: i for i, prompt in enumerate(prompts)}
            jobs = [j for j in jobs if (repr(j[1]), number[j[0]], seed) not in done]
            for (prompt, setting, _), row in workers.each(run_search, jobs):
                runs = kept.rows.setdefault(repr(setting), [])
                runs.append([number[prompt], seed, *row])
                runs.sort()
                kept.save()
            for method, setting in rows.items():
                right = [row[2] for row in kept.rows.get(repr(setting), [])]
                print(name, budget, seed, method, sum(right), "of", len(right), flush=True)


def measure_seconds(args: argparse.Namespace, workers: Workers) -> None:
    """CPU seconds of one NFE of each method and budget, and of a sample of each number of steps."""
    for name in args.sets:
        kept = Kept(args.folder / f"seconds_{args.weights}_{name}.json", {"prompts": TIMED})
        prompts = prompts_of(args, name)[:TIMED]
        for steps in CURVE_STEPS[args.weights]:
            jobs = [(prompt, steps, 0, BLOCK) for prompt in prompts]
            seconds = [seconds for _, (*_, seconds) in workers.each(run_draws, jobs)]
            kept.rows[f"draws {steps}"] = round(sum(seconds) / len(jobs) / BLOCK, 5)
        for budget in args.budgets:
            for setting in methods(args.weights, budget).values():
                jobs = [(prompt, setting, seed_of(0, prompt)) for prompt in prompts]
                rows = np.array([row for _, row in workers.each(run_search, jobs)])
                nfe, seconds = (rows[:, COLUMNS.index(key) - 2] for key in ("nfe", "seconds"))
                kept.rows[repr(setting)] = round(seconds.sum() / nfe.sum(), 5)
        kept.save()


def matches(args: argparse.Namespace, method: str) -> bool:
    return any(re.search(pattern, method) for pattern in args.only)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=(*STEPS, "write"))
    parser.add_argument("--weights", default="fast", choices=MODELS)
    parser.add_argument("--sets", nargs="*", default=["hard", "medium"], help="easy, medium, hard")
    parser.add_argument("--prompts", type=int, default=60, help="of each set")
    # Settings were chosen on prompts of other seeds.
    parser.add_argument("--seed", type=int, default=20, help="of the pools")
    parser.add_argument("--selection-draws", type=int, default=200, help="for each prompt")
    parser.add_argument("--nfe", type=int, default=2000, help="of samples for a prompt and steps")
    parser.add_argument("--steps", type=int, nargs="*", help="of these samples; all if not set")
    parser.add_argument("--seeds", type=int, default=3, help="searches for each prompt")
    parser.add_argument("--budgets", type=int, nargs="*", default=[100, 50, 25, 200])
    parser.add_argument("--only", nargs="*", default=[""], help="patterns of the methods' names")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin nothing later")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the kept rows")
    return parser.parse_args()


def main() -> None:
    args = options()
    if args.step == "write":
        multiplier_page.write(args.folder)
    else:
        STEPS[args.step](args, Workers(args.weights, args.jobs, args.minutes))


STEPS = {
    "prompts": measure_prompts,
    "draws": measure_draws,
    "searches": measure_searches,
    "seconds": measure_seconds,
}

if __name__ == "__main__":
    main()
