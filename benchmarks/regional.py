"""Regional search on hard prompts of the demo model, with and without blame.

    python benchmarks/regional.py [--weights fast] [--prompts 20] [--seeds 1] [row …]

A hard prompt has three kinds and 11 or 12 things, one (count, colour, shape) of it held out from
training. A run is right if the reward, `shape_count`, counts everything right. Searches stop there.
"""

from __future__ import annotations

import argparse
import json
import runpy
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks.world import SHAPE, World
from pack.demo.scenes import caption, draw_kinds
from pack.rewards.count.shape_count import ShapeCount
from pack.samplers.flow import Flow
from pack.samplers.interpolants import INTERPOLANTS
from pack.samplers.lineage import Book
from pack.samplers.noise import AddressedNoise
from pack.samplers.ode import ODE
from pack.samplers.purse import Purse
from pack.samplers.rules import Finish, Outcome, StopRules
from pack.samplers.run import run
from pack.samplers.schedules import model_times
from pack.samplers.search import SEARCHES
from pack.samplers.task import Task

RIGHT = -0.5
ROWS: dict[str, tuple[str, int, dict]] = {  # method, steps, settings
    "best of N, 2 steps": ("best_of_n", 2, {}),
    "regional, 1 step": ("regional", 1, {}),
    "regional, 1 step, no blame": ("regional", 1, {"follow_blame": False}),
    "regional, 2 steps": ("regional", 2, {}),
    "regional, 2 steps, no blame": ("regional", 2, {"follow_blame": False}),
    "regional, 5 steps": ("regional", 5, {}),
    "regional, 5 steps, no blame": ("regional", 5, {"follow_blame": False}),
    "regional paths, 5 steps": ("regional_paths", 5, {}),
    "regional paths, 5 steps, no blame": ("regional_paths", 5, {"follow_blame": False}),
    "regional paths, 4 steps": ("regional_paths", 4, {}),
    "regional paths, 10 steps": ("regional_paths", 10, {}),
}


def hard_prompts(n: int, seed: int) -> list[str]:
    generator, prompts = torch.Generator().manual_seed(seed), []
    while len(prompts) < n:
        for kinds in draw_kinds(64, generator, held_out=True).tolist():
            if all(count for count, *_ in kinds) and sum(count for count, *_ in kinds) >= 11:
                prompts.append(caption(kinds))
    return prompts[:n]


@dataclass
class Objective:
    """What `shape_count` says of latents, and where it sees that they are wrong.

    Args:
        world: decodes them.
        prompt: what they are compared with.
        reward: the settings of `shape_count`.
    """

    world: World
    prompt: str
    reward: ShapeCount

    def __call__(self, x0: Tensor) -> Tensor:
        return self.reward.score(self.world.decode(x0), [self.prompt] * len(x0))

    def blame(self, x0: Tensor) -> Tensor:
        maps = self.reward.blame(self.world.decode(x0), [self.prompt] * len(x0))
        return torch.nn.functional.interpolate(maps[:, None], x0.shape[2:], mode="area")[:, 0]


def once(demo: World, prompt: str, row: str, budget: int, seed: int) -> dict[str, float]:
    """One search: whether it found a right image, and the NFE that it took.

    Args:
        demo: the networks.
        prompt: what to draw.
        row: a key of ROWS.
        budget: NFE.
        seed: of the noise.
    """
    method, steps, options = ROWS[row]
    times = model_times(steps, "linear", INTERPOLANTS["linear"]())[:-1]
    noise, book, outcome = AddressedNoise(seed, SHAPE), Book(), Outcome()
    flow = Flow(
        demo.denoiser(prompt), ODE(INTERPOLANTS["linear"]()), times,
        start=lambda ids: times[0] * noise(ids), noise=noise, uniform=noise.uniform,
    )  # fmt: skip
    purse = Purse(total=budget)
    task = Task(flow, purse, Objective(demo, prompt, ShapeCount()), on_made=book.add)
    rules = StopRules(target=RIGHT)
    list(run(SEARCHES[method](**options), task, Finish(), rules, outcome, book.root))
    return {"right": float(outcome.top[0].reward > RIGHT), "nfe": purse.nfe}


def measure(demo: World, prompts: list[str], row: str, arguments: argparse.Namespace) -> dict:
    """The share of right images with its standard error over prompts, and the mean NFE.

    Args:
        demo: the networks.
        prompts: what to draw.
        row: a key of ROWS.
        arguments: weights, seeds and budget of the command line.
    """
    begin, seeds = time.perf_counter(), range(arguments.seeds)
    runs = [once(demo, prompt, row, arguments.budget, s) for prompt in prompts for s in seeds]
    right = torch.tensor([run["right"] for run in runs]).view(len(prompts), -1).mean(1)
    return {
        "row": row,
        "weights": arguments.weights,
        "right": round(float(right.mean()), 3),
        "error": round(float(right.std() / len(right) ** 0.5), 3),
        "nfe": round(sum(run["nfe"] for run in runs) / len(runs), 1),
        "runs": len(runs),
        "seconds": round(time.perf_counter() - begin),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", default="fast")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--prompt-seed", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("rows", nargs="*", default=[*ROWS])
    arguments = parser.parse_args()
    demo = World(arguments.weights)
    prompts = hard_prompts(arguments.prompts, arguments.prompt_seed)
    for row in arguments.rows:
        print(json.dumps(measure(demo, prompts, row, arguments)), flush=True)


if __name__ == "__main__":
    main()
