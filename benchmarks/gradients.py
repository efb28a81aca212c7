"""What gradient guidance is worth: python benchmarks/gradients.py

On the demo model `fast`, with a reward that has a gradient: soft counts, the area of each colour
over that of one drawn shape,
    r = -sum_c (asked_c - area_c/A)^2,    area_c = sum_p softmax_c(-|pixel_p - colour_c|^2 / 2w^2)
with the ground as one more colour. It can be fooled, by larger shapes instead of more: `exact` (by
the pack's own counter) and `agree` (shapes and colours, held_out.py) are never optimised. --sweep
chooses schedule and strength on prompt seed 0; the tables are made on another. What was measured is
kept in benchmarks/results/gradients.json and not measured again; --write makes the page of it.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import held_out  # noqa: E402
import torch  # noqa: E402
from pack.demo.scenes import COLOURS  # noqa: E402
from pack.demo.text import parse  # noqa: E402
from pack.samplers.guidance import GUIDANCES, TorchGradients, pull  # noqa: E402
from pack.samplers.ledger import Ledger  # noqa: E402
from pack.samplers.noise import AddressedNoise  # noqa: E402
from pack.samplers.problem import Problem  # noqa: E402
from pack.samplers.run import Finish, Outcome, StopRules, run  # noqa: E402
from pack.samplers.steering import Steering  # noqa: E402
from page import put  # noqa: E402
from torch import Tensor  # noqa: E402
from world import ROOT, SHAPE, Setting, World, held_out_prompts, judge  # noqa: E402

PLACE = ROOT / "benchmarks" / "gradients.md"
KEPT = ROOT / "benchmarks" / "results" / "gradients.json"
AREA, WIDTH, GROUND = 225.0, 0.15, (0.94, 0.94, 0.94)
METRICS = ("reward", "exact", "agree", "diversity", "nfe", "gradients", "seconds")


@dataclass(frozen=True)
class Row:
    """One row of a table: a method, its budget and how it is guided. `alone`: one sample."""

    method: str
    budget: int = 50
    steps: int = 10
    guidance: str = "none"
    strength: float = 0.0
    schedule: str = "relative"

    @property
    def name(self) -> str:
        return self.method if self.guidance == "none" else f"{self.method} + {self.guidance}"

    def setting(self) -> Setting:
        """The search as the model's own table has it."""
        own = (("init_particles", self.budget // 4),) if self.method == "rbf" else ()
        method = "best_of_n" if self.method == "alone" else self.method
        return Setting(
            method, self.budget, self.steps, finish=2, kernel="eta", norm=1.0, options=own
        )


def soft_counts(pictures: Tensor, prompt: str) -> Tensor:
    """(K,H,W,3) -> (K,), differentiable."""
    asked = torch.zeros(len(COLOURS))
    for count, colour, _ in parse(prompt):
        asked[colour] += count
    palette = torch.tensor([*COLOURS.values(), GROUND])
    distance = (pictures[..., None, :] - palette).square().sum(-1)
    area = torch.softmax(-distance / (2 * WIDTH**2), -1)[..., :-1].sum((1, 2))
    return -(asked - area / AREA).square().sum(1)


def find(world: World, prompt: str, row: Row, seed: int) -> tuple[Tensor, dict[str, float]]:
    """The picture (H,W,3) found, and what it is worth."""
    setting, denoise = row.setting(), world.denoiser(prompt)
    _, times = setting.times()

    def value(x0: Tensor) -> Tensor:
        return soft_counts(world.decode(x0), prompt)

    noise, outcome = AddressedNoise(seed, SHAPE), Outcome()
    steering = None
    if row.strength:
        guidance = GUIDANCES[row.guidance](row.strength, row.schedule)
        steering = Steering(guidance, TorchGradients(value, denoise))
    problem = Problem(
        denoise,
        setting.transition(),
        times,
        start=lambda ids: times[0] * noise(ids),
        noise=noise,
        uniform=noise.uniform,
        objective=value,
        steering=steering,
        ledger=Ledger(),
    )
    finish = Finish(setting.finish, 1)
    least = setting.search().minimum(len(times), problem.prices) + finish.rows()
    problem.ledger.total = least if row.method == "alone" else row.budget
    begin = time.process_time()
    list(run(setting.search(), problem, finish, StopRules(), outcome))
    seconds, picture = time.process_time() - begin, world.decode(outcome.top[0].clean)[0]
    return picture, {
        "reward": float(outcome.top[0].reward),
        "exact": judge(picture, prompt)["exact"],
        "agree": held_out.agreement(picture, prompt),
        "nfe": problem.ledger.nfe,
        "gradients": problem.ledger.gradients,
        "seconds": seconds,
    }


def measure(world: World, row: Row, prompts: list[str], seeds: int) -> dict[str, list[float]]:
    """For each metric one number a prompt."""
    rows: list[dict[str, float]] = []
    for i, prompt in enumerate(prompts):
        found = [find(world, prompt, row, 1000 * s + i) for s in range(seeds)]
        pictures, told = zip(*found, strict=True)
        mean = {k: statistics.fmean(t[k] for t in told) for k in METRICS if k != "diversity"}
        different = held_out.diversity(list(pictures)) if seeds > 1 else math.nan
        rows.append(mean | {"diversity": different})
    return {k: [round(r[k], 5) for r in rows] for k in METRICS}


def saved(function: Callable[[Tensor], Tensor], x: Tensor) -> int:
    """Bytes that autograd keeps of one forward pass."""
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        pull(lambda rows: function(rows).flatten(1).sum(1), x)
    return sum(kept.values())


def memory(world: World) -> dict[str, int]:
    """Bytes kept for each part's backward pass, one after the other as guidance takes them."""
    prompt = "three red circles and two blue squares"
    x, denoise = torch.randn(1, *SHAPE), world.denoiser(prompt)
    pictures = world.decode(x)
    return {
        "network": saved(lambda rows: denoise(rows, 0.9), x),
        "decoder": saved(world.decode, x),
        "reward": saved(lambda rows: soft_counts(rows, prompt)[:, None], pictures),
    }


# By --sweep: the strength at which `agree` does not yet fall, and that of the highest reward.
CAREFUL, STRONG = {"dps": 0.25, "x0": 0.25}, {"dps": 2.0, "x0": 1.0}


def guided(row: Row, strengths: dict[str, float]) -> list[Row]:
    return [replace(row, guidance=kind, strength=s) for kind, s in strengths.items()]


def sweep() -> list[Row]:
    """Every schedule at several strengths, in RBF."""
    tried = {
        "relative": (0.25, 0.5, 1.0, 2.0, 4.0),
        "theory": (1.0, 10.0, 100.0),
        "tempered": (1.0, 10.0),
    }
    base = Row("rbf", 50)
    rows = [base]
    for kind in ("dps", "x0"):
        rows += [
            replace(base, guidance=kind, strength=s, schedule=n)
            for n, v in tried.items()
            for s in v
        ]
    return rows


def plan() -> list[Row]:
    """The table: searches at 50 NFE, and single samples."""
    alone, svdd, rbf = Row("alone", 12), Row("svdd"), Row("rbf")
    long = [
        replace(row, budget=50, steps=24 if row.guidance == "dps" else 48)
        for row in guided(alone, STRONG)
    ]
    return [
        *(Row("best_of_n"), alone, *guided(alone, CAREFUL), *guided(alone, STRONG), *long),
        *(svdd, *guided(svdd, CAREFUL)),
        *(rbf, *guided(rbf, CAREFUL)),
    ]


def cell(values: list[float], sign: str = "") -> str:
    """Mean and standard error."""
    error = statistics.stdev(values) / math.sqrt(len(values))
    return f"{statistics.fmean(values):{sign}.3f} ± {error:.3f}"


def key(row: Row, sweeping: bool) -> str:
    return f"sweep {row!r}" if sweeping else repr(row)


def plain(row: Row) -> Row:
    """What a row is held against: the same without guidance."""
    return Row("alone", 12) if row.method == "alone" else Row(row.method, row.budget)


def line(row: Row, sweeping: bool, kept: dict[str, dict]) -> str:
    """One row of a table; differences are paired by prompt."""
    told = f"{row.schedule} {row.strength:g}" if row.strength else "–"
    own, base = kept[key(row, sweeping)], kept.get(key(plain(row), sweeping))
    means = {k: statistics.fmean(own[k]) for k in METRICS}
    cells = [cell(own[k]) for k in ("reward", "exact", "agree")]
    for metric in ("reward", "agree"):
        pairs = zip(own[metric], base[metric], strict=True) if base and row.strength else ()
        gains = [a - b for a, b in pairs]
        cells.append(cell(gains, sign="+") if gains else "–")
    return (
        f"| {row.name} | {told} | {means['nfe']:.0f} | {means['gradients']:.0f} "
        f"| {' | '.join(cells)} | {means['diversity']:.3f} | {means['seconds']:.2f} |"
    )


NAMES = ("method", "schedule, strength", "NFE", "gradients", "reward", "exact", "agree")
GAINS = ("reward, less unguided", "agree, less unguided", "diversity", "CPU s")
HEAD = f"| {' | '.join(NAMES + GAINS)} |\n|{'---|' * len(NAMES + GAINS)}"


def write(kept: dict[str, dict]) -> None:
    for name, rows in (("sweep", sweep()), ("table", plan())):
        sweeping = name == "sweep"
        known = [row for row in rows if key(row, sweeping) in kept]
        put(PLACE, name, "\n".join([HEAD, *(line(row, sweeping, kept) for row in known)]))
    told = ", ".join(f"{part} {size / 2**20:.1f} MiB" for part, size in kept["memory"].items())
    put(PLACE, "memory", told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--sweep", action="store_true", help="choose schedule and strength")
    parser.add_argument("--write", action="store_true", help="make the page, measure nothing")
    args = parser.parse_args()
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    if args.write:
        write(kept)
        return
    world = World("fast")
    kept["memory"] = memory(world)
    prompts = held_out_prompts(args.prompts, 0 if args.sweep else 2)
    print(HEAD, flush=True)
    for row in sweep() if args.sweep else plan():
        own = key(row, args.sweep)
        if own not in kept:
            kept[own] = measure(world, row, prompts, args.seeds)
            KEPT.write_text(
                json.dumps(kept).replace('"sweep', '\n"sweep').replace('"Row', '\n"Row')
            )
        print(line(row, args.sweep, kept), flush=True)


if __name__ == "__main__":
    main()
