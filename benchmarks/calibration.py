"""How well an early score ranks particles: python benchmarks/calibration.py --weights fast

For each step of a schedule: the rank correlation between a particle's score there and the score of
its ODE finish. It is Spearman's, over seeds of one prompt, averaged over prompts, with its standard
error. Columns: the one-step x0 (lookahead 0), and rollouts of 1, 2 and 4 steps. `right` is how
often a particle whose look is exactly right stays exactly right when finished. `blur` is what the
automatic lookahead measures, `looks` how often it would look ahead there. --write puts the table
into docs/calibration.md and draws it.
"""

from __future__ import annotations

import argparse
import math
import runpy
import statistics
from pathlib import Path

import torch
from scipy.stats import rankdata

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks.line_chart import chart
from pack.benchmarks.world import LOOK, SHARP, World, blur, held_out_prompts, judge, rewards_of
from pack.tools.sections import put

LOOKS = (0, 1, 2, 4)


def spearman(a: torch.Tensor, b: torch.Tensor) -> float:
    """Rank correlation of two rows; nan if one of them does not vary."""
    ranks = [torch.tensor(rankdata(row.tolist())) for row in (a, b)]
    x, y = (row - row.mean() for row in ranks)
    spread = x.norm() * y.norm()
    return float(x @ y / spread) if spread > 0 else math.nan


def mean_error(values: list[float]) -> str:
    kept = [v for v in values if not math.isnan(v)]
    if len(kept) < 2:
        return "–"
    return f"{statistics.fmean(kept):.2f} ± {statistics.stdev(kept) / math.sqrt(len(kept)):.2f}"


def roll(net: object, x: torch.Tensor, x0: torch.Tensor, t: float, nodes: int) -> torch.Tensor:
    """The network's last x0 after `nodes` even steps of the ODE from t towards 0.

    Args:
        net: (x, t) -> x0.
        x: latents (K,16,16,16) at t.
        x0: the network's x0 there.
        t: the time, in (0, 1].
        nodes: steps.
    """
    first = t
    for i in range(1, nodes + 1):
        s = first * (1.0 - i / (nodes + 1))
        x = (1.0 - s) * x0 + s * (x - (1.0 - t) * x0) / t
        x0, t = net(x, s), s
    return x0


def looks(world: World, prompt: str, times: list[float], seeds: int, finish: int) -> list[dict]:
    """For each time, the scores (seeds,) of each look and of the finish, on one ODE path a seed.

    Args:
        world: the model and its reward.
        prompt: the prompt.
        times: the schedule, falling.
        seeds: particles.
        finish: ODE steps that count as finished.
    """
    net, score = world.denoiser(prompt), rewards_of(world, prompt)
    generator = torch.Generator().manual_seed(hash_of(prompt))
    x = torch.randn(seeds, 16, 16, 16, generator=generator)
    x0, t, rows = torch.zeros_like(x), 1.0, []  # at t = 1, x is noise alone
    for s in times:
        x = (1.0 - s) * x0 + s * (x - (1.0 - t) * x0) / t
        t, x0 = s, net(x, s)
        pictures = {m: roll(net, x, x0, t, m) for m in {*LOOKS, finish}}
        row = {m: score(p) for m, p in pictures.items()}
        exact = {m: exacts(world, p, prompt) for m, p in pictures.items() if m in (0, finish)}
        blurs = torch.tensor([blur(a, b) for a, b in zip(x0, pictures[LOOK], strict=True)])
        rows.append({"score": row, "exact": exact, "blur": blurs})
    return rows


def exacts(world: World, x0: torch.Tensor, prompt: str) -> torch.Tensor:
    """Whether each image has the counts of the prompt: 0 or 1, (K,).

    Args:
        world: the demo model.
        x0: latents (K,16,16,16).
        prompt: the prompt.
    """
    return torch.tensor([judge(p, prompt)["exact"] for p in world.decode(x0)])


def hash_of(text: str) -> int:
    """A seed that does not change from run to run."""
    return sum(i * ord(c) for i, c in enumerate(text, 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="fast", help="fast, base or a file")
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--prompt-seed", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--finish", type=int, default=2, help="ODE steps that count as finished")
    parser.add_argument("--times", default="1,.98,.96,.93,.9,.8,.7,.5,.3")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    text = table(args)
    print(text)
    if args.write:
        put(ROOT / "docs" / "calibration.md", args.weights, text)
        plot(args.weights, text)


def plot(weights: str, text: str) -> None:
    """Draw the correlations of a table into docs/plots/calibration-<weights>.svg."""
    head, _, *rows = ([c.strip() for c in line.strip("|").split("|")] for line in text.split("\n"))
    series = {
        name: [tuple(map(float, row[i].split(" ± "))) if "±" in row[i] else None for row in rows]
        for i, name in enumerate(head)
        if name.startswith("look ")
    }
    title, times = f"What an early look tells, {weights}", tuple(row[0] for row in rows)
    drawn = chart(title, times, series, "t", "rank correlation (± se)")
    (ROOT / "docs" / "plots" / f"calibration-{weights}.svg").write_text(drawn)


def table(args: argparse.Namespace) -> str:
    """The table: a row for each time."""
    world = World(args.weights)
    times = [float(t) for t in args.times.split(",")]
    by_prompt = [
        looks(world, prompt, times, args.seeds, args.finish)
        for prompt in held_out_prompts(args.prompts, args.prompt_seed)
    ]
    shown = [m for m in LOOKS if m < args.finish]
    heads = [f"look {m}" for m in shown] + ["x0 right", "finish right", "right", "blur", "looks"]
    lines = [f"| t | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for i, t in enumerate(times):
        rows = [prompt[i] for prompt in by_prompt]
        last = args.finish
        cells = [
            mean_error([spearman(r["score"][m], r["score"][last]) for r in rows]) for m in shown
        ]
        x0, end = (torch.cat([r["exact"][m] for r in rows]) for m in (0, last))
        both = float((x0 * end).sum() / x0.sum().clamp(min=1))
        cells += [f"{x0.mean():.3f}", f"{end.mean():.3f}", f"{both:.2f}"]
        blurs = torch.cat([r["blur"] for r in rows])
        cells += [mean_error(blurs.tolist()), f"{(blurs >= SHARP).float().mean():.2f}"]
        lines.append(f"| {t} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
