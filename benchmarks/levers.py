"""What single settings of a method are worth: python benchmarks/levers.py measure --weights fast

    measure     runs each lever of lever_plan.py and its rival on the same prompts and seeds
    write       makes docs/levers.md from what was measured

The prompts are the first of a pool of another seed than that of docs/results.md. The reward is
`shape_count`, and a result is right if `shape_reader` reads exactly the prompt in it. Rows are kept
in benchmarks/results/levers/ and not made again. Needs the environment of `python dev.py test`.
"""

from __future__ import annotations

import argparse
import itertools
import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks import lever_page, prompt_sets
from pack.benchmarks.drafts import DRAFTS, run_draft
from pack.benchmarks.kept_rows import Kept, Workers
from pack.benchmarks.lever_plan import LEVERS, POOL, PROMPTS, SET
from pack.benchmarks.multiplier_runs import COLUMNS, run_search
from pack.benchmarks.world import Setting, World


def run(world: World, number: int, seed: int, prompt: str, setting: Setting) -> list[float]:
    """One search: its row, as COLUMNS.

    Args:
        world: the networks.
        number: of the prompt.
        seed: of the noise, with the prompt.
        prompt: what to draw.
        setting: the search.
    """
    runs = run_draft if setting.method in DRAFTS else run_search
    return [number, seed, *runs(world, prompt, setting, prompt_sets.seed_of(seed, prompt))]


def measure(args: argparse.Namespace, kept: Kept, workers: Workers) -> None:
    """Make the runs that are not kept, seed by seed and prompt by prompt.

    Args:
        args: of the command line.
        kept: the runs.
        workers: make them.
    """
    levers = [lever for lever in LEVERS if lever.weights == args.weights and lever.is_in_the_tree]
    levers = [lever for lever in levers if re.search(args.only, lever.name)]
    settings = dict.fromkeys(s for lever in levers for s in (lever.setting, lever.plain))
    pool = prompt_sets.pool(prompt_sets.FORMS[SET], POOL)
    prompts = enumerate(itertools.islice(pool, args.prompts))
    jobs = [
        (number, seed, prompt, setting)
        for seed, (number, prompt) in itertools.product(range(args.seeds), prompts)
        for setting in settings
    ]
    done = {(key, row[0], row[1]) for key, rows in kept.rows.items() for row in rows}
    jobs = [job for job in jobs if (repr(job[3]), job[0], job[1]) not in done]
    for (*_, setting), row in workers.each(run, jobs):
        rows = kept.rows.setdefault(repr(setting), [])
        rows.append(row)
        rows.sort()
        kept.save()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("step", choices=("measure", "write"))
    parser.add_argument("--weights", default="fast", choices=("fast", "base"))
    parser.add_argument("--prompts", type=int, default=PROMPTS)
    parser.add_argument("--seeds", type=int, default=1, help="searches for each prompt")
    parser.add_argument("--only", default="", help="pattern of the levers' names")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin nothing later")
    args = parser.parse_args()
    if args.step == "write":
        lever_page.write()
        return
    about = {"columns": list(COLUMNS), "pool": POOL}
    kept = Kept(lever_page.FOLDER / f"{args.weights}_{SET}.json", about)
    measure(args, kept, Workers(args.weights, args.jobs, args.minutes))


if __name__ == "__main__":
    main()
