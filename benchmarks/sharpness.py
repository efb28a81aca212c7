"""How blurred first predictions are: python benchmarks/sharpness.py

The blur is what an automatic lookahead measures (samplers/lookahead.py). --write puts the table
into docs/calibration.md.
"""

from __future__ import annotations

import argparse
import itertools
import runpy
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

from pack.benchmarks import prompt_sets
from pack.benchmarks.multiplier_plan import MODELS
from pack.benchmarks.twin_world import world_of
from pack.benchmarks.world import LOOK, SHAPE, SHARP, World, blur
from pack.samplers.flow import Flow
from pack.samplers.interpolants.linear import Linear
from pack.samplers.ode import ODE
from pack.tools.sections import put, table

POOL, PROMPTS, STARTS = 91, 30, 8
BORDERS = (0.06, 0.1, SHARP, 0.15)
HEADS = ("model", "prompts", "least", "median", "greatest", *(f"share >= {b:g}" for b in BORDERS))


def blurs(world: World, prompt: str, seed: int) -> list[float]:
    """The blur of STARTS first predictions.

    Args:
        world: the networks.
        prompt: what to draw.
        seed: of the starts.
    """
    first = world.noisiest
    noise = torch.randn(STARTS, *SHAPE, generator=torch.Generator().manual_seed(seed))
    x = world.begin(noise, first)
    flow = Flow(
        world.denoiser(prompt), ODE(Linear()), [first], start=lambda ids: x, noise=lambda ids: x
    )
    x0 = flow.denoiser(x, first)
    ends = flow.descend(x, x0, first, LOOK)[1]
    return [blur(x0[i], ends[i]) for i in range(STARTS)]


def rows(models: list[str]) -> list[tuple[str, ...]]:
    """A row for each model and set of prompts."""
    lines = []
    for weights in models:
        world = world_of(weights)
        for name, form in prompt_sets.FORMS.items():
            prompts = itertools.islice(prompt_sets.pool(form, POOL), PROMPTS)
            values = torch.tensor([b for i, p in enumerate(prompts) for b in blurs(world, p, i)])
            shares = (f"{(values >= border).float().mean():.3f}" for border in BORDERS)
            ends = (values.min(), values.median(), values.max())
            lines.append((weights, name, *(f"{value:.3f}" for value in ends), *shares))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    parser.add_argument("--weights", nargs="*", default=MODELS, choices=MODELS)
    args = parser.parse_args()
    text = table(HEADS, rows(args.weights))
    print(text)
    if args.write:
        put(ROOT / "docs" / "calibration.md", "border", text)


if __name__ == "__main__":
    main()
